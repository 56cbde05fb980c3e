"""The command that writes shards: `keras-lraspp data shards`."""

import argparse

from keras_lraspp.cli.command import Command
from keras_lraspp.cli.dataset_flags import add_dataset_flags, load_dataset_flags


def _add_flags(parser: argparse.ArgumentParser) -> None:
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
    "shards", "write a data set as a few files, read fast", _add_flags, _shards
)
