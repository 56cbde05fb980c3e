"""`Shards`: a data set read from shards, by number, whole or in part."""

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_lraspp.data.datasets.tfds import RecordSamples
from keras_lraspp.data.decode import check_label, load_image
from keras_lraspp.data.shards.manifest import ShardFile, check_files, read_manifest
from keras_lraspp.data.shards.tiles import (
    TileSize,
    cut_tiles,
    encode_tile,
    join_png_tiles,
    join_tiles,
)
from keras_lraspp.data.tfrecord import Shard, TfrecordFiles
from keras_lraspp.data.window import Window, full_image
from keras_lraspp.errors import InputError
from keras_lraspp.images import DamagedFileError, EncodedImage
from keras_lraspp.schema import Count, Index, check_call

_JPEG = b"\xff\xd8"


def Shards(  # named as the other data sets are
    root: str | Path | None = None,
    split: str = "train",
    *,
    hosts: Count = 1,
    host: Index = 0,
    checksums: bool = False,
    split_names: Mapping[str, str] | None = None,
) -> "ShardSamples":
    """Opens a split of what `keras-lraspp data shards` wrote.

    Only what an augmentation looks at is decoded of each image. Names, colours and the
    ignore label are those of the data set that the shards were written from.

    Args:
        root: Folder of the shards, also on a remote disk that TensorFlow knows, as
            `gs://bucket/shards`; `data/shards` if `None`.
        split: Name of the split.
        hosts: Number of machines that train together.
        host: Which of them this one is, from 0. Each has an equal part of the split
            "train" (what does not divide evenly is dropped), and all of any other.
        checksums: Whether to read all files first and compare their checksums. Their
            sizes always are.
        split_names: Names that the splits were written by where they are others, as
            `{"val": "test"}`.

    Returns:
        The samples.

    Raises:
        InputError: If there are no shards or no such split, or files are missing or
            not what was written.
    """
    check_call("Shards", Shards, locals())
    folder = "data/shards" if root is None else str(root)  # a Path would eat the //
    manifest = read_manifest(folder)
    written = (split_names or {}).get(split, split)
    if written not in manifest.splits:
        raise InputError(
            f"{folder} has the splits {sorted(manifest.splits)}, not {written!r}; "
            "choose one of them, as with Shards.split_names, or write the shards again "
            "with it."
        )
    content = manifest.splits[written]
    _check_hosts(hosts, host, len(content))
    check_files(folder, content.files, checksums=checksums)
    first, count = 0, len(content)
    if split == "train":  # of what does not divide evenly, the end is dropped
        count //= hosts
        first = host * count
    return ShardSamples(
        name=manifest.name,
        split=split,
        folder=folder,
        classes=manifest.classes,
        ignore_label=manifest.ignore_label,
        records=_open_files(folder, content.files, first, count),
        size_table=content.size_table()[first : first + count],
        label_type=manifest.label_type,
        channels=manifest.channels,
        tile=manifest.tile,
        hosts=hosts,
    )


class _Part(NamedTuple):
    """Part of a file; the names are those that ArrayRecord asks for."""

    filename: str
    skip: int  # records
    take: int
    examples_in_shard: int
    lengths: tuple[int, ...]


def _open_files(
    folder: str, files: Sequence[ShardFile], first: int, count: int
) -> Sequence[bytes]:
    """Opens `count` records, from the one of number `first` on.

    TFDS could as well, but it imports whatever modules its `features.json` names.
    """
    parts = []
    for file in files:
        skip = min(max(first, 0), file.records)
        take = min(max(first + count, 0), file.records) - skip
        if take:
            path = f"{folder}/{file.name}"
            parts.append(_Part(path, skip, take, file.records, file.lengths))
        first -= file.records
    if not files or "tfrecord" in files[0].name:
        return TfrecordFiles(
            [Shard(part.filename, part.skip, part.take, part.lengths) for part in parts]
        )
    try:
        from array_record.python.array_record_data_source import ArrayRecordDataSource
    except ImportError as error:
        raise InputError(
            f"{folder} holds array_record, a format whose package is for Linux only; "
            "write the shards as tfrecord."
        ) from error
    return ArrayRecordDataSource(parts)


def _check_hosts(hosts: int, host: int, samples: int) -> None:
    if not 1 <= hosts <= samples:
        raise InputError(
            f"Shards.hosts is 1..{samples} for {samples} samples, not {hosts}."
        )
    if not 0 <= host < hosts:
        raise InputError(
            f"Shards.host is 0..{hosts - 1} for Shards.hosts = {hosts}, not {host}."
        )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ShardSamples(RecordSamples):
    """A `SegmentationDataset` and `RegionReadable` of records in shards.

    Attributes:
        folder: Folder of the shards, as it was named; it may be a remote one.
        size_table: Height and width of each record's image, int32 (records, 2).
        label_type: `"uint8"` or `"uint16"`, as written.
        tile: Size of the tiles.
        hosts: Number of machines that share the split; the records are of one of them.
    """

    folder: str
    size_table: np.ndarray
    label_type: str
    tile: TileSize
    hosts: int = 1

    @property
    def root(self) -> Path:
        """Folder of the shards."""
        return Path(self.folder)

    @property
    def _origin(self) -> str:
        return self.folder

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image."""
        height, width = self.size_table[self._record(index)].tolist()
        return height, width

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a sample; see `SegmentationDataset.load`."""
        return self.load_window(index, full_image(*self.size(index)))

    def load_window(self, index: int, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Reads a part of a sample; see `RegionReadable.load_window`."""
        record, source = self.records[self._record(index)], self.source(index)
        try:
            image, label, name = self._decode(record, source, window)
        except DamagedFileError:
            raise
        except Exception as error:  # which one depends on the damage
            raise DamagedFileError(
                f"{source} is damaged ({error}); write the shards again."
            ) from error
        return image, check_label(label, image.shape[:2], name, name, self)

    def _decode(self, record: bytes, source: str, window: Window):
        """Image and label of a window, and the sample's name."""
        fields = tf.train.Example.FromString(record).features.feature
        size = fields["height"].int64_list.value[0], fields["width"].int64_list.value[0]
        if size != (window.height, window.width):
            raise InputError(f"its size is {size}")
        (name,) = fields["name"].bytes_list.value
        name = f"{source} ({name.decode(errors='backslashreplace')})"
        images, labels = (
            _Tiles(f"{name} {key}", fields[key].bytes_list.value)
            for key in ("image", "label")
        )
        label = join_png_tiles(labels, window, self.tile, np.zeros((), self.label_type))
        if self.channels == 3 and bytes(images.content[0][:2]) == _JPEG:
            image = join_tiles(images, window, self.tile, load_image)
        else:
            pixel = np.zeros(self.channels, np.uint8)
            image = join_png_tiles(images, window, self.tile, pixel)
        return image, label, name


class _Tiles:
    """Tiles of a record; those that are not needed are not copied."""

    def __init__(self, name: str, content: Sequence[bytes]):
        self.name, self.content = name, content

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, number: int) -> EncodedImage:
        return EncodedImage(f"{self.name} tile {number}", self.content[number])


class _Encoding(NamedTuple):
    """Encoding of the tiles of images."""

    exact: bool  # whether the pixels stay what they are
    encode: Callable[[np.ndarray], bytes]  # uint8 (height, width, channels)


def _encode_jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    # Full colour resolution: else colours would bleed over the edges of tiles.
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


ENCODINGS = {
    "png": _Encoding(True, encode_tile),
    "jpeg": _Encoding(False, _encode_jpeg),
}


def encode_sample(
    image: np.ndarray | bytes,
    label: np.ndarray,
    *,
    name: str,
    encoding: str,
    label_type: str,
    tile: TileSize,
) -> bytes:
    """Serializes a sample as an example of TensorFlow.

    Args:
        image: uint8 (height, width, channels), or a JPEG file of RGB to be kept as it
            is.
        label: Classes (height, width).
        name: What the sample is called in messages.
        encoding: A name in `ENCODINGS`.
        label_type: `"uint8"` or `"uint16"`.
        tile: Size of the tiles.
    """
    example = tf.train.Example()
    fields = example.features.feature
    if isinstance(image, bytes):
        images = [image]
    else:
        images = cut_tiles(np.asarray(image), tile, ENCODINGS[encoding].encode)
    fields["image"].bytes_list.value.extend(images)
    labels = cut_tiles(label.astype(label_type, copy=False), tile, encode_tile)
    fields["label"].bytes_list.value.extend(labels)
    fields["height"].int64_list.value.append(label.shape[0])
    fields["width"].int64_list.value.append(label.shape[1])
    fields["name"].bytes_list.value.append(name.encode(errors="backslashreplace"))
    return example.SerializeToString()
