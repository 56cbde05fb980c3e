"""The data doctor's command: `keras-lraspp data check`."""

import argparse

from keras_lraspp.cli.command import Command
from keras_lraspp.cli.dataset_flags import add_dataset_flags, load_dataset_flags


def _add_flags(parser: argparse.ArgumentParser) -> None:
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


CHECK = Command("check", "look at every file of a data set", _add_flags, _check)
