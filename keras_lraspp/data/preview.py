"""A sheet of small pictures: samples of a data set with their labels laid over them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_lraspp.data import training_batches
from keras_lraspp.data.dataset import SegmentationDataset, open_dataset
from keras_lraspp.data.health import SplitHealth
from keras_lraspp.data.pipeline_errors import input_errors
from keras_lraspp.files import replacing
from keras_lraspp.visualize import legend, overlay, with_legend

SHEET_SAMPLES = 12  # of each split
_COLUMNS = 3
_WIDTH, _HEIGHT = 256, 192  # of a picture at most, in pixels
_GAP = 8
_CAPTION = 18
_PAPER, _INK = (255, 255, 255), (34, 34, 34)


class _Tile(NamedTuple):
    picture: np.ndarray  # image and overlay side by side
    caption: str
    classes: np.ndarray  # that are in it


def contact_sheet(splits: Sequence[SplitHealth], path: Path) -> bool:
    """Draws samples spread evenly over each split, image and overlay side by side.

    Args:
        splits: What was found; only samples that can be used are drawn.
        path: The PNG file to write.

    Returns:
        Whether there was anything to draw.

    Raises:
        StorageError: If the file cannot be written.
    """
    tiles = [tile for split in splits for tile in _tiles(split)]
    if not tiles:
        return False
    samples = next(one.samples for one in splits if one.samples is not None)
    rows = -(-len(tiles) // _COLUMNS)
    tallest = max(len(tile.picture) for tile in tiles)
    cell = 2 * _WIDTH + 2 * _GAP, tallest + _CAPTION + _GAP
    width, height = _COLUMNS * cell[0] + _GAP, rows * cell[1] + _GAP
    present = np.unique(np.concatenate([tile.classes for tile in tiles]))
    names = legend(present, samples.classes.names, samples.classes.palette, width=width)
    sheet = Image.new("RGB", (width, height + len(names)), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for place, tile in enumerate(tiles):
        left = _GAP + place % _COLUMNS * cell[0]
        top = _GAP + place // _COLUMNS * cell[1]
        sheet.paste(Image.fromarray(tile.picture), (left, top))
        caption = _fitting(tile.caption, font, cell[0] - 2 * _GAP)
        draw.text((left, top + tile.picture.shape[0] + 2), caption, _INK, font)
    if len(names):
        sheet.paste(Image.fromarray(names), (0, height))
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")
    return True


def _tiles(split: SplitHealth) -> list[_Tile]:
    usable = [found.index for found in split.findings if found.content]
    if split.samples is None or not split.samples.labelled or not usable:
        return []
    places = np.linspace(0, len(usable) - 1, min(SHEET_SAMPLES, len(usable))).round()
    return [_tile(split, usable[int(place)]) for place in places]


def _tile(split: SplitHealth, index: int) -> _Tile:
    image, label = (np.asarray(part) for part in split.samples.load(index))
    height, width = label.shape
    scale = min(_WIDTH / width, _HEIGHT / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    how = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    small = np.array(Image.fromarray(image).resize(size, how))
    mask = Image.fromarray(label.astype(np.int32)).resize(
        size, Image.Resampling.NEAREST
    )
    painted = overlay(small, np.array(mask), split.samples.classes.palette)
    name = f"{split.split}: {Path(split.samples.source(index)).name}"
    return _Tile(np.concatenate([small, painted], axis=1), name, np.unique(label))


def _fitting(text: str, font, width: int) -> str:
    """Leaves out the middle of a text that is too long."""
    if font.getlength(text) <= width:
        return text
    kept = len(text)
    while (
        kept > 4 and font.getlength(f"{text[: kept // 2]}…{text[-kept // 2 :]}") > width
    ):
        kept -= 2
    return f"{text[: kept // 2]}…{text[-kept // 2 :]}"


_MOST_WIDE = 1024  # pixels, of each image


def show(
    *,
    dataset: Callable[..., SegmentationDataset],
    transform: Callable[..., Callable],
    output_path: str | Path,
    data_root: str | Path | None = None,
    split: str = "train",
    samples: int = 4,
    seed: int = 0,
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
    listed = open_dataset(dataset, data_root, split)
    with input_errors():
        batches = training_batches(
            listed,
            transform=transform(ignore_label=listed.ignore_label),
            batch_size=samples,
            seed=seed,
        )
        images, labels = next(batches.take(1).as_numpy_iterator())
    output_path = Path(output_path)
    picture = _drawn(images, labels, listed)
    with replacing(output_path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
    print(f"{samples} augmented samples of {listed.name} {split} are in {output_path}")
    return output_path


def _drawn(
    images: np.ndarray, labels: np.ndarray, listed: SegmentationDataset
) -> np.ndarray:
    step = -(-images.shape[2] // _MOST_WIDE)
    images, labels = images[:, ::step, ::step], labels[:, ::step, ::step]
    names, palette = listed.classes
    rows = [
        _side_by_side(image, overlay(image, label, palette))
        for image, label in zip(images, labels, strict=True)
    ]
    return with_legend(np.concatenate(rows), labels, names, palette)


def _side_by_side(image: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Two pictures with a white gap between them and below them."""
    gap = np.full((len(image), _GAP, 3), 255, np.uint8)
    row = np.concatenate([image, gap, painted], axis=1)
    return np.pad(row, ((0, _GAP), (0, 0), (0, 0)), constant_values=255)
