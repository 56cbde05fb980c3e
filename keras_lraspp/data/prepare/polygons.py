"""Convert COCO and LabelMe annotations (JSON polygons) to masks, lists and classes."""

import base64
import binascii
import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from keras_lraspp.classes import generic_class_set
from keras_lraspp.data.class_files import BACKGROUND, IGNORED, read_class_names
from keras_lraspp.data.prepare.archives import convert_files, import_optional
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.files import replacing, write_text
from keras_lraspp.images import EncodedImage, exif_orientation, open_image, read_image
from keras_lraspp.schema import Count, Name, check_value, read_json

CLASS_LIST = "classes.txt"
_LARGEST_JSON = 2 << 30  # bytes; COCO's own has 450 MB
_LARGEST_LABELME = 256 << 20  # it may hold the image as well
_INSTALL = "pip install pycocotools"
_LINE_WIDTH, _POINT_RADIUS = 10, 5  # pixels, as labelme draws them
_IGNORE_LABEL = 255
_EXPORT_AGAIN = "export the annotations again"
_check_value = partial(check_value, mend=_EXPORT_AGAIN, extra=True)


class Converted(NamedTuple):
    """What a conversion wrote."""

    masks: int
    classes: tuple[str, ...]
    list_path: Path


class _Shape(NamedTuple):
    """A shape to draw, in the order of drawing."""

    label: int
    content: Any  # a COCO segmentation, or a LabelMe shape


class _Job(NamedTuple):
    """A mask to draw."""

    image: Path
    target: Path
    size: tuple[int, int]  # height, width
    shapes: tuple[_Shape, ...]


@dataclasses.dataclass(frozen=True)
class _CocoImage:
    id: int
    file_name: Name
    height: Count
    width: Count


@dataclasses.dataclass(frozen=True)
class _CocoCategory:
    id: int
    name: Name


@dataclasses.dataclass(frozen=True)
class _CocoAnnotation:
    image_id: int
    category_id: int
    segmentation: Any
    area: float = 0.0


@dataclasses.dataclass(frozen=True)
class _LabelMeFile:
    shapes: tuple[dict[str, Any], ...]
    imagePath: Name  # as the file calls it
    imageHeight: Count
    imageWidth: Count


@dataclasses.dataclass(frozen=True)
class _LabelMeShape:
    label: Name
    points: tuple[tuple[float, float], ...]
    shape_type: str | None = "polygon"
    mask: str | None = None


def prepare_coco(
    annotations: str | Path,
    root: str | Path,
    *,
    images: str | Path | None = None,
    split: str = "train",
    workers: int | None = None,
    progress: bool = True,
) -> Converted:
    """Draws the masks of a COCO annotation file, with a list and names of the classes.

    Writes `labels/<split>/*.png`, palette images, `<split>.txt` for `FileList`, and
    `classes.txt`: the background, then the categories by their numbers. Small objects
    lie over large ones, and what is marked as a crowd is of its category.

    Args:
        annotations: The JSON file.
        root: Folder to write to.
        images: Folder of the images; `None` for `root`.
        split: Name of the split.
        workers: Number of processes; `None` for one per processor.
        progress: Whether to show a bar with the time left.

    Raises:
        InputError: If the file is no COCO annotation file, an image is missing or has
            another size, or pycocotools is not installed.
        StorageError: If a file cannot be written.
    """
    import_optional("pycocotools.mask", _INSTALL)
    path, root = Path(annotations), Path(root)
    content = read_json(path, dict[str, Any], mend=_EXPORT_AGAIN, most=_LARGEST_JSON)
    rows = {
        key: _rows(content, key, kind, path)
        for key, kind in (
            ("categories", _CocoCategory),
            ("images", _CocoImage),
            ("annotations", _CocoAnnotation),
        )
    }
    categories = sorted(rows["categories"], key=lambda row: row.id)
    names = tuple(row.name for row in categories)
    background = next((name for name in names if name in BACKGROUND), None)
    others = (name for name in names if name != background)
    names = (background or BACKGROUND[0], *others)
    labels = {row.id: names.index(row.name) for row in categories}
    shapes = defaultdict(list)
    for row in sorted(rows["annotations"], key=lambda row: -row.area):
        if row.category_id not in labels:
            raise InputError(
                f"{path} has an annotation of the category {row.category_id}, which is "
                f"none of its categories; {_EXPORT_AGAIN}."
            )
        shapes[row.image_id].append(_Shape(labels[row.category_id], row.segmentation))
    folder = root if images is None else Path(images)
    jobs = [
        _Job(
            folder / row.file_name,
            root / "labels" / split / Path(row.file_name).with_suffix(".png"),
            (row.height, row.width),
            tuple(shapes[row.id]),
        )
        for row in rows["images"]
    ]
    return _convert(jobs, names, root, split, _paint_coco, workers, progress)


def prepare_labelme(
    root: str | Path,
    *,
    split: str = "train",
    workers: int | None = None,
    progress: bool = True,
) -> Converted:
    """Draws the masks of a folder of LabelMe's JSON files, with a list and classes.

    Writes `labels/**/*.png`, palette images, `<split>.txt` for `FileList`, and, unless
    it is there already, `classes.txt`: `_background_`, then the labels by their names.
    Later shapes lie over earlier ones; the label `__ignore__` becomes 255. Lines are 10
    pixels wide, points 5 pixels in radius, as LabelMe's own converter draws them.

    Args:
        root: Folder with the JSON files beside their images.
        split: Name of the split.
        workers: Number of processes; `None` for one per processor.
        progress: Whether to show a bar with the time left.

    Raises:
        InputError: If there are no JSON files, one is none of LabelMe's, an image is
            missing or has another size, or `classes.txt` does not have a label.
        StorageError: If a file cannot be written.
    """
    root = Path(root)
    files = sorted(root.rglob("*.json"))
    if not files:
        raise InputError(
            f"No files match {root}/**/*.json; name the folder with LabelMe's files."
        )
    read = [_read_labelme(path) for path in files]
    found = {shape.label for _, shapes in read for shape in shapes} - {IGNORED}
    names = _labelme_names(root / CLASS_LIST, found)
    labels = {IGNORED: _IGNORE_LABEL, **{name: k for k, name in enumerate(names)}}
    jobs = [
        _Job(
            path.parent / content.imagePath.replace("\\", "/"),
            root / "labels" / path.relative_to(root).with_suffix(".png"),
            (content.imageHeight, content.imageWidth),
            tuple(_Shape(labels[shape.label], shape) for shape in shapes),
        )
        for path, (content, shapes) in zip(files, read, strict=True)
    ]
    return _convert(jobs, names, root, split, _paint_labelme, workers, progress)


def _rows(content: dict, key: str, kind: type, path: Path) -> list:
    """Rows of a list in a COCO file, without the keys that say nothing of masks."""
    rows = content.get(key)
    if not isinstance(rows, list):
        raise InputError(f"{path} has no list of {key}; {_EXPORT_AGAIN}.")
    if not rows and key != "annotations":
        raise InputError(f"{path} has no {key}; {_EXPORT_AGAIN}.")
    return [
        _check_value(row, kind, f"{path}: {key}[{index}]")
        for index, row in enumerate(rows)
    ]


def _read_labelme(path: Path) -> tuple[_LabelMeFile, list[_LabelMeShape]]:
    content = read_json(
        path, _LabelMeFile, mend=_EXPORT_AGAIN, most=_LARGEST_LABELME, extra=True
    )
    shapes = [
        _check_value(shape, _LabelMeShape, f"{path}: shapes[{index}]")
        for index, shape in enumerate(content.shapes)
    ]
    return content, shapes


def _labelme_names(path: Path, found: set[str]) -> tuple[str, ...]:
    if not path.is_file():
        return (BACKGROUND[0], *sorted(found - {BACKGROUND[0]}))
    names = read_class_names(path)
    unknown = sorted(found - {*names})
    if unknown:
        raise InputError(
            f"{path} does not have the labels {abbreviate(unknown)}, which are drawn; "
            "add them to it, or delete it to have it written."
        )
    return names


def _convert(
    jobs: Sequence[_Job],
    names: tuple[str, ...],
    root: Path,
    split: str,
    paint,
    workers: int | None,
    progress: bool,
) -> Converted:
    """Draws all masks, then writes the list and the classes."""
    if len(names) > _IGNORE_LABEL:
        raise InputError(f"There are {len(names)} classes; a mask has 255 at most.")
    known = root / CLASS_LIST
    if known.is_file() and read_class_names(known) != names:
        raise InputError(
            f"{known} has other classes than this split: {abbreviate(names)}; convert "
            "both splits from annotations with the same categories."
        )
    _check_targets(jobs)
    convert_files(
        partial(_draw_mask, paint),
        jobs,
        what="images",
        description="drawing masks",
        unit="masks",
        workers=workers,
        progress=progress,
    )
    write_text(known, "".join(f"{name}\n" for name in names))
    list_path = root / f"{split}.txt"
    rows = [f"{_listed(job.image, root)}\t{_listed(job.target, root)}" for job in jobs]
    write_text(list_path, "".join(f"{row}\n" for row in sorted(rows)))
    return Converted(len(jobs), names, list_path)


def _check_targets(jobs: Iterable[_Job]) -> None:
    seen: dict[Path, Path] = {}
    for job in jobs:
        other = seen.setdefault(job.target, job.image)
        if other != job.image:
            raise InputError(
                f"{other} and {job.image} have the same name; rename one of them."
            )


def _listed(path: Path, root: Path) -> str:
    inside = path.is_relative_to(root)
    return (path.relative_to(root) if inside else path.absolute()).as_posix()


def _draw_mask(paint, job: _Job) -> str | None:
    """Draws and writes a mask; says what is wrong with its image or shapes."""
    try:
        with open_image(job.image) as image:
            size, turned = (image.height, image.width), exif_orientation(image)
        if size != job.size or turned != 1:
            found = f"{size[0]}x{size[1]}, EXIF orientation {turned}"
            return (
                f"{job.image} is {found}, but was annotated at {job.size[0]}x"
                f"{job.size[1]}, upright; save it as it was annotated."
            )
        mask = np.zeros(size, np.uint8)
        for shape in job.shapes:
            mask[paint(shape.content, size)] = shape.label
    except InputError as error:
        return str(error)
    except Exception as error:  # which one depends on what the shape holds
        return f"a shape of {job.image} cannot be drawn ({error}); {_EXPORT_AGAIN}."
    picture = Image.fromarray(mask)
    picture.putpalette(np.array(generic_class_set(256).palette, np.uint8).tobytes())
    with replacing(job.target, sync=False) as path:
        picture.save(path, format="PNG")
    return None


def _paint_coco(segmentation, size: tuple[int, int]) -> np.ndarray:
    """Mask of polygons or run lengths, as COCO's own tools draw them."""
    from pycocotools import mask as coco

    if isinstance(segmentation, dict) and isinstance(segmentation.get("counts"), str):
        return coco.decode(segmentation).astype(bool)
    if isinstance(segmentation, dict):
        return coco.decode(coco.frPyObjects(segmentation, *size)).astype(bool)
    if not segmentation:  # a box without an outline
        return np.zeros(size, bool)
    polygons = coco.frPyObjects(segmentation, *size)
    return coco.decode(coco.merge(polygons)).astype(bool)


def _paint_labelme(shape: _LabelMeShape, size: tuple[int, int]) -> np.ndarray:
    """Mask of a shape, as LabelMe's own converter draws it."""
    canvas = Image.new("1", size[::-1])
    draw, points = ImageDraw.Draw(canvas), [*shape.points]
    match shape.shape_type or "polygon":
        case "polygon" if len(points) > 2:
            draw.polygon(points, outline=1, fill=1)
        case "rectangle" if len(points) == 2:
            (left, right), (top, bottom) = map(sorted, zip(*points, strict=True))
            draw.rectangle((left, top, right, bottom), outline=1, fill=1)
        case "circle" if len(points) == 2:
            _disc(draw, points[0], np.hypot(*np.subtract(*points)))
        case "line" | "linestrip" if len(points) > 1:
            draw.line(points, fill=1, width=_LINE_WIDTH)
        case "point" | "points" if points:
            for point in points:
                _disc(draw, point, _POINT_RADIUS)
        case "mask" if shape.mask and points:
            _paste(canvas, shape.mask, points[0])
        case kind:
            raise InputError(
                f"LabelMe's shape {kind!r} of {len(points)} points cannot be drawn; "
                "draw it again as a polygon."
            )
    return np.asarray(canvas)


def _disc(
    draw: ImageDraw.ImageDraw, center: tuple[float, float], radius: float
) -> None:
    x, y = center
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=1, fill=1)


def _paste(canvas: Image.Image, encoded: str, corner: tuple[float, float]) -> None:
    """Puts a small mask, a PNG in base64, at its corner."""
    try:
        content = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise InputError(f"A LabelMe mask is no base64 text ({error}).") from error
    pixels = read_image(EncodedImage("a LabelMe mask", content))[..., 0] > 0
    x, y = (round(value) for value in corner)
    canvas.paste(1, (x, y), Image.fromarray(pixels))
