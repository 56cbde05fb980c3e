"""Files of records, begun anew when one is full."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from keras_lraspp.data.shards.manifest import ShardFile
from keras_lraspp.data.shards.manifest_file import sha256
from keras_lraspp.errors import InputError

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
        return ShardFile(name, path.stat().st_size, sha256(str(path)), lengths)

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
