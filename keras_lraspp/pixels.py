"""Pixels of opened images: decoded whole, and converted to channels of uint8."""

import io
import sys
import warnings

import numpy as np
from PIL import Image

from keras_lraspp.errors import InputError
from keras_lraspp.image_bytes import (
    check_jpeg,
    jpeg_may_be_cut,
    jpeg_with_more_data,
    packed_rows,
    tiff_jpegs,
)

WHITE = 65535  # in an image of 16 bits per channel
MOST_CHANNELS = 64
ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
_GREY_MODES = ("1", "L", "LA", "La", "I")
# Other numbers are in TIFF and .npy files only.
_PLANES = {2: ("LA", "La"), 4: ("RGBA", "RGBX", "RGBa", "CMYK", "PA")}
_JPEG_FORMATS = ("JPEG", "MPO")
_DEEP_COLORS = ("RGB", "RGBA", "RGBX", "LA", "R", "G", "B", "A")  # before ";16"
_BITS = 258  # TIFF tag: of each channel
_NATIVE = "16L" if sys.byteorder == "little" else "16B"
_ALPHA_WARNED: list = []  # the file whose alpha channel was warned of
_COLOR_WARNED: list = []  # the file whose colours were warned of
_DARK_WARNED: list = []  # the file whose darkness was warned of


def load_pixels(image: Image.Image) -> None:
    """Decodes an opened image in place.

    Raises:
        Exception: Of a type that depends on format and damage, if pixels are cut off,
            missing or garbled.
    """
    if image.format == "PNG":
        _load_png(image)
    elif image.format in _JPEG_FORMATS:
        _load_jpeg(image)
    else:
        _check_rarities(image)
        image.load()


def _check_rarities(image: Image.Image) -> None:
    is_plain_text = image.tile and image.tile[0][0] == "ppm_plain"
    if is_plain_text and b"#" in _content(image)[image.tile[0][2] :]:
        raise ValueError("there is a comment among its pixels")  # many take a minute
    if image.format == "TIFF" and image.info.get("compression") == "jpeg":
        for strip in tiff_jpegs(_content(image), image.tag_v2):
            _load_jpeg(Image.open(io.BytesIO(strip)))


def _content(image: Image.Image) -> bytes:
    """All bytes of an opened image's file."""
    position = image.fp.tell()
    image.fp.seek(0)
    content = image.fp.read()
    image.fp.seek(position)
    return content


def _load_png(image: Image.Image) -> None:
    rows = packed_rows(_content(image))
    counted = rows.may_lack_rows()
    if counted:
        rows.check_complete()
    image.load()
    # What is missing is left at zero, to the last row.
    last_row = image.crop((0, image.height - 1, *image.size))
    if not counted and not np.asarray(last_row).any():
        rows.check_complete()


def _load_jpeg(image: Image.Image) -> None:
    content = _content(image)
    if check_jpeg(content):
        eighth = max(image.width // 8, 1), max(image.height // 8, 1)
        _check_jpeg_end(content, _open_jpeg(content, eighth), eighth)
    _check_jpeg_end(content, image, image.size)


def _open_jpeg(content: bytes, size: tuple[int, int]) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.draft(None, size)
    return image


def _check_jpeg_end(content: bytes, image: Image.Image, size: tuple[int, int]) -> None:
    image.load()
    last = image.getpixel((image.width - 1, image.height - 1))
    last = {"L": (last,), "RGB": last}.get(image.mode, ())
    if jpeg_may_be_cut(content, last) and not is_whole_jpeg(content, image, size):
        raise ValueError("its last pixels are missing")


def is_whole_jpeg(content: bytes, pixels, size: tuple[int, int]) -> bool:
    """Whether a JPEG has all of its pixels; libjpeg makes others grey.

    Args:
        content: The file.
        pixels: What it was decoded to, an image or an array.
        size: Width and height that were asked for.
    """
    return np.array_equal(_open_jpeg(jpeg_with_more_data(content), size), pixels)


def stored_kind(header: Image.Image) -> str:
    """What the file of an image holds that is not decoded yet: "RGB;16B", "L;4"."""
    kind = header.tile[0][3] if header.tile else ""
    return kind if isinstance(kind, str) else str(kind[0] if kind else "")


def depth_is_16(image: Image.Image) -> bool:
    """Whether an opened image has one channel of 16 bits without a sign."""
    is_grey = image.mode == "I" and image.format in ("PNG", "PPM")
    return is_grey or image.mode.startswith("I;16")


def mend_tiles(image: Image.Image) -> None:
    """Makes Pillow read 16 bits per channel of an opened image as what they are.

    Of a TIFF of planes that is not compressed it takes each byte for a value; colours
    of a PPM it rounds one by one.
    """
    tiles = image.tile
    if image.format == "PPM" and tiles and tiles[0][0] == "ppm":
        if tiles[0][3] == ("RGB", WHITE):
            image.tile = [_retiled(tiles[0], ("RGB;16B", 0, 1), "raw")]
    elif image.format == "TIFF" and set(image.tag_v2.get(_BITS, ())) == {16}:
        order = {b"II": ";16L", b"MM": ";16B"}[image.tag_v2.prefix]
        image.tile = [
            _retiled(tile, (tile[3][0] + order, *tile[3][1:]))
            if tile[0] == "raw" and tile[3][0] in ("R", "G", "B", "A")
            else tile
            for tile in tiles
        ]


def settle_white(path: object, image: Image.Image, white: int) -> int:
    """Returns the value of white of an opened image whose tiles are mended.

    A PPM or PGM names its own white, of which Pillow makes the largest value; where it
    is that already, as in other files of 16 bits, it may be less in truth.
    """
    codec, *_, args = image.tile[0] if image.tile else ("", "")
    if image.format != "PPM" or codec not in ("ppm", "ppm_plain"):
        return white
    kind, own = args if isinstance(args, tuple) else (args, 0)
    if own != WHITE:
        return WHITE
    if kind != "L" and white != WHITE:
        raise InputError(
            f"{path} has 16 bits of colour in digits, of which white cannot be set; "
            "convert it to PNG."
        )
    return white


def has_deep_colors(image: Image.Image, stored: str) -> bool:
    """Whether an opened image has colours of 16 bits; Pillow takes the high bytes."""
    return ";16" in stored and not depth_is_16(image) and image.mode not in ("I", "F")


def take_low_bytes(path: object, image: Image.Image, stored: str) -> None:
    """Makes an opened image of deep colours, not decoded yet, one of their low bytes.

    They are the high bytes of the same pixels in the other order.

    Raises:
        InputError: For inks, and colours that are multiplied by alpha.
    """
    kind, _, order = stored.partition(";")
    if kind not in _DEEP_COLORS or order not in ("16B", "16L", "16N"):
        raise InputError(
            f"{path} has 16 bits per channel of {image.mode} ({stored}), of which "
            "white cannot be set; convert it to RGB."
        )
    if kind == "LA":  # there is no other order of it: both bytes of both
        image.tile = [_retiled(tile, "RGBA") for tile in image.tile]
        return
    swapped = []
    for tile in image.tile:
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        kind, _, order = args[0].partition(";")
        order = _NATIVE if order == "16N" else order
        other = f"{kind};{'16L' if order == '16B' else '16B'}"
        args = (other, *args[1:]) if isinstance(tile[3], tuple) else other
        swapped.append(_retiled(tile, args))
    image.tile = swapped


def _retiled(tile, args, codec: str | None = None):
    """A tile of Pillow's, whose pixels are read in another way."""
    changed = (codec or tile[0], *tile[1:3], args)
    return type(tile)(*changed) if hasattr(tile, "_fields") else changed


def join_bytes(
    path: object, high: Image.Image, low: Image.Image, stored: str, white: int
) -> Image.Image:
    """Makes 8 bits of the decoded halves of deep colours; alpha keeps its high byte."""
    highs, lows = np.asarray(high), np.asarray(low)
    if stored.startswith("LA"):
        highs, lows = lows[..., [0, 0, 0, 2]], lows[..., [1, 1, 1, 3]]
    values = highs.astype(np.uint16) << 8 | lows
    pixels = highs.copy()
    pixels[..., :3] = to_bytes(path, values[..., :3], white)
    joined = Image.fromarray(pixels)
    joined.info = high.info
    return joined


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turns (height, width, channels) upright from an EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return pixels[::down, ::across]


def check_channels(path: object, image: Image.Image, channels: int) -> None:
    """Refuses an opened image that cannot be read as one of so many channels."""
    if channels in (1, 3) or image.mode in _PLANES.get(channels, ()):
        return
    if not (channels == 4 and _has_palette_with_alpha(image)):
        refuse_channels(path, len(image.getbands()), channels, image.mode)


def refuse_channels(path: object, found: int, wanted: int, kind: str = "") -> None:
    """Raises the error of an image that has another number of channels."""
    kind = f" ({kind})" if kind else ""
    raise InputError(
        f"{path} has {found} channel{'s' * (found > 1)}{kind}, not {wanted}; set "
        f"channels = {found}, or give images of {wanted}."
    )


def convert_channels(
    path: object, image: Image.Image, stored: str, white: int, channels: int
) -> Image.Image:
    """Converts a decoded image to so many channels of 8 bits, as `read_image` says.

    Args:
        path: Its file, for messages.
        image: The image.
        stored: Its `stored_kind`.
        white: Value of white in grey images of 16 bits; for colours see `join_bytes`.
        channels: How many; see `check_channels` for more than 1 and other than 3.
    """
    if depth_is_16(image):
        values = np.asarray(image).astype(np.int32)
        image = Image.fromarray(to_bytes(path, values, white))
    elif image.mode in ("I", "F"):
        signed = stored.startswith("I;16") and stored.endswith("S")
        kind = "values with a sign" if signed else "32 bits per channel"
        raise InputError(f"{path} has {kind}; convert it to 8 or 16 bits.")
    elif ";16" in stored:  # Pillow has taken the high bytes
        _warn_dark_once(path, max(high for _, high in _extrema(image)) << 8)
    if channels not in (1, 3):
        check_channels(path, image, channels)
        return image if image.mode not in ("P", "PA") else image.convert("RGBA")
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image.info.pop("transparency", None)
        _warn_alpha_once(path)
    if channels == 1 and image.mode not in _GREY_MODES:
        _warn_color_once(path)
        image = image.convert("RGB")
    mode = "L" if channels == 1 else "RGB"
    # Converting RGB to RGB would copy it.
    return image if image.mode == mode else image.convert(mode)


def to_bytes(path: object, values: np.ndarray, white: int) -> np.ndarray:
    """Converts 16 bits to uint8: the high byte, or white becomes 255; 8 bits stay."""
    if values.dtype == np.uint8:
        return values
    if white != WHITE:
        scaled = np.minimum(values.astype(np.int32) * 255 // white, 255)
        return scaled.astype(np.uint8)
    _warn_dark_once(path, int(values.max()))
    return (values >> 8).astype(np.uint8)


def _has_palette_with_alpha(image: Image.Image) -> bool:
    return image.mode == "P" and "transparency" in image.info


def _extrema(image: Image.Image) -> tuple[tuple[int, int], ...]:
    found = image.getextrema()
    return found if isinstance(found[0], tuple) else (found,)


def _warn_dark_once(path: object, largest: int) -> None:
    if 0 < largest < 1 << 12 and not _DARK_WARNED:
        _DARK_WARNED.append(path)
        warnings.warn(
            f"{path} has 16 bits per channel, of which at most {largest.bit_length()} "
            "are used, so it is nearly black; if white is 4095, as of 12 bits, set "
            "white=4095 (said once).",
            stacklevel=5,
        )


def _warn_alpha_once(path: object) -> None:
    if not _ALPHA_WARNED:
        _ALPHA_WARNED.append(path)
        warnings.warn(
            f"{path} has an alpha channel, which is dropped (said once).", stacklevel=5
        )


def _warn_color_once(path: object) -> None:
    if not _COLOR_WARNED:
        _COLOR_WARNED.append(path)
        warnings.warn(
            f"{path} is in colour, of which one channel of grey is made (said once).",
            stacklevel=5,
        )
