"""Manifest of a folder of shards: `shards.json`, and the metadata of TFDS."""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf

from keras_lraspp.classes import MOST_CLASSES, ClassSet
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.files import check_regular, sha256
from keras_lraspp.images import MAX_PIXELS
from keras_lraspp.schema import (
    Bounds,
    Channels,
    Color,
    Count,
    Index,
    Name,
    check_value,
    parse_json,
)

MANIFEST_NAME = "shards.json"
_FORMAT = 1
_TFDS_CHANNELS = (1, 3, 4)  # of images that TFDS decodes
_LARGEST_MANIFEST = 64 << 20  # bytes; a million records take about 16
_FILE = re.compile(r"[\w-]+\.(tfrecord|array_record)-\d{5,}-of-\d{5,}")


class ShardFile(NamedTuple):
    """A file of records."""

    name: Name
    bytes: Count
    sha256: Name
    lengths: tuple[Index, ...]  # bytes of each record

    @property
    def records(self) -> int:
        """Number of records."""
        return len(self.lengths)


class SizeRun(NamedTuple):
    """Run-length code of image sizes: a count of equal ones in a row."""

    count: Count
    height: Count
    width: Count


class ShardSplit(NamedTuple):
    """A split: its files, and the sizes of its images, in the order of the records."""

    files: tuple[ShardFile, ...]
    sizes: tuple[SizeRun, ...]

    def __len__(self) -> int:
        """Number of samples."""
        return sum(file.records for file in self.files)

    def size_table(self) -> np.ndarray:
        """Height and width of each image: int32 (samples, 2)."""
        runs = np.array(self.sizes, np.int32).reshape(-1, 3)
        return np.repeat(runs[:, 1:], runs[:, 0], axis=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """Contents of a folder of shards, but for the records.

    Attributes:
        name: Name of the data set that it was written from.
        classes: Names and colours.
        ignore_label: As in `Dataset`.
        label_type: `"uint8"` or `"uint16"`.
        encoding: A name in `ENCODINGS`.
        tile: Size of the tiles.
        splits: By name.
        channels: Number of channels of the images.
    """

    name: str
    classes: ClassSet
    ignore_label: int | None
    label_type: str
    encoding: str
    tile: TileSize
    splits: dict[str, ShardSplit]
    channels: int = 3


def count_runs(sizes: Sequence[tuple[int, int]]) -> tuple[SizeRun, ...]:
    """Run-length encodes the sizes of images."""
    runs: list[SizeRun] = []
    for height, width in sizes:
        if runs and runs[-1][1:] == (height, width):
            runs[-1] = runs[-1]._replace(count=runs[-1].count + 1)
        else:
            runs.append(SizeRun(1, height, width))
    return tuple(runs)


def manifest_json(manifest: Manifest) -> str:
    """Formats a manifest as the text of `shards.json`."""
    classes = zip(manifest.classes.names, manifest.classes.palette, strict=True)
    # Versions that know of RGB only read the shards of RGB.
    others = {} if manifest.channels == 3 else {"channels": manifest.channels}
    return json.dumps(
        {
            "format": _FORMAT,
            "name": manifest.name,
            **others,
            "classes": [{"name": name, "color": color} for name, color in classes],
            "ignore_label": manifest.ignore_label,
            "label_type": manifest.label_type,
            "encoding": manifest.encoding,
            "tile": manifest.tile,
            "splits": {
                name: {
                    "files": [file._asdict() for file in split.files],
                    "sizes": split.sizes,
                }
                for name, split in manifest.splits.items()
            },
        },
        indent=1,
    )


def read_manifest(folder: str) -> Manifest:
    """Reads `shards.json`.

    Args:
        folder: Any that TensorFlow reads, as `gs://bucket/shards`.

    Returns:
        The manifest.

    Raises:
        InputError: If it is not there, or not what `manifest_json` writes.
    """
    path, mend = f"{folder}/{MANIFEST_NAME}", "write the shards again"
    try:
        if "://" not in folder:
            check_regular(path)
        with tf.io.gfile.GFile(path, "rb") as file:
            text = file.read(_LARGEST_MANIFEST)
    except (OSError, tf.errors.OpError) as error:
        reason = str(getattr(error, "message", error)).rpartition("; ")[2]
        raise InputError(
            f"Cannot read {path}: {reason}; name a folder that `keras-lraspp "
            "data shards` wrote with --data_root, or Shards.root."
        ) from error
    content = parse_json(text, Any, path, mend=mend)
    written = check_value(content, _Format, path, mend=mend, extra=True).format
    if written != _FORMAT:
        raise InputError(
            f"{path} has the format {written!r}, but this version reads {_FORMAT}; "
            f"{mend}."
        )
    return check_value(content, _Written, path, mend=mend).manifest


@dataclasses.dataclass(frozen=True)
class _Format:
    format: int


class _Class(NamedTuple):
    name: Name
    color: Color


@dataclasses.dataclass(frozen=True)
class _Written:
    """Schema of the file."""

    format: int
    name: Name
    classes: Annotated[tuple[_Class, ...], Bounds(1, MOST_CLASSES)]
    ignore_label: Index | None
    label_type: Literal["uint8", "uint16"]
    encoding: Name
    tile: TileSize
    splits: dict[Name, ShardSplit]
    channels: Channels = 3

    def __post_init__(self):
        """Refuses what would ask for memory without bound, or for other files."""
        for name, split in self.splits.items():
            sizes = sum(run.count for run in split.sizes)
            if sizes != len(split):
                raise InputError(f"{name} has {len(split)} records, but {sizes} sizes")
            for run in split.sizes:
                if run.height * run.width > MAX_PIXELS:
                    raise InputError(f"an image of {name} has {run[1:]} pixels")
            for file in split.files:
                if not _FILE.fullmatch(file.name):
                    raise InputError(f"{file.name!r} is no name of a shard")
                if sum(file.lengths) > file.bytes:
                    raise InputError(f"the records of {file.name} are longer than it")

    @property
    def manifest(self) -> Manifest:
        names, palette = zip(*self.classes, strict=True)
        fields = {**vars(self), "classes": ClassSet(names, palette)}
        del fields["format"]
        return Manifest(**fields)


def check_files(folder: str, files: Sequence[ShardFile], *, checksums: bool) -> None:
    """Compares the sizes of files, and their checksums if wanted, with the manifest.

    Raises:
        InputError: If one is missing or differs.
    """
    wrong = [
        file.name
        for file in files
        if _bytes_of(f"{folder}/{file.name}") != file.bytes
        or (
            checksums
            and sha256(f"{folder}/{file.name}", tf.io.gfile.GFile) != file.sha256
        )
    ]
    if wrong:
        raise InputError(
            f"{len(wrong)} of {len(files)} files in {folder} are missing or not what "
            f"was written: {abbreviate(wrong)}; copy them again, or write the shards "
            "again."
        )


def _bytes_of(path: str) -> int | None:
    try:
        return tf.io.gfile.GFile(path, "rb").size()
    except tf.errors.OpError:
        return None


def write_tfds_metadata(manifest: Manifest, folder: Path) -> None:
    """Writes `dataset_info.json` and `features.json`, with which TFDS reads shards."""
    import tensorflow_datasets as tfds

    tfds.folder_dataset.write_metadata(
        data_dir=str(folder),
        features=_tfds_features(manifest.label_type, manifest.channels),
        split_infos=[
            tfds.core.SplitInfo(
                name=name,
                shard_lengths=[file.records for file in split.files],
                num_bytes=sum(file.bytes for file in split.files),
            )
            for name, split in manifest.splits.items()
        ],
        filename_template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        version="1.0.0",
        check_data=False,
        description=f"{manifest.name} in tiles of {manifest.tile.height} x "
        f"{manifest.tile.width} pixels, row by row, filled up at the right and bottom. "
        "Images that are JPEG files are kept as they were, in one piece."
        + _further_description(manifest.channels),
    )


def _further_description(channels: int) -> str:
    if channels in _TFDS_CHANNELS:
        return ""
    return (
        f" Each pixel of an image is {channels} grey ones side by side, its channels."
    )


def _tfds_features(label_type: str, channels: int):
    import tensorflow_datasets as tfds

    known = channels if channels in _TFDS_CHANNELS else 1
    image = tfds.features.Image(shape=(None, None, known))
    label = tfds.features.Image(
        shape=(None, None, 1), dtype=np.dtype(label_type), encoding_format="png"
    )
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Sequence(image),
            "label": tfds.features.Sequence(label),
            "height": tfds.features.Scalar(np.int64),
            "width": tfds.features.Scalar(np.int64),
            "name": tfds.features.Text(),
        }
    )
