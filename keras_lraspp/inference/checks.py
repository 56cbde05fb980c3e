"""Whether a network can take an image."""

import keras
import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.inference.tta import DEFAULT, InferenceOptions, scaled_side


def check_images(
    images: np.ndarray,
    options: InferenceOptions = DEFAULT,
    *,
    smallest_side: int = 1,
    fixed: tuple[int | None, int | None] = (None, None),
) -> None:
    """Checks type and size of images, also of what the options make of them.

    Args:
        images: An array or tensor.
        options: What will be done with them.
        smallest_side: Smallest height and width, in pixels, that the network takes.
        fixed: The (height, width) that it takes alone; `None` where any will do.

    Raises:
        InputError: If they are not uint8 (B, H, W, 3), or of a wrong size.
    """
    shape, dtype = tuple(images.shape), keras.backend.standardize_dtype(images.dtype)
    if len(shape) != 4 or shape[-1] != 3 or dtype != "uint8" or 0 in shape:
        raise InputError(
            f"Images are uint8 (batch, height, width, 3), not {dtype} {shape}."
        )
    for scale in options.scales:
        height, width, said = _what_goes_in(shape[1:3], scale, options.sliding_window)
        if min(height, width) < smallest_side:
            raise InputError(
                f"{said}, but this model's smallest side is {smallest_side} pixels; "
                f"{_remedy(options)} or use a model with global pooling."
            )
        pairs = zip(fixed, (height, width), strict=True)
        if any(side not in (None, given) for side, given in pairs):
            raise InputError(
                f"{said}, but this model was built for {fixed[0]}x{fixed[1]} only; "
                f"resize it, or build the model with input_shape=(None, None, 3)."
            )


def _what_goes_in(sides, scale, window) -> tuple[int, int, str]:
    """Returns the size that the network gets, and how it comes about, in words."""
    height, width = sides
    said = f"The image is {height}x{width}"
    if scale != 1:
        height, width = scaled_side(height, scale), scaled_side(width, scale)
        said += f", {height}x{width} at scale {scale:g}"
    if window is not None:
        height, width = min(height, window[0]), min(width, window[1])
        said += f", in windows of {height}x{width}"
    return height, width, said


def _remedy(options: InferenceOptions) -> str:
    if options.sliding_window is not None:
        return "enlarge the image and the windows"
    return "enlarge the image" if options.scales == (1,) else "enlarge image or scale"


def check_array(pixels: np.ndarray) -> np.ndarray:
    """Checks an array that a person gave as an image, and says how to mend it.

    Args:
        pixels: Any array.

    Returns:
        `pixels`, which are uint8 RGB (H, W, 3) or (B, H, W, 3).

    Raises:
        InputError: If they are not.
    """
    shape, dtype = pixels.shape, pixels.dtype
    if dtype != np.uint8:
        raise InputError(
            f"An image array is uint8, 0 to 255, not {dtype} {shape}; "
            + (
                "if its values are 0 to 1, give (255 * image).round().astype('uint8')."
                if np.issubdtype(dtype, np.floating)
                else "if its values are in that range, give image.astype('uint8')."
            )
        )
    if len(shape) in (3, 4) and shape[-1] == 3 and 0 not in shape:
        return pixels
    raise InputError(
        f"An image array is RGB, (height, width, 3) or (batch, height, width, 3), not "
        f"{shape}; {_mended(shape)}."
    )


def _mended(shape: tuple[int, ...]) -> str:
    if len(shape) in (3, 4) and shape[-1] == 4:
        return "drop the alpha channel: image[..., :3]"
    if len(shape) in (3, 4) and shape[-1] == 1:
        return "repeat the grey channel: image.repeat(3, -1)"
    if len(shape) == 3 and shape[0] == 3:
        return "put the channels last: image.transpose(1, 2, 0)"
    if len(shape) == 2:
        return "make grey RGB: np.stack([image] * 3, -1)"
    return "give such an array"
