"""Writing a data set as shards, whole or not at all."""

import contextlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from keras_lraspp.data.dataset import Dataset, SegmentationDataset, open_dataset
from keras_lraspp.data.decode import is_plain_jpeg
from keras_lraspp.data.label_spec import label_dtype
from keras_lraspp.data.shards.manifest import (
    FILE_NAME,
    Manifest,
    ShardFile,
    ShardSplit,
    run_lengths,
    to_json,
    write_tfds_metadata,
)
from keras_lraspp.data.shards.reader import ENCODINGS, pack
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.errors import InputError
from keras_lraspp.files import new_folder, sha256
from keras_lraspp.parallel import processors

FILE_FORMATS = ("tfrecord", "array_record")
DATASET = "shards"  # in the names of files


class RecordFiles:
    """Writes the records of a split, one file after the other.

    How many files there will be is part of their names, so they get them at the end.

    Args:
        folder: Where to write.
        split: Name of the split.
        file_format: `"tfrecord"` or `"array_record"`.
        file_bytes: Size from which on a new file is begun.
    """

    def __init__(self, folder: Path, split: str, file_format: str, file_bytes: int):
        self.folder, self.split, self.format = folder, split, file_format
        self.file_bytes = file_bytes
        self._lengths: list[list[int]] = []  # of the records in each file
        self._bytes = 0  # in the last one
        self._writer = None

    def write(self, content: bytes) -> None:
        """Writes a record.

        Raises:
            OSError: If the disk is full.
        """
        if self._writer is None or self._bytes > self.file_bytes:
            self.close()
            with _disk_errors():
                self._writer = _writer(self._part(len(self._lengths)), self.format)
            self._lengths.append([])
            self._bytes = 0
        with _disk_errors():
            self._writer.write(content)
        self._lengths[-1].append(len(content))
        self._bytes += len(content)

    def close(self) -> None:
        """Closes the last file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with _disk_errors():
                writer.close()

    def finish(self) -> tuple[ShardFile, ...]:
        """Closes the last file and gives all of them their names."""
        self.close()
        return tuple(map(self._named, range(len(self._lengths))))

    def _named(self, place: int) -> ShardFile:
        name = (
            f"{DATASET}-{self.split}.{self.format}"
            f"-{place:05}-of-{len(self._lengths):05}"
        )
        path = self._part(place).rename(self.folder / name)
        lengths = tuple(self._lengths[place])
        return ShardFile(name, path.stat().st_size, sha256(path), lengths)

    def _part(self, place: int) -> Path:
        return self.folder / f"{self.split}-{place}.part"


def _writer(path: Path, file_format: str):
    if file_format == "tfrecord":
        return tf.io.TFRecordWriter(str(path))
    try:
        from array_record.python.array_record_module import ArrayRecordWriter
    except ImportError as error:
        raise InputError(
            "array_record is a package for Linux; write tfrecord."
        ) from error

    # Tiles are compressed already.
    return ArrayRecordWriter(str(path), "group_size:1,uncompressed")


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """Turns what TensorFlow and ArrayRecord raise into `OSError`."""
    try:
        yield
    except (RuntimeError, tf.errors.OpError) as error:
        raise OSError(str(error)) from error


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
    splits: Sequence[SegmentationDataset], folder: Path, options: ShardOptions = DEFAULT
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


def _check(
    splits: Sequence[SegmentationDataset], folder: Path, options: ShardOptions
) -> None:
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


def _write_split(
    samples: SegmentationDataset, folder: Path, options: ShardOptions
) -> ShardSplit:
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
    samples: SegmentationDataset, options: ShardOptions
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
    samples: SegmentationDataset, options: ShardOptions, index: int
) -> tuple[bytes, tuple[int, int]]:
    image, label = samples.load(index)
    if ENCODINGS[options.encoding].exact and isinstance(samples, Dataset):
        # A JPEG's pixels would fill many times its bytes.
        if is_plain_jpeg(samples.images[index]):
            image = samples.images[index].read_bytes()
    content = pack(
        image,
        np.asarray(label),
        name=samples.source(index),
        encoding=options.encoding,
        label_type=_label_type(samples),
        tile=options.tile,
    )
    return content, tuple(label.shape)


def _label_type(samples: SegmentationDataset) -> str:
    return "uint8" if label_dtype(samples) == np.uint8 else "uint16"


def shards(
    *,
    dataset: Callable[..., SegmentationDataset],
    output_dir: str | Path,
    data_root: str | Path | None = None,
    splits: Sequence[str] = ("train", "val"),
    encoding: str = "png",
    file_format: str = "tfrecord",
    workers: int | None = None,
    progress: bool = True,
) -> Manifest:
    """Writes a data set as shards, and says what they take.

    Args:
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        output_dir: The folder to make.
        data_root: Folder of the data set, if not the data set's default.
        splits: The splits to write.
        encoding: `"png"`, which keeps every pixel as it is (images that are JPEG files
            are copied), or `"jpeg"`.
        file_format: `"tfrecord"` or `"array_record"`.
        workers: Samples encoded at a time; `None` for one per processor.
        progress: Whether to show bars with the time left.

    Returns:
        What was written.

    Raises:
        InputError: If the data set cannot be used, or `output_dir` exists or is a URL.
        StorageError: If `output_dir` cannot be written; nothing is left then.
    """
    if "://" in str(output_dir):
        raise InputError(
            f"Shards are written to a disk of this machine, not to {output_dir}; name "
            "a folder, copy it there, and train from the copy."
        )
    output_dir = Path(output_dir).expanduser()
    manifest = write_shards(
        [open_dataset(dataset, data_root, split) for split in splits],
        output_dir,
        ShardOptions(
            encoding=encoding,
            file_format=file_format,
            workers=workers,
            progress=progress,
        ),
    )
    for name, split in manifest.splits.items():
        megabytes = sum(file.bytes for file in split.files) / 1e6
        print(
            f"{name}: {len(split)} samples in {len(split.files)} files, "
            f"{megabytes:.1f} MB"
        )
    print(
        f'train from them with --gin_bindings="DATASET = @Shards" '
        f"--data_root={output_dir}"
    )
    return manifest
