"""The command that writes a network for another runtime."""

import argparse

from keras_lraspp.cli.command import (
    Command,
    add_config_flags,
    add_weights_flag,
    load_flags,
    size,
)


def _add_export_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser)
    add_weights_flag(parser)
    parser.add_argument(
        "--output_dir", required=True, metavar="DIR", help="folder of all versions"
    )
    parser.add_argument(
        "--size", metavar="HEIGHTxWIDTH", help="of the images (default: any)"
    )
    parser.add_argument("--version", type=int, help="number of the version")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        default=None,
        help="replace the version if it is there",
    )


def _export(flags: argparse.Namespace) -> int:
    image_size = size(flags.size) if flags.size else None
    load_flags(flags)
    from keras_lraspp.config import call

    call(
        "export",
        weights=flags.weights,
        output_dir=flags.output_dir,
        size=image_size,
        version=flags.version,
        overwrite=flags.overwrite,
    )
    return 0


EXPORT_COMMAND = Command(
    "export", "write it for another runtime", _add_export_flags, _export
)
