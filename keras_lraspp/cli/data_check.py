"""The data doctor's command: `keras-lraspp data check`."""

import argparse

from keras_lraspp.cli.command import Command, load_flags
from keras_lraspp.errors import InputError


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="as in a configuration: Cityscapes, ADE20K, VOC2012, CamVid, ...",
    )
    parser.add_argument(
        "--gin_file",
        action="append",
        default=[],
        metavar="FILE",
        help="a configuration that names the data set, instead of --dataset",
    )
    parser.add_argument(
        "--gin_bindings",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME.PARAMETER=VALUE",
        help='one value of the data set, as "FileList.num_classes=3"; may be repeated',
    )
    parser.add_argument(
        "--root", metavar="DIR", help="folder of the data (default: data/<name>)"
    )
    parser.add_argument(
        "--split",
        default="train,val",
        metavar="NAMES",
        help="splits, with commas between them (default: train,val)",
    )
    parser.add_argument("--json", metavar="FILE", help="where to write all of it")
    parser.add_argument(
        "--sheet", metavar="FILE.png", help="where to draw samples with their labels"
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="files read at a time (default: one per processor)",
    )


def _check(flags: argparse.Namespace) -> int:
    if bool(flags.dataset) == bool(flags.gin_file):
        raise InputError(
            "Which data set to check is said by --dataset or by --gin_file; give one."
        )
    if flags.workers is not None and flags.workers < 1:
        raise InputError(f"--workers is at least 1, not {flags.workers}.")
    splits = tuple(name.strip() for name in flags.split.split(",") if name.strip())
    if not splits:
        raise InputError("--split names no split; give one, as --split=train.")
    if flags.dataset:
        flags.gin_bindings.insert(0, f"check.dataset = @{flags.dataset}")
    load_flags(flags)
    from keras_lraspp.config import call

    call(
        "check",
        data_root=flags.root,
        splits=splits,
        json_path=flags.json,
        sheet_path=flags.sheet,
        workers=flags.workers,
    )
    return 0


CHECK = Command("check", "look at every file of a data set", _add_flags, _check)
