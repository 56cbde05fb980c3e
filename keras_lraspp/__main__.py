"""Command line: `keras-lraspp train|evaluate|predict|export|...`.

`train.py` and its siblings in the tree are doors to the same `main`. Nothing heavy is
imported before the flags are read.
"""

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence

from keras_lraspp.cli.data import DATA_COMMAND
from keras_lraspp.cli.evaluate import EVALUATE_COMMAND
from keras_lraspp.cli.export import EXPORT_COMMAND
from keras_lraspp.cli.flags import add_commands, command_line
from keras_lraspp.cli.predict import PREDICT_COMMAND
from keras_lraspp.cli.tools import BENCHMARK_COMMAND, CONVERT_COMMAND, REPORT_COMMAND
from keras_lraspp.cli.train import TRAIN_COMMAND
from keras_lraspp.errors import StorageError, UserError

COMMANDS = (
    TRAIN_COMMAND,
    EVALUATE_COMMAND,
    PREDICT_COMMAND,
    EXPORT_COMMAND,
    CONVERT_COMMAND,
    REPORT_COMMAND,
    BENCHMARK_COMMAND,
    DATA_COMMAND,
)

_INTERRUPTED = 130  # exit code after Ctrl-C, as in a shell


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a sub-command.

    Args:
        arguments: Its name and flags; those of the process if `None`.

    Returns:
        The exit code: 0; 2 for bad input or configuration; 3 for files that cannot be
        read or written; 4 for a diverged training; 130 after Ctrl-C. What is none of
        these is our own bug and comes as a traceback.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported
    with contextlib.suppress(AttributeError):  # a notebook's output cannot be set
        # Progress also into a file; names of files that are not UTF-8 by their bytes.
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    flags = _parser().parse_args(arguments)
    try:
        with _plain_warnings():
            return flags.run(flags)
    except UserError as error:
        return _fail(str(error), error.exit_code)
    except OSError as error:
        what = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        return _fail(
            f"{what}; check the path, its permissions and the free space.",
            StorageError.exit_code,
        )
    except KeyboardInterrupt:
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=command_line("").strip(),
        description="MobileNetV3 + LR-ASPP: small, fast semantic segmentation.",
        allow_abbrev=False,
    )
    add_commands(parser, COMMANDS, "COMMAND")
    return parser


def _fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Shows warnings meant for the user without the line of code that raised them."""
    usual = warnings.formatwarning

    def plain(message, category, *place, **line):
        if category is UserWarning:
            return f"warning: {message}\n"
        return usual(message, category, *place, **line)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


if __name__ == "__main__":
    sys.exit(main())
