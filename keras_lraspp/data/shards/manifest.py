"""What is in a folder of shards, and what each file should be."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_lraspp.data.label_maps import ClassSet
from keras_lraspp.data.pairing import some
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.errors import InputError

FILE_NAME = "shards.json"
_FORMAT = 1


class ShardFile(NamedTuple):
    """A file of records."""

    name: str
    records: int
    bytes: int
    sha256: str


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


def to_json(manifest: Manifest) -> str:
    """The manifest as the text of `shards.json`."""
    classes = zip(manifest.classes.names, manifest.classes.palette, strict=True)
    return json.dumps(
        {
            "format": _FORMAT,
            "name": manifest.name,
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


def read_manifest(folder: Path) -> Manifest:
    """Reads `shards.json`.

    Raises:
        InputError: If it is not there, or not what `to_json` writes.
    """
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}; name a folder that `keras-lraspp "
            "data shards` wrote with --data_root, or Shards.root."
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); write the shards again.") from (
            error
        )
    if content.get("format") != _FORMAT:
        raise InputError(
            f"{path} has the format {content.get('format')!r}, but this version reads "
            f"{_FORMAT}; write the shards again."
        )
    return Manifest(
        name=content["name"],
        classes=ClassSet(
            tuple(row["name"] for row in content["classes"]),
            tuple(tuple(row["color"]) for row in content["classes"]),
        ),
        ignore_label=content["ignore_label"],
        label_type=content["label_type"],
        encoding=content["encoding"],
        tile=TileSize(*content["tile"]),
        splits={
            name: ShardSplit(
                tuple(ShardFile(**file) for file in split["files"]),
                tuple(SizeRun(*run) for run in split["sizes"]),
            )
            for name, split in content["splits"].items()
        },
    )


def check_files(folder: Path, files: Sequence[ShardFile], *, checksums: bool) -> None:
    """Compares files with what they should be.

    Args:
        folder: Where they are.
        files: What they should be.
        checksums: Whether to read them; else only their sizes are compared.

    Raises:
        InputError: If one is missing or differs.
    """
    wrong = [
        file.name
        for file in files
        if not (folder / file.name).is_file()
        or (folder / file.name).stat().st_size != file.bytes
        or (checksums and sha256(folder / file.name) != file.sha256)
    ]
    if wrong:
        raise InputError(
            f"{len(wrong)} of {len(files)} files in {folder} are missing or not what "
            f"was written: {some(wrong)}; copy them again, or write the shards again."
        )


def sha256(path: Path) -> str:
    """A file's checksum."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # `hashlib.file_digest` came with Python 3.11
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
