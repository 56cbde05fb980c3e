"""Zip files: what is unpacked, and what is refused."""

import stat
import zipfile

import numpy as np
import pytest

from harness import trees
from keras_lraspp.data.prepare import archives
from keras_lraspp.data.prepare.archives import unpack_archives
from keras_lraspp.errors import InputError, StorageError

FOLDERS = ("gtFine",)
GOOD = {
    "gtFine/train/a/1_gtFine_labelIds.png": trees.png(np.zeros((2, 3), np.uint8)),
    "gtFine/train/a/1_gtFine_polygons.json": b"{}",
    "license.txt": b"terms",
    "gtFine/train/a/run.sh": b"echo no",
}


def unpacked(root):
    return {
        path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
    }


def test_only_the_data_is_unpacked_and_once(tmp_path):
    archive = trees.zipped(tmp_path / "gt.zip", GOOD)
    root = tmp_path / "root"
    assert unpack_archives([archive], root, FOLDERS, progress=False) == 2
    assert unpacked(root) == {
        name for name in GOOD if name.endswith(("Ids.png", "json"))
    }
    for name in unpacked(root):
        assert (root / name).read_bytes() == GOOD[name]
    assert unpack_archives([archive], root, FOLDERS, progress=False) == 0
    path = root / "gtFine/train/a/1_gtFine_labelIds.png"
    path.write_bytes(path.read_bytes()[:-1])  # another size: not whole
    assert unpack_archives([archive], root, FOLDERS, progress=False) == 1
    assert path.read_bytes() == GOOD["gtFine/train/a/1_gtFine_labelIds.png"]


def test_a_folder_around_the_data_is_left_out(tmp_path):
    again = {f"cityscapes/{name}": content for name, content in GOOD.items()}
    archive = trees.zipped(tmp_path / "again.zip", again)
    assert unpack_archives([archive], tmp_path / "root", FOLDERS, progress=False) == 2
    assert unpacked(tmp_path / "root") == {
        name for name in GOOD if name.endswith(("Ids.png", "json"))
    }


def test_any_number_of_processes_unpacks_the_same(tmp_path):
    members = {f"gtFine/train/a/{i}.txt": bytes([i]) * i for i in range(1, 251)}
    archive = trees.zipped(tmp_path / "gt.zip", members)
    for workers in (1, 2):
        root = tmp_path / str(workers)
        count = unpack_archives(
            [archive], root, FOLDERS, workers=workers, progress=False
        )
        assert count == 250
        assert {name: (root / name).read_bytes() for name in unpacked(root)} == members


@pytest.mark.parametrize(
    "name",
    ["../evil.png", "gtFine/../../evil.png", "/evil.png", "C:\\evil.png", "..\\a.png"],
)
def test_a_name_outside_of_the_folder_is_refused(tmp_path, name):
    archive = trees.zipped(tmp_path / "gt.zip", {**GOOD, name: b"x"})
    root = tmp_path / "a" / "root"
    with pytest.raises(InputError, match="gt.zip holds .*outside of the folder"):
        unpack_archives([archive], root, FOLDERS, progress=False)
    assert not root.exists() and not (tmp_path / "a/evil.png").exists()


def test_a_link_is_refused(tmp_path):
    path = tmp_path / "gt.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("gtFine/train")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
    with pytest.raises(InputError, match="outside of the folder"):
        unpack_archives([path], tmp_path, FOLDERS, progress=False)


def test_bombs_are_refused_by_what_they_declare(tmp_path, monkeypatch):
    bomb = trees.zipped(tmp_path / "gt.zip", {"gtFine/a.png": bytes(10**6)})
    with pytest.raises(InputError, match="claims to hold 1000000 bytes, more than 100"):
        unpack_archives([bomb], tmp_path, FOLDERS, progress=False)
    monkeypatch.setattr(archives, "_LARGEST_FILE", 10**6 - 1)
    with pytest.raises(InputError, match="gtFine/a.png has 1000000 bytes, more than"):
        unpack_archives([bomb], tmp_path, FOLDERS, progress=False)
    assert not (tmp_path / "gtFine").exists()


def test_a_lie_about_the_size_is_not_unpacked(tmp_path):
    path = trees.zipped(tmp_path / "gt.zip", {"gtFine/a.txt": b"0123456789" * 9})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = content.index(signature) + offset  # the uncompressed size
        assert int.from_bytes(content[place : place + 4], "little") == 90
        content[place : place + 4] = (5).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="gt.zip is damaged .*; download it again"):
        unpack_archives([path], tmp_path, FOLDERS, progress=False)
    assert not (tmp_path / "gtFine/a.txt").exists()


@pytest.mark.parametrize("fault", ["cut", "flipped", "html", "gone"])
def test_a_damaged_archive_is_named(tmp_path, fault):
    path = trees.zipped(tmp_path / "gt.zip", {"gtFine/a.txt": bytes(range(256))})
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    faulty = {"cut": content[:-30], "flipped": content, "html": b"<html>", "gone": b""}
    path.write_bytes(faulty[fault])
    if fault == "gone":
        path.unlink()
    with pytest.raises(InputError, match="gt.zip"):
        unpack_archives([path], tmp_path, FOLDERS, progress=False)
    assert not (tmp_path / "gtFine/a.txt").exists()


def test_a_disk_that_is_too_small(tmp_path, monkeypatch):
    archive = trees.zipped(tmp_path / "gt.zip", GOOD)
    usage = archives.shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match="needs 0.0 GB and 0.0 GB are free"):
        unpack_archives([archive], tmp_path / "new", FOLDERS, progress=False)
