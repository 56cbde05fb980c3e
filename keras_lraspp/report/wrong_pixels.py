"""Pictures of truth, prediction and wrong pixels, for reports and TensorBoard."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from keras_lraspp.palettes import Palette
from keras_lraspp.visualize import overlay, rgb_picture

WRONG = (214, 24, 60)
WRONG_IN_BOTH = (240, 158, 40)  # of two models
UNLABELLED = (138, 143, 152)
_PALE = 0.3  # what is left of the photograph's contrast under marked pixels
_WIDTHS = (480, 960)  # smallest and largest of a picture in TensorBoard
_WIDE = 1.4  # sides' ratio of pictures that go below each other

Marks = Sequence[tuple[np.ndarray, tuple[int, int, int]]]  # bool (H, W), RGB


def wrong_pixels(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int
) -> np.ndarray:
    """Returns where the prediction is wrong, bool (H, W); never without a label.

    `labels` and `predictions` are integers (H, W); a label that is none of the classes
    is ignored.
    """
    return is_labelled(labels, num_classes) & (labels != predictions)


def is_labelled(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns which pixels count, bool (H, W)."""
    return (labels >= 0) & (labels < num_classes)


def mark_pixels(picture: np.ndarray, marks: Marks) -> np.ndarray:
    """Paints pixels into a pale, grey copy of a photograph.

    Args:
        picture: uint8 RGB (h, w, 3), which may be smaller than the marks: what is
            marked of the pixels that become one gives the weight of the colour.
        marks: Masks, bool (H, W), and their colours.

    Returns:
        uint8 RGB (h, w, 3).
    """
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float32)
    painted = np.repeat(255 - _PALE * (255 - grey)[..., None], 3, axis=-1)
    for mask, color in marks:
        weight = Image.fromarray(mask.astype(np.uint8) * 255)
        if mask.shape != grey.shape:
            weight = weight.resize(grey.shape[::-1], Image.Resampling.BOX)
        weight = np.asarray(weight, np.float32)[..., None] / 255
        painted += weight * (np.array(color, np.float32) - painted)
    return np.rint(painted).astype(np.uint8)


def resize_picture(
    pixels: np.ndarray, size: tuple[int, int], resampling: Image.Resampling
) -> np.ndarray:
    """Resizes (H, W, 3) or (H, W) to a (width, height), as Pillow has it."""
    return np.array(Image.fromarray(pixels).resize(size, resampling))


def prediction_sheet(
    image: np.ndarray, labels: np.ndarray, predictions: np.ndarray, palette: Palette
) -> np.ndarray:
    """Draws image, truth, prediction and wrong pixels as one picture for TensorBoard.

    They are below each other if the image is wide, else two and two, since TensorBoard
    gives each picture the same width; small ones are enlarged, large ones shrunk.

    Args:
        image: uint8 (H, W, channels).
        labels: Integers (H, W).
        predictions: Integers (H, W).
        palette: RGB, 0..255, of each class.

    Returns:
        uint8 RGB.
    """
    height, width = labels.shape
    wide = width >= _WIDE * height
    low, high = _WIDTHS if wide else (side // 2 for side in _WIDTHS)
    scale = high / width if width > high else -(-low // width) if width < low else 1
    size = max(1, round(width * scale)), max(1, round(height * scale))
    smooth = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    picture = resize_picture(rgb_picture(image), size, smooth)
    parts = [picture]
    for mask in (labels, predictions):
        small = resize_picture(mask.astype(np.int32), size, Image.Resampling.NEAREST)
        parts.append(overlay(picture, small, palette))
    parts.append(mark_pixels(picture, wrong_marks(labels, predictions, len(palette))))
    if wide:
        return np.concatenate(parts)
    rows = [np.concatenate(parts[i : i + 2], axis=1) for i in (0, 2)]
    return np.concatenate(rows)


def wrong_marks(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int
) -> list[tuple[np.ndarray, tuple[int, int, int]]]:
    """Returns the wrong pixels and those without a label, for `mark_pixels`."""
    return [
        (~is_labelled(labels, num_classes), UNLABELLED),
        (wrong_pixels(labels, predictions, num_classes), WRONG),
    ]
