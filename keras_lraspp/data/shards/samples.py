"""Samples in shards, read by number, whole or in part."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_lraspp.data.label_spec import LabelSpec
from keras_lraspp.data.loading import checked_label
from keras_lraspp.data.shards.record import unpack
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.data.windows import Window, whole


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ShardSamples(LabelSpec):
    """Some records of a folder of shards; `Samples` and `WindowSamples`.

    Attributes:
        name: Name of the data set that the shards were written from.
        split: Name of the split.
        folder: Folder of the shards, as it was named; it may be a remote one.
        records: Serialized examples by number.
        size_table: Height and width of each record's image, int32 (records, 2).
        label_type: `"uint8"` or `"uint16"`, as written.
        tile: Size of the tiles.
        hosts: Number of machines that share the split; the records are of one of them.
        indices: Numbers of the records; `None` for all.
    """

    name: str
    split: str
    folder: str
    records: Sequence[bytes]
    size_table: np.ndarray
    label_type: str
    tile: TileSize
    hosts: int = 1
    indices: tuple[int, ...] | None = None

    labelled = True

    @property
    def root(self) -> Path:
        """Folder of the shards."""
        return Path(self.folder)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.size_table if self.indices is None else self.indices)

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a sample; see `Samples.load`."""
        return self.load_window(index, whole(*self.size(index)))

    def load_window(self, index: int, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Reads a part of a sample; see `WindowSamples.load_window`."""
        image, label, name = unpack(
            self.records[self._record(index)],
            window,
            where=self.where(index),
            label_type=self.label_type,
            tile=self.tile,
        )
        return image, checked_label(label, image.shape[:2], name, name, self)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image."""
        height, width = self.size_table[self._record(index)].tolist()
        return height, width

    def where(self, index: int) -> str:
        """The file and place of a record, or the folder and its number."""
        record = self._record(index)
        if hasattr(self.records, "where"):
            return self.records.where(record)
        return f"{self.folder} {self.split} record {record}"

    def select(self, indices: Sequence[int]) -> "ShardSamples":
        """The same data set with these samples only, in this order."""
        chosen = tuple(self._record(index) for index in indices)
        return dataclasses.replace(self, indices=chosen)

    def _record(self, index: int) -> int:
        return index if self.indices is None else self.indices[index]
