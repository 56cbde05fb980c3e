"""What a sub-command is, and the flags that several of them have."""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.cli.quiet_import import import_tensorflow
from keras_lraspp.config_files import find_config
from keras_lraspp.errors import InputError


class Command(NamedTuple):
    """A sub-command.

    Attributes:
        name: What is typed.
        summary: One line for the list of commands.
        add_flags: Adds its flags to a parser.
        run: Takes the parsed flags and returns the exit code; `None` if the flags
            name another command to run.
    """

    name: str
    summary: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int] | None


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--gin_file` and `--gin_bindings`."""
    parser.add_argument(
        "--gin_file",
        action="append",
        required=True,
        metavar="FILE",
        help="configuration: a path, or the name of one that comes with the package, "
        "as os8_global.gin; repeat it to override",
    )
    parser.add_argument(
        "--gin_bindings",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME.PARAMETER=VALUE",
        help='one value to override, as "train.iterations=100"; may be repeated',
    )


def add_data_root_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--data_root`."""
    parser.add_argument(
        "--data_root", metavar="DIR", help="folder of the data (default: data/<name>)"
    )


def add_weights_flag(parser: argparse.ArgumentParser, exports: bool = False) -> None:
    """Adds `--weights`; `exports` says whether an exported file will do."""
    known = "a .keras or .weights.h5 file"
    if exports:
        known += ", or an export: .onnx, .tflite, or a SavedModel's folder"
    parser.add_argument("--weights", required=True, metavar="FILE", help=known)


def load_flags(flags: argparse.Namespace) -> None:
    """Loads the configuration that the flags name.

    Raises:
        InputError: For a faulty configuration.
    """
    for name in flags.gin_file:
        find_config(name)  # a wrong name is said at once, not after a long import
    import_tensorflow()
    from keras_lraspp.config import load_config

    load_config(flags.gin_file, flags.gin_bindings)


def spelling(name: str) -> str:
    """Says how a command is typed, in the way that this one was.

    Args:
        name: Name of the command, as "evaluate".

    Returns:
        E.g. "python evaluate.py" or "keras-lraspp evaluate".
    """
    program = Path(sys.argv[0])
    if program.parts[-2:] == ("keras_lraspp", "__main__.py"):
        return f"python -m keras_lraspp {name}"
    if re.fullmatch(r"(train|evaluate|predict|export)\.py", program.name):
        script = program.with_name(f"{name}.py")
        if script.is_file():
            return f"python {script}"
    return f"keras-lraspp {name}"


def size(text: str) -> tuple[int, int]:
    """Reads `HEIGHTxWIDTH`, in pixels.

    Raises:
        InputError: For anything else.
    """
    found = re.fullmatch(r"([1-9]\d{0,5})[xX]([1-9]\d{0,5})", text)
    if not found:
        raise InputError(
            f"--size is HEIGHTxWIDTH in pixels, as 512x1024, not {text!r}; correct it."
        )
    return int(found[1]), int(found[2])


def names(text: str) -> tuple[str, ...]:
    """Reads names with commas between them."""
    return tuple(name.strip() for name in text.split(","))
