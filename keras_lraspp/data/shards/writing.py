"""Writing a data set as shards, whole or not at all."""

import contextlib
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.label_spec import label_dtype
from keras_lraspp.data.loading import is_plain_jpeg
from keras_lraspp.data.samples import Samples
from keras_lraspp.data.shards.files import FILE_FORMATS, RecordFiles
from keras_lraspp.data.shards.manifest import Manifest, ShardSplit, run_lengths
from keras_lraspp.data.shards.manifest_file import FILE_NAME, to_json
from keras_lraspp.data.shards.record import ENCODINGS, pack
from keras_lraspp.data.shards.tfds_metadata import write_tfds_metadata
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.errors import InputError
from keras_lraspp.files import new_folder
from keras_lraspp.parallel import processors


class ShardOptions(NamedTuple):
    """How shards are written.

    Attributes:
        encoding: A name in `record.ENCODINGS`.
        file_format: A name in `files.FILE_FORMATS`.
        file_bytes: Size from which on a new file is begun.
        tile: Size of the tiles that images are cut into.
        workers: Samples encoded at a time; `None` for one per processor.
        progress: Whether to show a bar with the time left.
    """

    encoding: str = "png"
    file_format: str = "tfrecord"
    file_bytes: int = 256 * 2**20
    tile: TileSize = TileSize()
    workers: int | None = None
    progress: bool = True


DEFAULT = ShardOptions()


def write_shards(
    splits: Sequence[Samples], folder: Path, options: ShardOptions = DEFAULT
) -> Manifest:
    """Writes the splits of a data set into a new folder.

    They are written beside it under a name that starts with `.tmp-`, which is renamed
    at the end: whatever interrupts the writing, nothing is there that looks finished.

    Args:
        splits: Splits of one data set.
        folder: The folder to make.
        options: How.

    Returns:
        What was written.

    Raises:
        InputError: If the folder exists, or a sample cannot be used.
        StorageError: If the disk is full or the folder cannot be written.
    """
    _check(splits, folder, options)
    first = splits[0]
    with new_folder(folder) as temporary:
        manifest = Manifest(
            name=first.name,
            classes=first.classes,
            ignore_label=first.ignore_label,
            label_type=_label_type(first),
            encoding=options.encoding,
            tile=options.tile,
            splits={
                samples.split: _write_split(samples, temporary, options)
                for samples in splits
            },
        )
        write_tfds_metadata(manifest, temporary)
        (temporary / FILE_NAME).write_text(to_json(manifest), encoding="utf-8")
    return manifest


def _check(splits: Sequence[Samples], folder: Path, options: ShardOptions) -> None:
    for name, value, known in (
        ("encoding", options.encoding, tuple(ENCODINGS)),
        ("file_format", options.file_format, FILE_FORMATS),
    ):
        if value not in known:
            raise InputError(f"{name} is {' or '.join(known)}, not {value!r}.")
    for samples in splits:
        _check_name(samples.split, [other.split for other in splits])
        if not samples.labelled:
            raise InputError(
                f"{samples.name} {samples.split} has no labels; leave the split out."
            )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists; remove it first, or name a new folder.")
    if folder.resolve().is_mount():  # nothing could take its place
        raise InputError(f"{folder} is a mounted disk; name a folder on it.")


def _check_name(split: str, splits: list[str]) -> None:
    # It becomes a part of file names that TensorFlow Datasets has to read.
    if not re.fullmatch(r"[A-Za-z0-9_-]+", split) or split == "all":
        raise InputError(
            f"Shards are for splits named with letters, digits, _ and -, not {split!r} "
            '(nor "all"); give it another name in the data set, as with '
            "TFDS.train_split or FileList.list_file."
        )
    if splits.count(split) > 1:
        raise InputError(f"The split {split} is named twice; name it once.")


def _write_split(samples: Samples, folder: Path, options: ShardOptions) -> ShardSplit:
    files = RecordFiles(folder, samples.split, options.file_format, options.file_bytes)
    sizes = []
    bar = tqdm(
        total=len(samples),
        desc=f"writing {samples.split}",
        unit="sample",
        delay=2.0,
        disable=not options.progress,
    )
    with bar, contextlib.closing(files):
        for content, size in _in_order(samples, options):
            files.write(content)
            sizes.append(size)
            bar.update()
        return ShardSplit(files.finish(), run_lengths(sizes))


def _in_order(
    samples: Samples, options: ShardOptions
) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Records and sizes, encoded by several threads; only few are waiting."""
    workers = options.workers or processors()
    work = partial(_packed, samples, options)
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for index in range(len(samples)):
                waiting.append(pool.submit(work, index))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _packed(
    samples: Samples, options: ShardOptions, index: int
) -> tuple[bytes, tuple[int, int]]:
    image, label = samples.load(index)
    if ENCODINGS[options.encoding].exact and isinstance(samples, Dataset):
        # A JPEG's pixels would fill many times its bytes.
        if is_plain_jpeg(samples.images[index]):
            image = samples.images[index].read_bytes()
    content = pack(
        image,
        np.asarray(label),
        name=samples.where(index),
        encoding=options.encoding,
        label_type=_label_type(samples),
        tile=options.tile,
    )
    return content, tuple(label.shape)


def _label_type(samples: Samples) -> str:
    return "uint8" if label_dtype(samples) == np.uint8 else "uint16"
