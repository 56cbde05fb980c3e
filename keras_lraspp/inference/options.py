"""What is done at test time beside one pass over the image."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from keras_lraspp.errors import InputError

_LARGEST_SCALE = 16.0  # 100 is a percentage, and would take all memory


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """How an image is scored: once, or several times and averaged.

    The logits of all passes are averaged before the arg-max or softmax, all with the
    same weight.

    Attributes:
        flip: Whether each pass is also made over the mirrored image.
        scales: Factors of the image's sides; each is one pass. An image of H x W is
            resized to int(H * scale + 0.5) x int(W * scale + 0.5).
        sliding_window: (height, width) in pixels of the windows that the scaled image
            is cut into; `None` for the whole image at once. Where windows overlap,
            their logits are averaged.
        stride: (down, across) in pixels from window to window, at most the window's
            size; `None` for two thirds of it, rounded down (at least 1).

    Raises:
        InputError: For values out of range, or a stride without a window.

    Example:
        ```python
        options = InferenceOptions(flip=True, scales=(0.75, 1.0, 1.25))
        ```
    """

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)
    sliding_window: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None

    def __post_init__(self):
        """Checks the values and brings them into the types above."""
        if not isinstance(self.flip, bool):
            raise InputError(f"flip is True or False, not {self.flip!r}; choose one.")
        keep = object.__setattr__  # the instance is frozen
        keep(self, "scales", _scales(self.scales))
        if self.sliding_window is None:
            if self.stride is not None:
                raise InputError(
                    f"stride={self.stride!r} needs a sliding_window that it moves; "
                    f"give both or leave out the stride."
                )
            return
        window = _pair("sliding_window", self.sliding_window)
        keep(self, "sliding_window", window)
        if self.stride is None:
            keep(self, "stride", tuple(max(1, 2 * side // 3) for side in window))
            return
        stride = _pair("stride", self.stride)
        if stride[0] > window[0] or stride[1] > window[1]:
            raise InputError(
                f"stride={stride} is larger than sliding_window={window}, which would "
                f"leave pixels between the windows; give a stride of at most that."
            )
        keep(self, "stride", stride)

    @property
    def passes(self) -> int:
        """How many times the whole image goes through, not counting overlaps."""
        return len(self.scales) * (1 + self.flip)


def _scales(given) -> tuple[float, ...]:
    values = given if isinstance(given, Iterable) else (given,)
    try:
        scales = tuple(float(scale) for scale in values)
    except (TypeError, ValueError):
        scales = ()
    good = all(0 < scale <= _LARGEST_SCALE for scale in scales)  # false for nan
    if not scales or not good or isinstance(given, str):
        raise InputError(
            f"scales are factors above 0 and up to {_LARGEST_SCALE:g}, as "
            f"(0.75, 1.0, 1.25), not {given!r}; correct them."
        )
    return scales


def _pair(name: str, given) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in given)
        whole = all(math.isclose(side, int(side)) for side in given)
    except (TypeError, ValueError, OverflowError):
        height, width, whole = 0, 0, False
    if min(height, width) < 1 or not whole:
        raise InputError(
            f"{name} is (height, width) in whole pixels above 0, as (512, 1024), not "
            f"{given!r}; correct it."
        )
    return height, width


DEFAULT = InferenceOptions()
