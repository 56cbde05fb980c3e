"""The arguments of LRASPP that a `.keras` file notes, read as data."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.errors import InputError
from keras_lraspp.weights.keras_archive import read_config


class Argument(NamedTuple):
    """An argument of `LRASPP` that decides about its tensors or what it computes."""

    name: str
    default: object
    is_valid: Callable[[object], bool]


def _whole(most: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and 1 <= value <= most


# The limits only keep a file from asking for memory without bound.
ARGUMENTS = (
    Argument("num_classes", 19, _whole(65_536)),
    Argument("backbone", "large", lambda value: value in ("large", "small")),
    Argument("width", 1.0, lambda value: type(value) in (int, float) and 0 < value < 5),
    Argument("output_stride", 8, lambda value: value in (8, 16, 32)),
    Argument("pooling", "global", lambda value: value in ("global", "large_kernel")),
    Argument("head_filters", 128, _whole(4096)),
)


def read_arguments(path: Path) -> dict:
    """Returns the arguments of the LRASPP in a checked `.keras` file.

    Nothing of the file is executed: its class is compared by name, and its arguments
    are numbers and words from `ARGUMENTS`. Its input shape is not among them; the
    network is the same for any.

    Args:
        path: The file.

    Returns:
        Arguments of `LRASPP`.

    Raises:
        InputError: If it holds another class, or arguments out of range.
    """
    saved = read_config(path)
    if saved.get("class_name") != "LRASPP":
        raise InputError(
            f"{path} holds a {str(saved.get('class_name'))[:100]}, not an LRASPP; only "
            f"networks of this library are read."
        )
    arguments = {}
    for argument in ARGUMENTS:
        value = saved["config"].get(argument.name, argument.default)
        if not argument.is_valid(value):
            raise InputError(
                f"{path} asks for an LRASPP with {argument.name}={str(value)[:100]}, "
                f"which there is not; get the file again."
            )
        arguments[argument.name] = value
    return arguments
