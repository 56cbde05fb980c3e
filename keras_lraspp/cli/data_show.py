"""The command that draws augmented samples: `keras-lraspp data show`."""

import argparse

from keras_lraspp.cli.command import (
    Command,
    add_config_flags,
    add_data_root_flag,
    load_flags,
)
from keras_lraspp.errors import InputError


def _add_flags(parser: argparse.ArgumentParser) -> None:
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
    "show", "draw samples as they are augmented for training", _add_flags, _show
)
