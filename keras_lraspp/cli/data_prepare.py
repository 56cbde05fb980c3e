"""The command that makes data sets ready: `keras-lraspp data prepare NAME`."""

import argparse

from keras_lraspp.cli.command import Command, spelling
from keras_lraspp.errors import InputError


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

    done = prepare_voc(flags.root, flags.sbd, workers=_workers(flags))
    print(
        f"{done.written} masks were converted, {done.kept} were there; with "
        f"VOC2012.augmented = True there are {done.training_images} images to train on"
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
