"""What is in a folder of shards, and what each file should be."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_lraspp.classes import ClassSet
from keras_lraspp.data.shards.tiles import TileSize


class ShardFile(NamedTuple):
    """A file of records."""

    name: str
    bytes: int
    sha256: str
    lengths: tuple[int, ...]  # bytes of each record

    @property
    def records(self) -> int:
        """Number of records."""
        return len(self.lengths)


class SizeRun(NamedTuple):
    """So many images of one size, one after the other."""

    count: int
    height: int
    width: int


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
    """All about a folder of shards that is not in the records.

    Attributes:
        name: Name of the data set that it was written from.
        classes: Names and colours.
        ignore_label: As in `Dataset`.
        label_type: `"uint8"` or `"uint16"`.
        encoding: A name in `record.ENCODINGS`.
        tile: Size of the tiles.
        splits: By name.
    """

    name: str
    classes: ClassSet
    ignore_label: int | None
    label_type: str
    encoding: str
    tile: TileSize
    splits: dict[str, ShardSplit]


def run_lengths(sizes: Sequence[tuple[int, int]]) -> tuple[SizeRun, ...]:
    """Counts equal sizes that follow one another."""
    runs: list[SizeRun] = []
    for height, width in sizes:
        if runs and runs[-1][1:] == (height, width):
            runs[-1] = runs[-1]._replace(count=runs[-1].count + 1)
        else:
            runs.append(SizeRun(1, height, width))
    return tuple(runs)
