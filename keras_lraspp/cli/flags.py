"""Sub-commands and the command-line flags that several of them share."""

import argparse
import re
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.errors import InputError

_PAIR = r"([1-9]\d{0,5})%s([1-9]\d{0,5})"


class Command(NamedTuple):
    """A sub-command."""

    name: str
    summary: str  # one line for the list of commands
    # A flag of a configured run has the run's argument as `dest`, see `call_run`.
    add_flags: Callable[[argparse.ArgumentParser], None]
    # Returns the exit code; `None` if the flags name another command to run.
    run: Callable[[argparse.Namespace], int] | None


def add_commands(
    parser: argparse.ArgumentParser,
    commands: Iterable[Command],
    metavar: str,
    *,
    dest: str | None = None,
    parent: str = "",
) -> None:
    """Adds sub-commands to a parser; the parsed flags get the chosen one's `run`.

    `dest` names the parsed flag that holds the command's name, and `parent` is what
    is typed before it, as "data ".
    """
    named = {} if dest is None else {"dest": dest}
    children = parser.add_subparsers(required=True, metavar=metavar, **named)
    for command in commands:
        child = children.add_parser(
            command.name,
            help=command.summary,
            description=command.summary,
            prog=command_line(f"{parent}{command.name}"),
            allow_abbrev=False,
        )
        command.add_flags(child)
        if command.run is not None:
            child.set_defaults(run=command.run)


def command_line(name: str, *arguments: str) -> str:
    """Returns how to type a command, in the way that the running one was.

    E.g. "python evaluate.py" or "keras-lraspp evaluate", with arguments that are quoted
    for a shell where they have to be.
    """
    program = Path(sys.argv[0])
    typed = ["keras-lraspp", *name.split()]
    if program.parts[-2:] == ("keras_lraspp", "__main__.py"):
        typed = ["python", "-m", "keras_lraspp", *name.split()]
    if re.fullmatch(r"(train|evaluate|predict|export)\.py", program.name):
        script = program.with_name(f"{name}.py")
        if script.is_file():
            typed = ["python", str(script)]
    return shlex.join([*typed, *arguments])


def load_flags(flags: argparse.Namespace) -> None:
    """Loads the configuration that `--gin_file` and `--gin_bindings` name."""
    from keras_lraspp.config import load_config

    load_config(flags.gin_file, flags.gin_bindings)


def call_run(name: str, flags: argparse.Namespace, **changes) -> object:
    """Loads the configuration and calls the run that it configures.

    Args:
        name: Name of the run, as "evaluate".
        flags: The parsed flags; all but `run`, `gin_file` and `gin_bindings` are
            arguments of the run. `None` leaves an argument to the configuration.
        changes: Arguments in place of flags as they were typed.
    """
    load_flags(flags)
    from keras_lraspp.config import call

    arguments = {**vars(flags), **changes}
    for flag in ("run", "gin_file", "gin_bindings"):
        del arguments[flag]
    return call(name, **arguments)


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


def add_workers_flag(parser: argparse.ArgumentParser, work: str) -> None:
    """Adds `--workers`, which `check_positive` checks."""
    parser.add_argument(
        "--workers", type=int, metavar="N", help=f"{work} (default: one per processor)"
    )


def check_positive(flags: argparse.Namespace, *names: str) -> None:
    """Raises `InputError` for a number below 1 in the flags of these names."""
    for name in names:
        value = getattr(flags, name)
        if value is not None and value < 1:
            raise InputError(f"--{name} is at least 1, not {value}.")


def split_names(text: str) -> tuple[str, ...]:
    """Splits names at commas."""
    return tuple(name.strip() for name in text.split(","))


def read_size(text: str) -> tuple[int, int]:
    """Reads `HEIGHTxWIDTH`, in pixels."""
    match = re.fullmatch(_PAIR % "[xX]", text)
    if not match:
        raise InputError(
            f"--size is HEIGHTxWIDTH in pixels, as 512x1024, not {text!r}; correct it."
        )
    return int(match[1]), int(match[2])


def add_inference_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--flip`, `--scales`, `--sliding_window` and `--stride`.

    Those that are not typed are `None`, so that the configuration decides.
    """
    parser.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the mirrored image (default: no)",
    )
    parser.add_argument(
        "--scales",
        metavar="S,S,...",
        help="average over the image resized by these factors, as 0.75,1.0,1.25 "
        "(default: 1.0)",
    )
    parser.add_argument(
        "--sliding_window",
        metavar="H,W",
        help="cut the image into windows of this size in pixels (default: none)",
    )
    parser.add_argument(
        "--stride",
        metavar="H,W",
        help="pixels from window to window (default: two thirds of the window)",
    )


def inference_arguments(flags: argparse.Namespace) -> dict:
    """Reads the flags of `add_inference_flags`; `None` where one was not given.

    Whether they go together is for the run to see, which may have some from gin.
    """
    return {
        "flip": flags.flip,
        "scales": _read_scales(flags.scales),
        "sliding_window": _read_pair("--sliding_window", flags.sliding_window),
        "stride": _read_pair("--stride", flags.stride),
    }


def _read_scales(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"--scales is a list of factors, as 0.75,1.0,1.25, not {text!r}; correct "
            f"it."
        ) from None


def _read_pair(flag: str, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(_PAIR % " ?[,xX] ?", text)
    if not match:
        raise InputError(
            f"{flag} is HEIGHT,WIDTH in pixels, as 512,1024, not {text!r}; correct it."
        )
    return int(match[1]), int(match[2])
