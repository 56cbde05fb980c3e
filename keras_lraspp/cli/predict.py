"""The command that segments images."""

import argparse

from keras_lraspp.cli.command import (
    Command,
    add_config_flags,
    add_weights_flag,
    load_flags,
)


def _add_predict_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser)
    add_weights_flag(parser)
    parser.add_argument(
        "--input", required=True, metavar="IMAGE_OR_FOLDER", help="what to segment"
    )
    parser.add_argument(
        "--output_dir", required=True, metavar="DIR", help="folder of the pictures"
    )
    parser.add_argument(
        "--opacity", type=float, help="of the colours in overlays, 0 to 1"
    )


def _predict(flags: argparse.Namespace) -> int:
    load_flags(flags)
    from keras_lraspp.config import call

    call(
        "predict",
        weights=flags.weights,
        input_path=flags.input,
        output_dir=flags.output_dir,
        opacity=flags.opacity,
    )
    return 0


PREDICT_COMMAND = Command("predict", "segment images", _add_predict_flags, _predict)
