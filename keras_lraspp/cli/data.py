"""The commands for data sets: `keras-lraspp data TOOL`."""

import argparse

from keras_lraspp.cli.command import Command, spelling
from keras_lraspp.cli.data_check import CHECK
from keras_lraspp.cli.data_prepare import PREPARE
from keras_lraspp.cli.data_scenes import SCENES
from keras_lraspp.cli.data_shards import SHARDS
from keras_lraspp.cli.data_show import SHOW

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
