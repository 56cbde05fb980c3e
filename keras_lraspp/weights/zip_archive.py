"""Zip archives of strangers, opened after a look at what their directory claims."""

import contextlib
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from keras_lraspp.errors import InputError

LARGEST_READ = 1 << 20
# PyTorch and Keras compress nothing; a file that somebody packed again may be.
_LARGEST_COMPRESSED = 64 << 20


class _ShortReads:
    """A file that `ZipFile` may not read a directory of a million members from."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(LARGEST_READ + 1 if size < 0 else size)
        if len(content) > LARGEST_READ:
            raise ValueError(f"more than {LARGEST_READ} bytes of directory")
        return content


@contextlib.contextmanager
def open_zip(
    file: BinaryIO, path: Path, most_members: int, most_bytes: int, mend: str
) -> Iterator[zipfile.ZipFile]:
    """Opens a zip archive whose members take no more memory than they should.

    Its members are to be read in blocks of `LARGEST_READ` bytes at most.

    Args:
        file: The opened file.
        path: Its path, for the errors.
        most_members: How many members it may have.
        most_bytes: What they may unpack to.
        mend: What to do about an archive that is refused.

    Raises:
        InputError: If the directory claims more, or names a member twice or of a
            compression that is not known.
    """
    size = file.seek(0, 2)
    with zipfile.ZipFile(_ShortReads(file)) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        if len(members) > most_members or total > most_bytes:
            raise InputError(
                f"{path} is refused: it unpacks to {len(members)} files of {total} "
                f"bytes; at most {most_members} and {most_bytes} are expected."
            )
        _check_members(members, size, path, mend)
        yield archive


def _check_members(
    members: list[zipfile.ZipInfo], size: int, path: Path, mend: str
) -> None:
    kinds = {zipfile.ZIP_STORED: 0, zipfile.ZIP_DEFLATED: 0}
    for member in members:
        if member.compress_type not in kinds:
            raise InputError(
                f"{path} is refused: {member.filename[:100]} is compressed in a way "
                f"that is not used for weights; {mend}."
            )
        kinds[member.compress_type] += member.file_size
    if kinds[zipfile.ZIP_DEFLATED] > _LARGEST_COMPRESSED:
        raise InputError(
            f"{path} is refused: what is compressed in it unpacks to "
            f"{kinds[zipfile.ZIP_DEFLATED]} bytes; weights are not compressed, {mend}."
        )
    names = Counter(member.filename for member in members)
    stored = sum(member.compress_size for member in members)
    if len(names) < len(members) or stored > size:
        raise InputError(
            f"{path} is refused: it has a file in it twice, or files that share their "
            f"bytes; {mend}."
        )
