"""Pictures of a data set: augmented samples (`show`), and a contact sheet."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_lraspp.data.dataset import SegmentationDataset, open_dataset
from keras_lraspp.data.health import SplitHealth
from keras_lraspp.data.pipeline import training_batches
from keras_lraspp.data.pipeline_errors import input_errors
from keras_lraspp.files import replacing
from keras_lraspp.legends import with_legend
from keras_lraspp.palettes import picture_palette
from keras_lraspp.schema import Bounds, Index, check_call
from keras_lraspp.visualize import overlay, rgb_picture

_GAP = 8  # pixels between pictures
_MOST_WIDE = 1024  # pixels, of an augmented image

# The contact sheet.
_SAMPLES = 12  # of each split
_COLUMNS = 3
_WIDTH, _HEIGHT = 256, 192  # of a picture at most, in pixels
_CAPTION = 18


def show(
    *,
    dataset: Callable[..., SegmentationDataset],
    transform: Callable[..., Callable],
    output_path: str | Path,
    data_root: str | Path | None = None,
    split: str = "train",
    samples: Annotated[int, Bounds(1, 1000)] = 4,
    seed: Index = 0,
) -> Path:
    """Draws the first samples of a training: each image, and its labels laid over it.

    Args:
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        transform: Called as `transform(ignore_label=...)`.
        output_path: The PNG file to write.
        data_root: Folder of the data set, if not the data set's default.
        split: The split to draw from.
        samples: How many.
        seed: Of order and augmentation.

    Returns:
        The file.

    Raises:
        InputError: If the data set cannot be used.
        StorageError: If the file cannot be written.
    """
    check_call("show", show, locals())
    listed = open_dataset(dataset, data_root, split)
    with input_errors():
        batches = training_batches(
            listed,
            transform=transform(ignore_label=listed.ignore_label),
            batch_size=samples,
            seed=seed,
        )
        images, labels = next(batches.take(1).as_numpy_iterator())
    step = -(-images.shape[2] // _MOST_WIDE)
    images, labels = images[:, ::step, ::step], labels[:, ::step, ::step]
    names, palette = listed.classes.names, picture_palette(listed.classes)
    rows = [
        _side_by_side(rgb_picture(image), overlay(image, label, palette))
        for image, label in zip(images, labels, strict=True)
    ]
    picture = with_legend(np.concatenate(rows), labels, names, palette)
    output_path = Path(output_path)
    _write_png(output_path, picture)
    print(f"{samples} augmented samples of {listed.name} {split} are in {output_path}")
    return output_path


def _side_by_side(image: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Two pictures with a white gap between them and below them."""
    gap = np.full((len(image), _GAP, 3), 255, np.uint8)
    row = np.concatenate([image, gap, painted], axis=1)
    return np.pad(row, ((0, _GAP), (0, 0), (0, 0)), constant_values=255)


def _write_png(path: Path, picture: np.ndarray) -> None:
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def contact_sheet(splits: Sequence[SplitHealth], path: Path) -> bool:
    """Draws usable samples of each split, evenly spaced, beside their overlays.

    Returns whether there was anything to draw.
    """
    chosen = [(split, index) for split in splits for index in _evenly_spaced(split)]
    if not chosen:
        return False
    tiles, shown = [], []
    for split, index in chosen:
        image, label = map(np.asarray, split.samples.load(index))
        shown.append(label.ravel())
        name = f"{split.split}: {Path(split.samples.source(index)).name}"
        palette = picture_palette(split.samples.classes)
        tiles.append((_tile(image, label, palette), name))
    width = 2 * _WIDTH + 2 * _GAP
    height = max(len(picture) for picture, _ in tiles) + _CAPTION + _GAP
    rows = -(-len(tiles) // _COLUMNS)
    sheet = Image.new(
        "RGB", (_COLUMNS * width + _GAP, rows * height + _GAP), (255, 255, 255)
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for place, (picture, name) in enumerate(tiles):
        left = _GAP + place % _COLUMNS * width
        top = _GAP + place // _COLUMNS * height
        sheet.paste(Image.fromarray(picture), (left, top))
        caption = _shorten(name, font, width - 2 * _GAP)
        draw.text((left, top + len(picture) + 2), caption, (34, 34, 34), font)
    names = chosen[0][0].samples.classes.names
    _write_png(
        path, with_legend(np.array(sheet), np.concatenate(shown), names, palette)
    )
    return True


def _evenly_spaced(split: SplitHealth) -> list[int]:
    usable = [report.index for report in split.reports if report.stats]
    if split.samples is None or not split.samples.labelled or not usable:
        return []
    places = np.linspace(0, len(usable) - 1, min(_SAMPLES, len(usable))).round()
    return [usable[int(place)] for place in places]


def _tile(image: np.ndarray, label: np.ndarray, palette) -> np.ndarray:
    """A small image and its overlay, side by side."""
    image = rgb_picture(image)
    height, width = label.shape
    scale = min(_WIDTH / width, _HEIGHT / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    nearest = Image.Resampling.NEAREST
    method = Image.Resampling.LANCZOS if scale < 1 else nearest
    small = np.array(Image.fromarray(image).resize(size, method))
    mask = Image.fromarray(label.astype(np.int32)).resize(size, nearest)
    return np.concatenate([small, overlay(small, np.array(mask), palette)], axis=1)


def _shorten(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Leaves out the middle of a text that is too long."""
    shortened, kept = text, len(text)
    while kept > 4 and font.getlength(shortened) > width:
        kept -= 2
        shortened = f"{text[: kept // 2]}…{text[-kept // 2 :]}"
    return shortened
