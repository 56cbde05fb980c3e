"""Write a data set as shards, atomically: the command `data shards`."""

import contextlib
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tensorflow as tf

from keras_lraspp.data.check import check_orientations
from keras_lraspp.data.dataset import (
    Dataset,
    SegmentationDataset,
    channels_of,
    open_dataset,
)
from keras_lraspp.data.decode import is_plain_jpeg
from keras_lraspp.data.label_spec import label_dtype
from keras_lraspp.data.shards.manifest import (
    MANIFEST_NAME,
    Manifest,
    ShardFile,
    ShardSplit,
    count_runs,
    manifest_json,
    write_tfds_metadata,
)
from keras_lraspp.data.shards.reader import ENCODINGS, encode_sample
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.errors import InputError
from keras_lraspp.files import new_folder, sha256
from keras_lraspp.parallel import map_threads, processors
from keras_lraspp.progress import ProgressBar
from keras_lraspp.schema import Bounds, check_call

_FILE_FORMATS = ("tfrecord", "array_record")
_DATASET = "shards"  # in the names of files


class ShardOptions(NamedTuple):
    """Settings of `write_shards`; see `shards`."""

    encoding: str = "png"
    file_format: str = "tfrecord"
    file_bytes: int = 256 * 2**20  # size from which on a new file is begun
    tile: TileSize = TileSize()
    workers: int | None = None
    progress: bool = True


_DEFAULT_OPTIONS = ShardOptions()


def shards(
    *,
    dataset: Callable[..., SegmentationDataset],
    output_dir: str | Path,
    data_root: str | Path | None = None,
    splits: Annotated[Sequence[str], Bounds(1, 100)] = ("train", "val"),
    encoding: str = "png",
    file_format: str = "tfrecord",
    workers: Annotated[int, Bounds(1, 1024)] | None = None,
    progress: bool = True,
) -> Manifest:
    """Writes a data set as shards, and says what they take.

    Args:
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        output_dir: The folder to make.
        data_root: Folder of the data set, if not the data set's default.
        splits: The splits to write.
        encoding: `"png"`, which keeps every pixel as it is (images that are JPEG files
            are copied), or `"jpeg"`, for RGB.
        file_format: `"tfrecord"` or `"array_record"`.
        workers: Samples encoded at a time; `None` for one per processor.
        progress: Whether to show bars with the time left.

    Returns:
        The manifest of the folder.

    Raises:
        InputError: If the data set cannot be used, or `output_dir` exists or is a URL.
        StorageError: If `output_dir` cannot be written; nothing is left then.
    """
    check_call("shards", shards, locals())
    if "://" in str(output_dir):
        raise InputError(
            f"Shards are written to a disk of this machine, not to {output_dir}; name "
            "a folder, copy it there, and train from the copy."
        )
    output_dir = Path(os.path.expanduser(output_dir))
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
        files, megabytes = len(split.files), sum(f.bytes for f in split.files) / 1e6
        print(f"{name}: {len(split)} samples in {files} files, {megabytes:.1f} MB")
    print(
        f'train from them with --gin_bindings="DATASET = @Shards" '
        f"{shlex.quote(f'--data_root={output_dir}')}"
    )
    return manifest


def write_shards(
    splits: Sequence[SegmentationDataset],
    folder: Path,
    options: ShardOptions = _DEFAULT_OPTIONS,
) -> Manifest:
    """Writes the splits of a data set into a new folder.

    They are written beside it under a name that starts with `.tmp-`, which is renamed
    at the end: whatever interrupts the writing, nothing is there that looks finished.

    Args:
        splits: Splits of one data set.
        folder: The folder to make.
        options: How they are written.

    Returns:
        The manifest of the folder.

    Raises:
        InputError: If the folder exists, or a sample cannot be used.
        StorageError: If the disk is full or the folder cannot be written.
    """
    _check_arguments(splits, folder, options)
    for samples in splits:  # shards do not know of orientations
        check_orientations(samples, progress=options.progress)
    first = splits[0]
    with new_folder(folder) as temporary:
        manifest = Manifest(
            name=first.name,
            classes=first.classes,
            ignore_label=first.ignore_label,
            label_type=_label_type(first),
            encoding=options.encoding,
            tile=options.tile,
            channels=channels_of(first),
            splits={
                samples.split: _write_split(samples, temporary, options)
                for samples in splits
            },
        )
        write_tfds_metadata(manifest, temporary)
        text = manifest_json(manifest)
        (temporary / MANIFEST_NAME).write_text(text, encoding="utf-8")
    return manifest


def _check_arguments(
    splits: Sequence[SegmentationDataset], folder: Path, options: ShardOptions
) -> None:
    for name, value, known in (
        ("encoding", options.encoding, tuple(ENCODINGS)),
        ("file_format", options.file_format, _FILE_FORMATS),
    ):
        if value not in known:
            raise InputError(f"{name} is {' or '.join(known)}, not {value!r}.")
    for samples in splits:
        _check_name(samples.split, [other.split for other in splits])
        if not samples.labelled:
            raise InputError(
                f"{samples.name} {samples.split} has no labels; leave the split out."
            )
        channels = channels_of(samples)
        if options.encoding == "jpeg" and channels != 3:
            raise InputError(
                f"{samples.name} has images of {channels} channels, which a JPEG has "
                "not; write them with --encoding=png."
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
    encode = partial(_encode, samples, options)
    threads = options.workers or processors()
    files = ShardWriter(folder, samples.split, options.file_format, options.file_bytes)
    sizes = []
    bar = ProgressBar(
        f"writing {samples.split}",
        len(samples),
        "samples",
        delay=2.0,
        show=options.progress,
    )
    with (
        bar,
        contextlib.closing(files),
        contextlib.closing(map_threads(encode, range(len(samples)), threads)) as found,
    ):
        for _, future in found:
            content, size = future.result()
            files.write(content)
            sizes.append(size)
            bar.update()
        return ShardSplit(files.finish(), count_runs(sizes))


def _encode(
    samples: SegmentationDataset, options: ShardOptions, index: int
) -> tuple[bytes, tuple[int, int]]:
    """Record and size of a sample."""
    image, label = samples.load(index)
    if ENCODINGS[options.encoding].exact and isinstance(samples, Dataset):
        # A JPEG's pixels would fill many times its bytes.
        if samples.channels == 3 and is_plain_jpeg(samples.images[index]):
            image = samples.images[index].read_bytes()
    content = encode_sample(
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


class ShardWriter:
    """Writes the records of a split, one file after the other.

    How many files there will be is part of their names, so they get them at the end.
    """

    def __init__(self, folder: Path, split: str, file_format: str, file_bytes: int):
        self.folder, self.split, self.format = folder, split, file_format
        self.file_bytes = file_bytes
        self._lengths: list[list[int]] = []  # of the records in each file
        self._bytes = 0  # in the last one
        self._writer = None

    def write(self, content: bytes) -> None:
        """Writes a record; raises `OSError` if the disk is full."""
        if self._writer is None or self._bytes > self.file_bytes:
            self.close()
            with _disk_errors():
                path = self._part_path(len(self._lengths))
                self._writer = _open_writer(path, self.format)
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
        return tuple(map(self._rename_part, range(len(self._lengths))))

    def _rename_part(self, number: int) -> ShardFile:
        total = len(self._lengths)
        name = f"{_DATASET}-{self.split}.{self.format}-{number:05}-of-{total:05}"
        path = self._part_path(number).rename(self.folder / name)
        lengths = tuple(self._lengths[number])
        return ShardFile(name, path.stat().st_size, sha256(path), lengths)

    def _part_path(self, number: int) -> Path:
        return self.folder / f"{self.split}-{number}.part"


def _open_writer(path: Path, file_format: str):
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
