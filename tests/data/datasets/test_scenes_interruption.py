"""Drawing that is killed, and drawing by two processes at once."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from keras_lraspp.data.datasets.scenes import SceneKey, draw_scenes, scene_files
from keras_lraspp.files import walk_files

COUNT = 30
SIZE = {"height": 64, "width": 96, "progress": False}
COMMAND = (
    "import sys; from keras_lraspp.data.datasets.scenes import draw_scenes;"
    "print(draw_scenes(sys.argv[1], {'train': int(sys.argv[2])}, height=64, width=96,"
    " seed=4, progress=False))"
)


def start_drawing(root, count):
    command = [sys.executable, "-c", COMMAND, str(root), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def digests(root):
    # Without the hidden folder of a file that was being written during a kill.
    return {
        path.relative_to(root): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("gtFine", "leftImg8bit")
        for path in walk_files(root / folder)
    }


def drawn_images(root):
    return list(root.glob("leftImg8bit/train/*/[!.]*.png"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tree that was drawn without an interruption."""
    root = tmp_path_factory.mktemp("whole")
    assert draw_scenes(root, {"train": COUNT}, seed=4, **SIZE) == COUNT
    return root


def test_goes_on_after_a_kill(tmp_path, whole):
    process = start_drawing(tmp_path, COUNT)
    deadline = time.monotonic() + 90
    while len(drawn_images(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    before = {path: os.stat(path).st_mtime_ns for path in drawn_images(tmp_path)}
    assert 3 <= len(before) < COUNT
    # An image that is there has all its labels, whole.
    for path in before:
        index = int(path.name.split("_")[1])
        for part in scene_files(tmp_path, SceneKey("train", index)):
            relative = part.relative_to(tmp_path)
            assert part.read_bytes() == (whole / relative).read_bytes()
    drawn = draw_scenes(tmp_path, {"train": COUNT}, seed=4, **SIZE)
    assert 0 < drawn <= COUNT - len(before)
    assert {path: os.stat(path).st_mtime_ns for path in before} == before
    assert digests(tmp_path) == digests(whole)
    manifest = json.loads((tmp_path / "scenes.json").read_text())
    assert manifest["finished"] == {"train": COUNT}


def test_two_processes_may_draw_the_same_tree(tmp_path, whole):
    root = tmp_path / "shared"
    processes = [start_drawing(root, COUNT) for _ in range(2)]
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert 0 <= int(output) <= COUNT
    assert digests(root) == digests(whole)
    assert not list(root.rglob("*.tmp"))
