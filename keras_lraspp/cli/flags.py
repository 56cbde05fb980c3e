"""What a sub-command is, and the flags that several of them have."""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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


def add_dataset_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what names the data set, and `--root`, `--split` and `--workers`."""
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="as in a configuration: Cityscapes, ADE20K, VOC2012, CamVid, ...",
    )
    parser.add_argument(
        "--gin_file",
        action="append",
        default=[],
        metavar="FILE",
        help="a configuration that names the data set, instead of --dataset",
    )
    parser.add_argument(
        "--gin_bindings",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME.PARAMETER=VALUE",
        help='one value of the data set, as "FileList.num_classes=3"; may be repeated',
    )
    parser.add_argument(
        "--root", metavar="DIR", help="folder of the data (default: data/<name>)"
    )
    parser.add_argument(
        "--split",
        default="train,val",
        metavar="NAMES",
        help="splits, with commas between them (default: train,val)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="files at a time (default: one per processor)",
    )


def load_dataset_flags(flags: argparse.Namespace, run: str) -> dict[str, object]:
    """Loads the configuration, and returns the run's arguments that the flags say.

    Args:
        flags: As parsed.
        run: Name of the run, whose `dataset` the flag gives.

    Raises:
        InputError: For flags that do not go together, or a faulty configuration.
    """
    if bool(flags.dataset) == bool(flags.gin_file):
        raise InputError(
            f"Which data set to {flags.tool} is said by --dataset or by --gin_file; "
            f"give one."
        )
    if flags.workers is not None and flags.workers < 1:
        raise InputError(f"--workers is at least 1, not {flags.workers}.")
    splits = tuple(filter(None, names(flags.split)))
    if not splits:
        raise InputError("--split names no split; give one, as --split=train.")
    if flags.dataset:
        flags.gin_bindings.insert(0, f"{run}.dataset = @{flags.dataset}")
    load_flags(flags)
    return {"data_root": flags.root, "splits": splits, "workers": flags.workers}


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
    """Reads the flags of `add_inference_flags`.

    Args:
        flags: The parsed flags.

    Returns:
        `flip`, `scales`, `sliding_window` and `stride` as the runs take them; `None`
        where a flag was not given. Whether they go together is for the run to see:
        some may come from the configuration.

    Raises:
        InputError: For a value that cannot be read.
    """
    return {
        "flip": flags.flip,
        "scales": _scales(flags.scales),
        "sliding_window": _pair("--sliding_window", flags.sliding_window),
        "stride": _pair("--stride", flags.stride),
    }


def _scales(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"--scales is a list of factors, as 0.75,1.0,1.25, not {text!r}; correct "
            f"it."
        ) from None


def _pair(flag: str, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,5}) ?[,xX] ?([1-9]\d{0,5})", text)
    if not found:
        raise InputError(
            f"{flag} is HEIGHT,WIDTH in pixels, as 512,1024, not {text!r}; correct it."
        )
    return int(found[1]), int(found[2])
