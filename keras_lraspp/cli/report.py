"""The command that makes the page of a training."""

import argparse

from keras_lraspp.cli.command import Command
from keras_lraspp.cli.quiet_import import import_tensorflow


def _add_report_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run",
        dest="folder",  # `run` is what the flags run
        required=True,
        metavar="DIR",
        help="the --output_dir of a training",
    )
    parser.add_argument(
        "--data_root",
        metavar="DIR",
        help="folder of the data, if it was moved since the training",
    )


def _report(flags: argparse.Namespace) -> int:
    import_tensorflow()
    from keras_lraspp.runs.report import report

    print(report(run=flags.folder, data_root=flags.data_root))
    return 0


REPORT_COMMAND = Command(
    "report", "make the page of a training", _add_report_flags, _report
)
