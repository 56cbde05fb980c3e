"""The `data` commands: check, prepare, draw, pack and show data sets."""

import argparse
from pathlib import Path

from keras_lraspp.cli.flags import (
    Command,
    add_commands,
    add_config_flags,
    add_data_root_flag,
    add_dataset_flag,
    add_workers_flag,
    bind_dataset,
    check_positive,
    load_flags,
    read_size,
    split_names,
)
from keras_lraspp.errors import InputError


def _add_dataset_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `check` and `shards` that name a data set and its splits."""
    add_dataset_flag(parser)
    add_data_root_flag(parser)
    add_config_flags(parser)
    parser.add_argument(
        "--split",
        default="train,val",
        metavar="NAMES",
        help="splits, with commas between them (default: train,val)",
    )
    add_workers_flag(parser, "files at a time")


def _call_dataset_run(name: str, flags: argparse.Namespace, **arguments) -> None:
    """Calls `check` or `shards` with the data set that the flags name."""
    check_positive(flags, "workers")
    splits = tuple(filter(None, split_names(flags.split)))
    if not splits:
        raise InputError("--split names no split; give one, as --split=train.")
    bind_dataset(name, flags)
    load_flags(flags)
    from keras_lraspp.config import call

    arguments |= {"data_root": flags.data_root, "workers": flags.workers}
    call(name, splits=splits, **arguments)


def _add_check_flags(parser: argparse.ArgumentParser) -> None:
    _add_dataset_flags(parser)
    parser.add_argument("--json", metavar="FILE", help="where to write all of it")
    parser.add_argument(
        "--sheet", metavar="FILE.png", help="where to draw samples with their labels"
    )


def _check(flags: argparse.Namespace) -> int:
    _call_dataset_run("check", flags, json_path=flags.json, sheet_path=flags.sheet)
    return 0


def _add_cityscapes_flags(parser: argparse.ArgumentParser) -> None:
    add_data_root_flag(
        parser, "folder with the zip files as they were downloaded, or unpacked"
    )
    add_workers_flag(parser, "processes")
    parser.add_argument(
        "--zip",
        action="append",
        default=[],
        metavar="FILE",
        help="an official zip file that lies elsewhere; may be repeated",
    )
    parser.add_argument(
        "--source",
        choices=("auto", "labelIds", "polygons"),
        default="auto",
        help="what labels are made from: a lookup of labelIds, or polygons drawn by "
        "cityscapesScripts (default: labelIds where they are there)",
    )


def _prepare_cityscapes(flags: argparse.Namespace) -> int:
    check_positive(flags, "workers")
    from keras_lraspp.data.prepare.train_ids import prepare_cityscapes

    done = prepare_cityscapes(
        flags.data_root, archives=flags.zip, source=flags.source, workers=flags.workers
    )
    print(
        f"{done.unpacked} files were unpacked and {done.written} labelTrainIds written;"
        f" {done.kept} were there; {flags.data_root} is ready"
    )
    return 0


def _add_voc_flags(parser: argparse.ArgumentParser) -> None:
    add_data_root_flag(parser, "folder VOC2012, or one that holds it")
    add_workers_flag(parser, "processes")
    parser.add_argument(
        "--sbd",
        required=True,
        metavar="DIR",
        help="folder benchmark_RELEASE of the Semantic Boundaries Dataset",
    )


def _prepare_voc(flags: argparse.Namespace) -> int:
    check_positive(flags, "workers")
    from keras_lraspp.data.prepare.voc2012_aug import prepare_voc

    done, images = prepare_voc(flags.data_root, flags.sbd, workers=flags.workers)
    print(
        f"{done.written} masks were converted, {done.kept} were there; with "
        f"VOC2012.augmented = True there are {images} images to train on"
    )
    return 0


def _add_coco_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--annotations", required=True, metavar="FILE.json", help="COCO's annotations"
    )
    add_data_root_flag(parser, "folder for masks and lists")
    parser.add_argument(
        "--images", metavar="DIR", help="folder of the images (default: --data_root)"
    )
    _add_converted_flags(parser)


def _add_labelme_flags(parser: argparse.ArgumentParser) -> None:
    add_data_root_flag(parser, "folder with the JSON files")
    _add_converted_flags(parser)


def _add_converted_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split", default="train", metavar="NAME", help="its name (default: train)"
    )
    add_workers_flag(parser, "processes")


def _prepare_coco(flags: argparse.Namespace) -> int:
    check_positive(flags, "workers")
    from keras_lraspp.data.prepare.polygons import prepare_coco

    arguments = {"images": flags.images, "split": flags.split, "workers": flags.workers}
    return _say_converted(prepare_coco(flags.annotations, flags.data_root, **arguments))


def _prepare_labelme(flags: argparse.Namespace) -> int:
    check_positive(flags, "workers")
    from keras_lraspp.data.prepare.polygons import prepare_labelme

    arguments = {"split": flags.split, "workers": flags.workers}
    return _say_converted(prepare_labelme(flags.data_root, **arguments))


def _say_converted(done) -> int:
    print(
        f"{done.masks} masks of {len(done.classes)} classes were drawn, "
        f"{done.list_path} lists them; train with DATASET = @FileList, "
        'FileList.classes = "classes.txt" and FileList.separator = "\\t"'
    )
    return 0


_PREPARE_COMMANDS = (
    Command(
        "cityscapes",
        "unpack the zip files and write labelTrainIds",
        _add_cityscapes_flags,
        _prepare_cityscapes,
        "--data_root=data/cityscapes",
    ),
    Command(
        "voc",
        "convert the masks that SBD adds to PASCAL VOC",
        _add_voc_flags,
        _prepare_voc,
        "--data_root=data/voc2012 --sbd=data/benchmark_RELEASE",
    ),
    Command(
        "coco",
        "draw masks of COCO's polygons",
        _add_coco_flags,
        _prepare_coco,
        "--annotations=data/coco/train.json --data_root=data/coco",
    ),
    Command(
        "labelme",
        "draw masks of LabelMe's shapes",
        _add_labelme_flags,
        _prepare_labelme,
        "--data_root=data/labelme",
    ),
)


def _add_prepare_commands(parser: argparse.ArgumentParser) -> None:
    parent = "data prepare "
    add_commands(parser, _PREPARE_COMMANDS, "NAME", dest="dataset", parent=parent)


def _add_scenes_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output_dir", required=True, metavar="DIR", help="folder to fill"
    )
    for flag, default, text in (
        ("--train", 200, "scenes to train on"),
        ("--val", 50, "scenes to validate on"),
        ("--seed", 0, "other seeds give other scenes"),
    ):
        parser.add_argument(
            flag,
            type=int,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )
    parser.add_argument(
        "--size",
        default="512x1024",
        metavar="HEIGHTxWIDTH",
        help="of the images (default: 512x1024)",
    )


def _scenes(flags: argparse.Namespace) -> int:
    check_positive(flags, "train", "val")
    height, width = read_size("--size", flags.size)
    from keras_lraspp.data import Scenes

    counts = []
    for split in ("train", "val"):
        drawn = Scenes(
            root=Path(flags.output_dir),
            split=split,
            train_scenes=flags.train,
            val_scenes=flags.val,
            height=height,
            width=width,
            seed=flags.seed,
        )
        counts.append(f"{len(drawn)} {split}")
    print(
        f"{' and '.join(counts)} scenes of {height}x{width} are in {flags.output_dir}, "
        f"laid out like Cityscapes"
    )
    return 0


def _add_shards_flags(parser: argparse.ArgumentParser) -> None:
    _add_dataset_flags(parser)
    parser.add_argument(
        "--output_dir",
        required=True,
        metavar="DIR",
        help="folder to make, for the shards",
    )
    parser.add_argument(
        "--encoding",
        metavar="KIND",
        help="png: every pixel as it is (default); jpeg: quality 95, a quarter of that",
    )
    parser.add_argument(
        "--file_format", metavar="KIND", help="tfrecord (default) or array_record"
    )


def _shards(flags: argparse.Namespace) -> int:
    _call_dataset_run(
        "shards",
        flags,
        output_dir=flags.output_dir,
        encoding=flags.encoding,
        file_format=flags.file_format,
    )
    return 0


def _add_show_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser, required=True)
    add_data_root_flag(parser)
    parser.add_argument(
        "--output",
        default="augmented.png",
        metavar="FILE.png",
        help="the picture to write (default: augmented.png)",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=4,
        metavar="N",
        help="samples in the picture (default: 4)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="of order and augmentation (default: train.seed of the configuration)",
    )


def _show(flags: argparse.Namespace) -> int:
    check_positive(flags, "samples")
    load_flags(flags)
    from keras_lraspp.config import bound, call

    arguments = bound("train", "dataset", "transform", "data_root", "seed")
    for name in ("data_root", "seed"):
        if getattr(flags, name) is not None:
            arguments[name] = getattr(flags, name)
    call("show", output_path=flags.output, samples=flags.samples, **arguments)
    return 0


_DATA_COMMANDS = (
    Command(
        "check",
        "look at every file of a data set",
        _add_check_flags,
        _check,
        "--dataset=Cityscapes --data_root=data/cityscapes",
    ),
    Command(
        "prepare",
        "make a downloaded data set ready",
        _add_prepare_commands,
        run=None,
    ),
    Command(
        "scenes",
        "draw street scenes as a data set",
        _add_scenes_flags,
        _scenes,
        "--output_dir=data/scenes --train=20 --val=5",
    ),
    Command(
        "shards",
        "write a data set as a few files, read fast",
        _add_shards_flags,
        _shards,
        "--dataset=Cityscapes --data_root=data/cityscapes --output_dir=data/shards",
    ),
    Command(
        "show",
        "draw samples as they are augmented for training",
        _add_show_flags,
        _show,
        "--gin_file=quickstart.gin --output=augmented.png",
    ),
)


def _add_data_commands(parser: argparse.ArgumentParser) -> None:
    add_commands(parser, _DATA_COMMANDS, "TOOL", dest="tool", parent="data ")


DATA_COMMAND = Command("data", "make and check data sets", _add_data_commands, run=None)
