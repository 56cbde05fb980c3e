"""The commands for data sets: `keras-lraspp data TOOL`."""

import argparse
from pathlib import Path

from keras_lraspp.cli.flags import (
    Command,
    add_config_flags,
    add_data_root_flag,
    add_dataset_flags,
    load_dataset_flags,
    load_flags,
    spelling,
)
from keras_lraspp.errors import InputError


def _add_check_flags(parser: argparse.ArgumentParser) -> None:
    add_dataset_flags(parser)
    parser.add_argument("--json", metavar="FILE", help="where to write all of it")
    parser.add_argument(
        "--sheet", metavar="FILE.png", help="where to draw samples with their labels"
    )


def _check(flags: argparse.Namespace) -> int:
    arguments = load_dataset_flags(flags, "check")
    from keras_lraspp.config import call

    call("check", json_path=flags.json, sheet_path=flags.sheet, **arguments)
    return 0


CHECK = Command("check", "look at every file of a data set", _add_check_flags, _check)


def _add_common_flags(parser: argparse.ArgumentParser, folder: str) -> None:
    parser.add_argument("--root", required=True, metavar="DIR", help=folder)
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes (default: one per processor)",
    )


def _workers(flags: argparse.Namespace) -> int | None:
    if flags.workers is not None and flags.workers < 1:
        raise InputError(f"--workers is at least 1, not {flags.workers}.")
    return flags.workers


def _add_cityscapes_flags(parser: argparse.ArgumentParser) -> None:
    _add_common_flags(
        parser, "folder with the zip files as they were downloaded, or unpacked"
    )
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


def _cityscapes(flags: argparse.Namespace) -> int:
    from keras_lraspp.data.prepare.train_ids import prepare_cityscapes

    done = prepare_cityscapes(
        flags.root, archives=flags.zip, source=flags.source, workers=_workers(flags)
    )
    print(
        f"{done.unpacked} files were unpacked and {done.written} labelTrainIds written;"
        f" {done.kept} were there; {flags.root} is ready"
    )
    return 0


def _add_voc_flags(parser: argparse.ArgumentParser) -> None:
    _add_common_flags(parser, "folder VOC2012, or one that holds it")
    parser.add_argument(
        "--sbd",
        required=True,
        metavar="DIR",
        help="folder benchmark_RELEASE of the Semantic Boundaries Dataset",
    )


def _voc(flags: argparse.Namespace) -> int:
    from keras_lraspp.data.prepare.voc2012_aug import prepare_voc

    done, images = prepare_voc(flags.root, flags.sbd, workers=_workers(flags))
    print(
        f"{done.written} masks were converted, {done.kept} were there; with "
        f"VOC2012.augmented = True there are {images} images to train on"
    )
    return 0


DATASETS = (
    Command(
        "cityscapes",
        "unpack the zip files and write labelTrainIds",
        _add_cityscapes_flags,
        _cityscapes,
    ),
    Command("voc", "convert the masks that SBD adds", _add_voc_flags, _voc),
)


def _add_prepare_flags(parser: argparse.ArgumentParser) -> None:
    names = parser.add_subparsers(dest="dataset", required=True, metavar="NAME")
    for row in DATASETS:
        child = names.add_parser(
            row.name,
            help=row.summary,
            description=row.summary,
            prog=spelling(f"data prepare {row.name}"),
            allow_abbrev=False,
        )
        row.add_flags(child)
        child.set_defaults(run=row.run)


PREPARE = Command(
    "prepare", "make a downloaded data set ready", _add_prepare_flags, run=None
)


def _add_scenes_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", required=True, metavar="DIR", help="folder to fill")
    for flag, default, text in (
        ("--train", 200, "scenes to train on"),
        ("--val", 50, "scenes to validate on"),
        ("--height", 512, "of the images, in pixels"),
        ("--width", 1024, "of the images, in pixels"),
        ("--seed", 0, "other seeds give other scenes"),
    ):
        parser.add_argument(
            flag,
            type=int,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )


def _scenes(flags: argparse.Namespace) -> int:
    for name in ("train", "val", "height", "width"):
        if getattr(flags, name) < 1:
            raise InputError(f"--{name} is at least 1, not {getattr(flags, name)}.")
    from keras_lraspp.data import Scenes

    counts = []
    for split in ("train", "val"):
        drawn = Scenes(
            root=Path(flags.root),
            split=split,
            train_scenes=flags.train,
            val_scenes=flags.val,
            height=flags.height,
            width=flags.width,
            seed=flags.seed,
        )
        counts.append(f"{len(drawn)} {split}")
    print(
        f"{' and '.join(counts)} scenes of {flags.height}x{flags.width} are in "
        f"{flags.root}, laid out like Cityscapes"
    )
    return 0


SCENES = Command(
    "scenes", "draw street scenes as a data set", _add_scenes_flags, _scenes
)


def _add_shards_flags(parser: argparse.ArgumentParser) -> None:
    add_dataset_flags(parser)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder to make, for the shards"
    )
    parser.add_argument(
        "--encoding",
        metavar="KIND",
        help="png: every pixel as it is (default); jpeg: quality 95, a quarter of that",
    )
    parser.add_argument(
        "--file_format",
        metavar="KIND",
        help="tfrecord (default) or array_record",
    )


def _shards(flags: argparse.Namespace) -> int:
    arguments = load_dataset_flags(flags, "shards")
    from keras_lraspp.config import call

    call(
        "shards",
        output_dir=flags.out,
        encoding=flags.encoding,
        file_format=flags.file_format,
        **arguments,
    )
    return 0


SHARDS = Command(
    "shards", "write a data set as a few files, read fast", _add_shards_flags, _shards
)


def _add_show_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser)
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
    if flags.samples < 1:
        raise InputError(f"--samples is at least 1, not {flags.samples}.")
    load_flags(flags)
    from keras_lraspp.config import bound, call

    given = bound("train", "dataset", "transform", "data_root", "seed")
    flagged = {"data_root": flags.data_root, "seed": flags.seed}
    given.update((name, value) for name, value in flagged.items() if value is not None)
    call("show", output_path=flags.output, samples=flags.samples, **given)
    return 0


SHOW = Command(
    "show", "draw samples as they are augmented for training", _add_show_flags, _show
)


TOOLS = (CHECK, PREPARE, SCENES, SHARDS, SHOW)


def _add_data_flags(parser: argparse.ArgumentParser) -> None:
    tools = parser.add_subparsers(dest="tool", required=True, metavar="TOOL")
    for tool in TOOLS:
        child = tools.add_parser(
            tool.name,
            help=tool.summary,
            description=tool.summary,
            prog=spelling(f"data {tool.name}"),
            allow_abbrev=False,
        )
        tool.add_flags(child)
        if tool.run is not None:
            child.set_defaults(run=tool.run)


DATA_COMMAND = Command("data", "make and check data sets", _add_data_flags, run=None)
