"""The flags of test-time options, which several commands have."""

import argparse
import re

from keras_lraspp.errors import InputError


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
