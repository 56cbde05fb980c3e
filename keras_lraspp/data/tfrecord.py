"""Random access to the records of TFRecord files."""

import bisect
import itertools
import struct
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_lraspp.errors import InputError

_HEADER = struct.Struct("<QI")  # length of the content, and a checksum of the length
_CHECKSUM = 4  # bytes, behind the content


class Shard(NamedTuple):
    """Part of a file of records."""

    path: str
    skip: int  # records
    take: int  # records
    lengths: Sequence[int] | None = None  # bytes of all records of the file, if known


class TfrecordFiles:
    """Records of TFRecord files, by index.

    TFRecord files have no index, but the length of each record stands before it: where
    the lengths are not known, one walk over the headers finds all of them, when the
    first record is asked for. The content's checksums are not checked; PNG files have
    their own. Paths may be any that TensorFlow reads, as `gs://bucket/file`.
    """

    def __init__(self, shards: Sequence[Shard]):
        self.shards = [shard for shard in shards if shard.take]
        self._ends = [*itertools.accumulate(shard.take for shard in self.shards)]

    def __len__(self) -> int:
        """Number of records."""
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> bytes:
        """Reads a record.

        Raises:
            InputError: If a file is shorter than it should be, or no TFRecord file.
        """
        number, place = self._find(index)
        path = self.shards[number].path
        start, end = self._spans[number][place]
        try:
            with tf.io.gfile.GFile(path, "rb") as file:
                file.seek(int(start))
                content = file.read(int(end - start))
        except tf.errors.OpError as error:
            raise InputError(_damaged(path, error)) from error
        if len(content) < end - start:
            raise InputError(_damaged(path))
        return content

    def source(self, index: int) -> str:
        """File of a record, and its place in it."""
        number, place = self._find(index)
        shard = self.shards[number]
        return f"{shard.path} record {shard.skip + place}"

    def _find(self, index: int) -> tuple[int, int]:
        number = bisect.bisect_right(self._ends, index)
        return number, index - self._ends[number] + self.shards[number].take

    @cached_property
    def _spans(self) -> list[np.ndarray]:
        """Start and end of each record's content, int64 (records, 2) for each shard."""
        return [
            _scan_spans(shard) if shard.lengths is None else _known_spans(shard)
            for shard in self.shards
        ]


def _known_spans(shard: Shard) -> np.ndarray:
    framed = (_HEADER.size + length + _CHECKSUM for length in shard.lengths)
    starts = itertools.accumulate(framed, initial=_HEADER.size)
    spans = [
        (start, start + length)
        for start, length in zip(starts, shard.lengths, strict=False)  # and the end
    ]
    return np.array(spans[shard.skip : shard.skip + shard.take], np.int64)


def _scan_spans(shard: Shard) -> np.ndarray:
    try:
        size = tf.io.gfile.stat(shard.path).length
        if (shard.skip + shard.take) * (_HEADER.size + _CHECKSUM) > size:
            raise InputError(_damaged(shard.path))
        spans = np.empty((shard.take, 2), np.int64)
        with tf.io.gfile.GFile(shard.path, "rb") as file:
            offset = 0
            for record in range(shard.skip + shard.take):
                file.seek(offset)
                header = file.read(_HEADER.size)
                start = offset + _HEADER.size
                end = start + (_HEADER.unpack(header)[0] if header else size)
                offset = end + _CHECKSUM
                if offset > size:
                    raise InputError(_damaged(shard.path))
                if record >= shard.skip:
                    spans[record - shard.skip] = start, end
    except (tf.errors.OpError, struct.error) as error:
        raise InputError(_damaged(shard.path, error)) from error
    return spans


def _damaged(path: str, error: object = "it ends too early") -> str:
    return f"{path} is damaged ({error}); prepare the data set again."
