"""The command that turns PaddleSeg's weights into a Keras file."""

import argparse

from keras_lraspp.cli.command import Command
from keras_lraspp.cli.quiet_import import import_tensorflow


def _add_convert_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "weights",
        help="a .pdparams file, a folder or .tar.gz that holds model.pdparams, or a "
        "published preset, as os8_global_cityscapes",
    )
    parser.add_argument("output", help="the .keras file to write")
    parser.add_argument(
        "--variant",
        metavar="NAME",
        help="which network the weights are of, as os8_global; needed where several "
        "networks have the same tensors",
    )


def _convert(flags: argparse.Namespace) -> int:
    import_tensorflow()
    from keras_lraspp.runs.convert import convert

    path = convert(weights=flags.weights, output=flags.output, variant=flags.variant)
    print(f"wrote {path}")
    return 0


CONVERT_COMMAND = Command(
    "convert", "write PaddleSeg's weights as a Keras file", _add_convert_flags, _convert
)
