"""Command line: `keras-lraspp train|evaluate|predict|export|...`.

`train.py` and its siblings in the tree are doors to the same `main`. Nothing heavy is
imported before the flags are read.
"""

import argparse
import atexit
import contextlib
import faulthandler
import os
import select
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from keras_lraspp.cli.about import PRESETS_COMMAND, version_lines
from keras_lraspp.cli.data import DATA_COMMAND
from keras_lraspp.cli.demo import DEMO_COMMAND
from keras_lraspp.cli.evaluate import EVALUATE_COMMAND
from keras_lraspp.cli.export import EXPORT_COMMAND
from keras_lraspp.cli.flags import CommandParser, add_commands, command_line
from keras_lraspp.cli.predict import PREDICT_COMMAND
from keras_lraspp.cli.tools import BENCHMARK_COMMAND, CONVERT_COMMAND, REPORT_COMMAND
from keras_lraspp.cli.train import TRAIN_COMMAND
from keras_lraspp.errors import (
    InputError,
    MissingPackageError,
    StorageError,
    UserError,
    naming_packages,
)
from keras_lraspp.processor import prefer_onednn
from keras_lraspp.terminal import painted

COMMANDS = (
    TRAIN_COMMAND,
    EVALUATE_COMMAND,
    PREDICT_COMMAND,
    EXPORT_COMMAND,
    DEMO_COMMAND,
    PRESETS_COMMAND,
    CONVERT_COMMAND,
    REPORT_COMMAND,
    BENCHMARK_COMMAND,
    DATA_COMMAND,
)

_BACKENDS = ("tensorflow", "jax", "torch")
_INTERRUPTED = 130  # exit code after Ctrl-C, as in a shell
_READER_GONE = 141  # as of a program that SIGPIPE ends, where `| head` had enough
_LAST_SECONDS = 5.0  # for threads and exit handlers, once a command is done
_WITH_OTHERS = 330.0  # the same where JAX waits for other processes, up to 300


def main(
    arguments: Sequence[str] | None = None,
    ending: Callable[[int], object] = lambda code: None,
) -> int:
    """Runs a sub-command.

    Args:
        arguments: Its name and flags; those of the process if `None`.
        ending: Called with the exit code as soon as it is known, while an error still
            holds what the command held; letting go of that may wait for threads.

    Returns:
        The exit code: 0; 2 for bad input or configuration; 3 for files that cannot be
        read or written; 4 for a diverged training; 130 after Ctrl-C. What is none of
        these is our own bug and comes as a traceback.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported
    prefer_onednn()
    with contextlib.suppress(AttributeError):  # a notebook's output cannot be set
        # Progress also into a file; names of files that are not UTF-8 by their bytes.
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        flags = _parser().parse_args(arguments)
        with _plain_warnings(), _backend_errors():
            code = flags.run(flags)
    except SystemExit:  # of the flags, whose code is inside
        raise
    except UserError as error:
        code = _fail(str(error), error.exit_code, ending)
    except OSError as error:
        if _nobody_reads():
            ending(_READER_GONE)
            return _READER_GONE
        what = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        code = _fail(
            f"{what}; check the path, its permissions and the free space.",
            StorageError.exit_code,
            ending,
        )
    except KeyboardInterrupt:
        code = _INTERRUPTED
        ending(code)
    except BaseException:
        ending(1)
        raise
    ending(code)
    return code


@contextlib.contextmanager
def _backend_errors() -> Iterator[None]:
    """Says what Keras's backend lacks, which Keras finds out when it is imported."""
    asked = os.environ.get("KERAS_BACKEND")
    if asked and asked not in _BACKENDS:
        raise InputError(
            f"KERAS_BACKEND is one of {', '.join(_BACKENDS)}, not {asked!r}; set it to "
            "one of them, or unset it."
        )
    try:
        with naming_packages("This command"):
            yield
    except MissingPackageError as error:
        missing = error.__cause__
        if missing.name not in _BACKENDS or "keras" in sys.modules:
            raise
        extra = "" if missing.name == "tensorflow" else f"[{missing.name}]"
        raise InputError(
            f"The package {missing.name} is not installed; run `pip install "
            f'"keras-lraspp{extra}"`, or set KERAS_BACKEND to a backend that is.'
        ) from error


def run_process(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs `main` and ends the process with its exit code, whatever its threads do.

    Python takes itself to pieces at its end, while threads of tf.data still want to
    call it: they may then keep it for ever. So once exit handlers ran and output is
    flushed, the process just ends; and it does so too if a handler or a thread that is
    waited for does not end within seconds. For scripts only: a caller goes on after
    `main`.

    Args:
        arguments: As for `main`.
    """
    ending = _Ending()
    atexit.register(ending.leave)  # the first to be registered is the last to run
    try:
        sys.exit(main(arguments, ending.begin))
    except SystemExit as stopped:  # also of argparse
        ending.begin(stopped.code)
        raise


class _Ending:
    """How the process ends."""

    code: int | None = None  # until it is known

    def begin(self, code: int) -> None:
        """Leaves in some seconds, whether the rest has come to its end or not."""
        if self.code is not None:
            return
        self.code = code
        jax = sys.modules.get("jax")
        joined = jax is not None and jax.distributed.is_initialized()
        seconds = _WITH_OTHERS if joined else _LAST_SECONDS
        timer = threading.Timer(seconds, self.leave)
        timer.daemon = True
        timer.start()
        # A thread that needs no lock of Python's, but has an exit code of its own.
        nowhere = open(os.devnull, "w")
        faulthandler.dump_traceback_later(seconds + 3, file=nowhere, exit=True)

    def leave(self) -> NoReturn:
        """Flushes the output and ends the process."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # closed, or its reader is gone
                stream.flush()
        if "logging" in sys.modules:
            with contextlib.suppress(Exception):
                sys.modules["logging"].shutdown()
        os._exit(1 if self.code is None else self.code)


def _parser() -> CommandParser:
    name = command_line("").strip()
    parser = CommandParser(
        prog=name,
        description="MobileNetV3 + LR-ASPP: small, fast semantic segmentation.",
        epilog=f"`{name} COMMAND --help` explains one.\n\n"
        "exit codes:\n"
        "  0  done\n"
        "  2  bad input or configuration\n"
        "  3  files that cannot be read or written\n"
        "  4  a training that diverged\n"
        "  130  ended by Ctrl-C",
    )
    parser.add_argument(
        "-V",
        "--version",
        action=_Version,
        nargs=0,
        help="print the versions of this package, Keras and its backend",
    )
    add_commands(parser, COMMANDS, "COMMAND")
    return parser


class _Version(argparse.Action):
    """Prints versions and ends; asks packages for theirs without importing them."""

    def __call__(self, parser, namespace, values, option_string=None):
        print("\n".join(version_lines()))
        parser.exit()


def _nobody_reads() -> bool:
    """Whether the reader of our output is gone; the rest of it is then dropped."""
    try:
        output = sys.stdout.fileno()
    except OSError:  # a notebook's output is no file
        return False
    poll = select.poll()
    poll.register(output, select.POLLOUT)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output)
    os.close(nowhere)
    return True


def _fail(message: str, code: int, ending: Callable[[int], object]) -> int:
    with contextlib.suppress(OSError):  # nobody may read that either
        print(f"{painted('error:', 'red', sys.stderr)} {message}", file=sys.stderr)
    ending(code)
    return code


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Shows warnings meant for the user without the line of code that raised them."""
    usual = warnings.formatwarning

    def plain(message, category, *place, **line):
        if category is UserWarning:
            return f"{painted('warning:', 'yellow', sys.stderr)} {message}\n"
        return usual(message, category, *place, **line)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


if __name__ == "__main__":
    run_process()
