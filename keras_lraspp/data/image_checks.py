"""What can be said of an image without decoding it."""

import os
from pathlib import Path

from PIL import Image

from keras_lraspp.data.opening import open_image, orientation
from keras_lraspp.data.reading import read_image

# The last bytes of a whole file.
_ENDS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}


def check_image(path: Path) -> tuple[int, int]:
    """Checks an image file's header and that it has not been cut off.

    Only where the end looks unusual (bytes appended to it, a rare format) is the image
    decoded.

    Args:
        path: The image file.

    Returns:
        Height and width of the pixels as stored.

    Raises:
        InputError: As `read_image` does.
    """
    with open_image(path) as image:
        width, height = image.size
        whole = _ends_well(path, image)
    if not whole:
        read_image(path, apply_exif=False)
    return height, width


def size_mismatch(
    image_path: Path,
    image_size: tuple[int, int],
    label_path: Path,
    label_size: tuple[int, int],
) -> str | None:
    """Says how a label's height and width differ from its image's; `None` if not."""
    if tuple(image_size) == tuple(label_size):
        return None
    with open_image(image_path) as image:
        turned = orientation(image)
    advice = "labels are never resized here: correct one of the two"
    if turned != 1:
        advice = (
            f"the image has the EXIF orientation {turned}: save it upright, as its "
            "label is, without that tag"
        )
    return (
        f"{image_path} is {image_size[0]}x{image_size[1]} (height x width) but its "
        f"label {label_path} is {label_size[0]}x{label_size[1]}; {advice}."
    )


def _ends_well(path: Path, image: Image.Image) -> bool:
    end = _ENDS.get(image.format)
    if end is None:
        return False
    with open(path, "rb") as file:
        file.seek(-len(end), os.SEEK_END)
        return file.read() == end
