"""Checks of the settings of transforms, before anything is read."""

from collections.abc import Sequence

from keras_lraspp.errors import InputError


def several(values, count: int | None = None) -> bool:
    """Whether it is a tuple or list, of that length; a lone number is a usual slip."""
    return isinstance(values, Sequence) and len(values) == (count or len(values)) > 0


def check_probability(name: str, value: float) -> None:
    """Refuses what is no probability.

    Raises:
        InputError: If the value is not in 0..1.
    """
    if not 0 <= value <= 1:
        raise InputError(f"{name} is a probability 0..1, not {value!r}.")


def check_crop_size(crop_size: Sequence[int]) -> None:
    """Refuses what is no size.

    Raises:
        InputError: If the crop size is not two positive numbers.
    """
    if not several(crop_size, 2) or min(crop_size) < 1:
        raise InputError(
            f"crop_size is (height, width), both positive, not {crop_size!r}."
        )


def check_range(
    name: str,
    values: Sequence[float],
    lowest: float = 0.0,
    highest: float = float("inf"),
) -> None:
    """Refuses what is no range.

    Raises:
        InputError: If the values are not two in ascending order within the bounds.
    """
    if not several(values, 2) or not lowest <= values[0] <= values[1] <= highest:
        upper = "up" if highest == float("inf") else f"to {highest:g}"
        raise InputError(
            f"{name} are (lowest, highest) from {lowest:g} {upper}, not {values!r}."
        )
