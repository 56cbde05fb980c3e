"""Label specification, and reading of label files as classes."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.classes import (
    MOST_CLASSES,
    ClassSet,
    ade20k_lookup,
    cityscapes_lookup,
    resolve_classes,
)
from keras_lraspp.data.class_files import read_class_file
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.images import (
    ImageFile,
    decode,
    header_orientation,
    naming_memory_errors,
    open_image,
    read_start,
)
from keras_lraspp.pixels import ALPHA_MODES, depth_is_16
from keras_lraspp.schema import Bounds, Byte, Label, check_argument

_LOSSY = {  # format, or a TIFF's compression: what to call it
    "JPEG": "a JPEG",
    "MPO": "a JPEG",
    "jpeg": "a TIFF with JPEG compression",
    "tiff_jpeg": "a TIFF with JPEG compression",
    "webp": "a TIFF with WebP compression",
}
_LOOKUPS = {"cityscapes": cityscapes_lookup, "ade20k": ade20k_lookup}


class ColorClass(NamedTuple):
    """The class of one colour in RGB masks."""

    red: Byte
    green: Byte
    blue: Byte
    label: Label  # a class, or the ignore label


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelSpec:
    """Label specification: classes, ignore label, value lookup and colour map.

    Attributes:
        classes: Names and colours of the classes.
        ignore_label: Label of pixels that count nowhere; `None` if every pixel counts.
        label_lookup: `label_lookup[value]` is the class of a file's value; `None` if
            files hold classes.
        color_map: Meaning of the colours that labels show, however their files encode
            them; `None` if the values in the files decide.

    Raises:
        InputError: If there are fewer than two classes, or both a lookup and a colour
            map.
    """

    classes: ClassSet
    ignore_label: int | None = 255
    label_lookup: tuple[int, ...] | None = None
    color_map: tuple[ColorClass, ...] | None = None

    def __post_init__(self):
        """Refuses what would be misread silently later."""
        check_class_count(self.classes)
        names, palette = self.classes
        if len(names) != len(palette):
            raise InputError(
                f"There are {len(names)} classes, but {len(palette)} colours; give "
                "each class one."
            )
        if self.label_lookup is not None and self.color_map is not None:
            raise InputError(
                "label_lookup and color_map are both given, but either the values of "
                "labels or their colours say what they mean; leave out one of them."
            )
        legal = {*range(self.num_classes), self.ignore_label}
        wrong = [row for row in self.color_map or () if row.label not in legal]
        if wrong:
            raise InputError(
                f"color_map has rows of no class: {abbreviate(map(tuple, wrong))}; the "
                f"last number is a class, 0..{self.num_classes - 1}, or the ignore "
                "label."
            )

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes.names)


def check_class_count(classes: ClassSet) -> None:
    """Refuses a data set of fewer than two classes.

    Raises:
        InputError: With what to do instead.
    """
    if len(classes.names) < 2:
        raise InputError(
            f"There is only one class ({abbreviate(classes.names)}), so every pixel is "
            "of it; count the background as a class, too: num_classes=2, and "
            "label_lookup={0: 0, 255: 1} for masks of 0 and 255."
        )


def label_dtype(spec: LabelSpec) -> type[np.uint8] | type[np.int32]:
    """Smallest label dtype: uint8 if all classes and the ignore label fit."""
    ignored = 0 if spec.ignore_label is None else spec.ignore_label
    fits = spec.num_classes <= 256 and 0 <= ignored <= 255
    return np.uint8 if fits else np.int32


def read_label_spec(
    reader: str,
    *,
    num_classes: int | None = None,
    classes: str | Sequence[str] | None = None,
    ignore_label: int | None = 255,
    label_lookup: str | Mapping[int, int] | Sequence[int] | None = None,
    color_map: Sequence[Sequence[int]] | None = None,
    root: Path = Path(),
) -> LabelSpec:
    """Makes a label specification of the arguments of `FileList` and other data sets.

    `reader` is the data set's name, for messages, and `root` the folder that a file of
    classes is relative to. What such a file says of values or colours of masks holds
    unless `label_lookup` or `color_map` is given.

    Raises:
        InputError: If an argument cannot be, or two disagree.
    """
    check_argument(f"{reader}.ignore_label", ignore_label, Label | None)
    if isinstance(classes, str) and Path(classes).suffix:
        known = read_class_file(root / classes)
        classes = known.classes
        if label_lookup is None and color_map is None and known.has_colors:
            color_map = [(*color, label) for label, color in enumerate(classes.palette)]
        elif label_lookup is None and color_map is None and known.values:
            label_lookup = {value: label for label, value in enumerate(known.values)}
    class_set = _class_set(reader, classes, num_classes)
    return LabelSpec(
        classes=class_set,
        ignore_label=ignore_label,
        label_lookup=_lookup(reader, label_lookup, ignore_label),
        color_map=_color_map(reader, color_map, len(class_set.names)),
    )


def _class_set(reader: str, classes, num_classes: int | None) -> ClassSet:
    if classes is None and num_classes is None:
        raise InputError(
            f"{reader} needs num_classes or classes; set one of them, as "
            f'--gin_bindings="{reader}.num_classes=3".'
        )
    count = Annotated[int, Bounds(1, MOST_CLASSES)]
    check_argument(f"{reader}.num_classes", num_classes, count | None)
    wanted = num_classes if classes is None else classes
    class_set = resolve_classes(wanted, name=f"{reader}.classes")
    if num_classes not in (None, len(class_set.names)):
        raise InputError(
            f"{reader}.num_classes is {num_classes} but classes has "
            f"{len(class_set.names)} names; make them agree or leave out one."
        )
    return class_set


def _lookup(reader: str, lookup, ignore_label: int | None) -> tuple[int, ...] | None:
    if lookup is None:
        return None
    if isinstance(lookup, str):
        if lookup in _LOOKUPS:
            return tuple(_LOOKUPS[lookup]().tolist())
        raise InputError(
            f"label_lookup is one of {sorted(_LOOKUPS)}, a mapping or a sequence, not "
            f"{lookup!r}."
        )
    if isinstance(lookup, Mapping):
        if ignore_label is None:
            raise InputError(
                "A label_lookup mapping leaves out values, which are then ignored; set "
                "ignore_label, or give a sequence with a class for every value."
            )
        check_argument(f"{reader}.label_lookup", lookup, dict[Label, Label])
        size = max([255, *lookup]) + 1
        lookup = [lookup.get(value, ignore_label) for value in range(size)]
    lookup = lookup.tolist() if isinstance(lookup, np.ndarray) else lookup
    values = Annotated[tuple[Label, ...], Bounds(1, MOST_CLASSES)]
    check_argument(f"{reader}.label_lookup", lookup, values)
    return tuple(int(label) for label in lookup)


def _color_map(reader: str, rows, num_classes: int) -> tuple[ColorClass, ...] | None:
    check_argument(f"{reader}.color_map", rows, tuple[Any, ...] | None)
    if not rows:
        return None
    lengths = [len(row) if isinstance(row, (list, tuple)) else 0 for row in rows]
    if lengths == [3] * num_classes:  # a palette
        rows = [(*row, label) for label, row in enumerate(rows)]
        lengths = [4] * num_classes
    wrong = [row for row, size in zip(rows, lengths, strict=True) if size != 4]
    if wrong:
        raise InputError(
            f"Rows of {reader}.color_map are (red, green, blue, class), or (red, "
            f"green, blue) of each of the {num_classes} classes, not "
            f"{abbreviate(wrong)}; correct them."
        )
    check_argument(f"{reader}.color_map", rows, tuple[ColorClass, ...])
    meanings: dict[tuple, int] = {}
    for *color, label in rows:
        if meanings.setdefault(tuple(color), label) != label:
            raise InputError(
                f"{reader}.color_map gives the colour {tuple(color)} the classes "
                f"{meanings[tuple(color)]} and {label}; leave out one of the rows."
            )
    return tuple(ColorClass(*row) for row in rows)


@naming_memory_errors
def read_label(path: ImageFile, spec: LabelSpec) -> np.ndarray:
    """Reads a label file as classes.

    With a `color_map` colours decide, of RGB masks as of palette and grey images.
    Without, palette images give their indices, grey ones their values, those of 16 bits
    whole, and `label_lookup` is applied. Values that are neither a class nor the ignore
    label are returned as they are.

    Returns:
        Integers (height, width): uint8 where they fit, else int32.

    Raises:
        InputError: As `open_image` does; or for a damaged file, a lossy one, one with
            an EXIF orientation or an alpha channel (with a `color_map`: transparent
            pixels), an RGB mask without `color_map`, or a colour that it leaves out.
    """
    with open_image(path) as image:
        lossy = _LOSSY.get(image.info.get("compression", image.format))
        if lossy is not None:
            raise InputError(
                f"The label {path} is {lossy}, which blurs labels; save it as a PNG."
            )
        orientation = header_orientation(image)  # Pillow turns some files, not others
        if orientation != 1:
            raise InputError(
                f"The label {path} has the EXIF orientation {orientation}, so which "
                "pixel it means is open; save it upright, without that tag."
            )
        decode(path, image)
        if spec.color_map is not None:
            return classes_of_colors(path, _opaque_colors(path, image), spec)
        if image.mode in ALPHA_MODES:
            raise InputError(
                f"The label {path} has an alpha channel; save it with one channel that "
                "holds the class of each pixel."
            )
        if image.mode == "RGB":
            raise InputError(
                f"The label {path} is an RGB picture, where one channel with the class "
                "of each pixel is expected; convert it, or say what its colours mean: "
                "color_map = [(red, green, blue, class), ...]."
            )
        return classes_of_values(path, _channel_values(image, path), spec)


def _opaque_colors(path, image: Image.Image) -> np.ndarray:
    """The colours that a picture shows, uint8 (height, width, 3)."""
    if image.mode not in ("1", "L", "P", "RGB", *ALPHA_MODES):
        raise InputError(
            f"The label {path} has the pixel format {image.mode}, of which color_map "
            "cannot tell the colours; save it as a PNG of 8 bits per channel."
        )
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            raise InputError(
                f"The label {path} has transparent pixels, which have no colour for "
                "color_map; save it without an alpha channel."
            )
    return np.asarray(image.convert("RGB"))


def _channel_values(image: Image.Image, path: ImageFile) -> np.ndarray:
    """Values of a single-channel image as the file holds them: (height, width)."""
    values = np.asarray(image)
    if image.format in ("PPM", "TIFF"):
        _check_stored_values(path)
    if image.mode in ("P", "1"):
        return values.astype(np.uint8)
    if image.mode == "L":
        # Pillow stretches grey of 2 and 4 bits to 0..255.
        return values // {2: 85, 4: 17}.get(_png_bit_depth(image, path), 1)
    if depth_is_16(image):
        return values.astype(np.int32)
    raise InputError(
        f"The label {path} has the pixel format {image.mode}; save it with one channel "
        "of 8 or 16 bits that holds the class of each pixel."
    )


def _check_stored_values(path: ImageFile) -> None:
    """Raises InputError if Pillow stretches or inverts the values of a label."""
    with open_image(path) as header:
        codec, _, _, kind = header.tile[0]
    kind, *most = (kind,) if isinstance(kind, str) else kind
    stretched = codec.startswith("ppm") and most[0] not in (255, 65535)
    if stretched or kind.startswith(("L;", "1;I")) and kind != "L;R":
        raise InputError(
            f"The label {path} stores greys of another range than 0..255 or 0..65535, "
            "or has them inverted; save it as a PNG that holds the class of each pixel."
        )


def _png_bit_depth(image: Image.Image, path: ImageFile) -> int:
    if image.format != "PNG":
        return 8
    return read_start(path, 25)[24]


def classes_of_values(path, values: np.ndarray, spec: LabelSpec) -> np.ndarray:
    """Applies `label_lookup`, if there is one; returns uint8, or int32 where needed.

    Raises:
        InputError: If the lookup ends before a value.
    """
    if spec.label_lookup is None:
        return _narrow(values)
    table = np.asarray(spec.label_lookup, np.int32)
    bytes_only = table.min() >= 0 and table.max() <= 255
    if values.dtype == np.uint8 and table.size == 256 and bytes_only:
        # Faster than indexing.
        translated = values.tobytes().translate(table.astype(np.uint8).tobytes())
        return np.frombuffer(translated, np.uint8).reshape(values.shape)
    if values.max() >= table.size:
        raise InputError(
            f"The label {path} holds "
            f"{abbreviate(np.unique(values[values >= table.size]))}, "
            f"but label_lookup ends at {table.size - 1}; lengthen it."
        )
    return _narrow(table[values])


def _narrow(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    small = values.size == 0 or 0 <= values.min() and values.max() <= 255
    return values.astype(np.uint8 if small else np.int32)


def classes_of_colors(path, pixels: np.ndarray, spec: LabelSpec) -> np.ndarray:
    """Translates an RGB mask (height, width, 3) by its `color_map`.

    Raises:
        InputError: If the color map leaves out a colour of the mask.
    """
    table = np.array(sorted(spec.color_map), np.int32)
    known, codes = _color_codes(table[:, :3]), _color_codes(pixels)
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    wrong = known[place] != codes
    if wrong.any():
        colors = np.unique(pixels[wrong], axis=0)
        raise InputError(
            f"The label {path} has {len(colors)} colours that color_map does not know: "
            f"{abbreviate(tuple(color.tolist()) for color in colors)}; add them to it."
        )
    return _narrow(table[place, 3])


def _color_codes(colors: np.ndarray) -> np.ndarray:
    return colors.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
