"""labelTrainIds made from labelIds and from polygons."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from harness import trees
from harness.image_files import classes, save, write
from keras_lraspp.classes import cityscapes_lookup
from keras_lraspp.data import CITYSCAPES, Cityscapes, read_label
from keras_lraspp.data.prepare import train_ids as module
from keras_lraspp.data.prepare.archives import PrepareResult
from keras_lraspp.data.prepare.train_ids import prepare_cityscapes
from keras_lraspp.errors import InputError

TRAIN_ID = {row.id: row.train_id for row in CITYSCAPES}


def prepare(root, **options):
    return prepare_cityscapes(root, progress=False, **options)


def train_ids(root, annotations="gtFine"):
    return sorted(root.glob(f"{annotations}/*/*/*_labelTrainIds.png"))


def test_label_ids_become_train_ids(tmp_path):
    trees.cityscapes(tmp_path, frames=3)
    trees.cityscapes(tmp_path, splits=("test",))
    assert prepare(tmp_path) == PrepareResult(6, 0, 0)
    written = train_ids(tmp_path)
    assert {path.parts[-3] for path in written} == {"train", "val"}
    for path in written:
        ids = np.asarray(Image.open(str(path).replace("TrainIds", "Ids")))
        found = np.asarray(Image.open(path))
        assert found.tolist() == [[TRAIN_ID[value] for value in row] for row in ids]
    dataset = Cityscapes(tmp_path)
    assert dataset.label_lookup is None and dataset.labels == tuple(written[:3])


def test_what_is_there_is_kept_and_the_rest_is_made(tmp_path):
    trees.cityscapes(tmp_path, frames=3)
    prepare(tmp_path)
    first, second, *others = train_ids(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (first, *others)}
    expected = second.read_bytes()
    second.write_bytes(b"")  # as a power cut leaves it
    assert prepare(tmp_path) == PrepareResult(1, 5, 0)
    assert second.read_bytes() == expected
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_any_number_of_processes_writes_the_same(tmp_path):
    found = []
    for workers in (1, 2):
        root = trees.cityscapes(tmp_path / str(workers), frames=8)
        assert prepare(root, workers=workers).written == 16
        found.append([path.read_bytes() for path in train_ids(root)])
    assert found[0] == found[1] and len(found[0]) == 16


def test_the_zip_files_as_they_were_downloaded(tmp_path):
    tree = trees.cityscapes(tmp_path / "tree", splits=("train", "val", "test"))
    coarse = ("train", "val", "train_extra")
    trees.cityscapes(tree, splits=coarse, annotations="gtCoarse")
    members = {
        path.relative_to(tree).as_posix(): path.read_bytes()
        for path in tree.rglob("*.png")
    }
    root, elsewhere = tmp_path / "root", tmp_path / "downloads"
    for folder, name, extra in (
        (root, "leftImg8bit_trainvaltest.zip", False),
        (root, "gtFine_trainvaltest.zip", False),
        (root, "leftImg8bit_trainextra.zip", True),
        (elsewhere, "gtCoarse.zip", None),
    ):
        chosen = {
            path: content
            for path, content in members.items()
            if path.startswith(name.partition("_")[0].partition(".")[0])
            and (extra is None or extra == ("train_extra" in path))
        }
        assert chosen
        trees.zipped(folder / name, {**chosen, "README": b"", "license.txt": b""})
    done = prepare(root, archives=[elsewhere / "gtCoarse.zip"])
    assert done == PrepareResult(unpacked=len(members), written=4 + 6, kept=0)
    for path, content in members.items():
        assert (root / path).read_bytes() == content
    assert len(Cityscapes(root)) == len(Cityscapes(root, "train_extra")) == 2
    assert prepare(root) == PrepareResult(0, 10, 0)


def test_annotations_that_cannot_be_used_are_all_named(tmp_path):
    trees.cityscapes(tmp_path, frames=4)
    ids = sorted(tmp_path.glob("gtFine/train/*/*_labelIds.png"))
    ids[0].write_bytes(ids[0].read_bytes()[:60])
    save(ids[1], np.array([[34, 255]], np.uint8))
    save(ids[2], np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(
        InputError, match="^3 of 8 annotations cannot be used: "
    ) as caught:
        prepare(tmp_path)
    for path, reason in zip(
        ids,
        (
            "is damaged",
            "holds 34, 255, which are no labelIds",
            "has the pixel format RGB",
        ),
        strict=False,
    ):
        assert f"{path} {reason}" in str(caught.value)
    assert len(train_ids(tmp_path)) == 5


def test_row_1_nothing_there(tmp_path):
    with pytest.raises(InputError, match="neither gtFine_trainvaltest.zip nor annot"):
        prepare(tmp_path)
    with pytest.raises(InputError, match="source is one of"):
        prepare(tmp_path, source="ids")


def test_polygons_ask_for_the_official_scripts(tmp_path, monkeypatch):
    write(tmp_path / "gtFine/train/a/a_1_1_gtFine_polygons.json", b"{}")
    monkeypatch.setitem(sys.modules, "cityscapesscripts.helpers.annotation", None)
    with pytest.raises(InputError, match="install it with `pip install --no-deps city"):
        prepare(tmp_path)
    save(tmp_path / "gtFine/train/a/a_1_1_gtFine_labelTrainIds.png", classes(2, 2))
    assert prepare(tmp_path) == PrepareResult(0, 1, 0)  # nothing is left to draw


def polygons(height, width, objects):
    rows = [{"label": label, "polygon": polygon} for label, polygon in objects]
    found = {"imgHeight": height, "imgWidth": width, "objects": rows}
    return json.dumps(found).encode()


def test_polygons_are_drawn_as_the_official_scripts_draw_them(tmp_path, scenes_root):
    pytest.importorskip("cityscapesscripts.helpers.annotation")
    scripts = pytest.importorskip("cityscapesscripts.preparation.json2labelImg")
    sources = sorted(scenes_root.glob("gtFine/train/*/*_polygons.json"))[:2]
    for source in sources:
        write(tmp_path / source.relative_to(scenes_root), source.read_bytes())
    assert prepare(tmp_path) == PrepareResult(2, 0, 0)
    for source, written in zip(sources, train_ids(tmp_path), strict=True):
        scripts.json2labelImg(str(source), str(tmp_path / "one.png"), "trainIds")
        expected = np.asarray(Image.open(tmp_path / "one.png"))
        np.testing.assert_array_equal(np.asarray(Image.open(written)), expected)
        assert len(np.unique(expected)) > 3


def test_polygons_before_and_beside_label_ids(tmp_path):
    pytest.importorskip("cityscapesscripts.helpers.annotation")
    corners = [[0, 0], [9, 0], [9, 9], [0, 9]]
    folder = tmp_path / "gtFine/train/a"
    write(folder / "a_1_1_gtFine_polygons.json", polygons(4, 5, [("car", corners)]))
    save(folder / "a_1_1_gtFine_labelIds.png", np.full((4, 5), 7, np.uint8))
    write(folder / "a_2_2_gtFine_polygons.json", polygons(4, 5, [("sky", corners)]))
    prepare(tmp_path)
    assert [np.unique(Image.open(path)).tolist() for path in train_ids(tmp_path)] == [
        [0], [10]
    ]  # fmt: skip
    for path in train_ids(tmp_path):
        path.unlink()
    prepare(tmp_path, source="polygons")
    assert np.unique(Image.open(train_ids(tmp_path)[0])).tolist() == [13]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        polygons(10**6, 10**6, []),
        polygons(4, 4, [("moon", [[0, 0], [1, 1]])]),
    ],
    ids=["empty", "no size", "bomb", "unknown label"],
)
def test_polygons_that_cannot_be_used(tmp_path, content):
    pytest.importorskip("cityscapesscripts.helpers.annotation")
    path = write(tmp_path / "gtFine/train/a/a_1_1_gtFine_polygons.json", content)
    with pytest.raises(InputError, match=f"1 of 1 .*{path.name} is no annotation"):
        prepare(tmp_path)
    assert train_ids(tmp_path) == []


COMMAND = (
    "import sys; from keras_lraspp.data.prepare.train_ids import prepare_cityscapes;"
    "prepare_cityscapes(sys.argv[1], workers=2, progress=False)"
)


def test_killed_midway_it_leaves_nothing_half_written_and_goes_on(tmp_path):
    folder = tmp_path / "gtFine/train/aachen"
    label = classes(512, 1024, 34)
    content = trees.png(label)
    for index in range(40):
        write(folder / f"aachen_{index:06}_000019_gtFine_labelIds.png", content)
    process = subprocess.Popen([sys.executable, "-c", COMMAND, str(tmp_path)])
    deadline = time.monotonic() + 60
    while len(train_ids(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    expected = cityscapes_lookup()[label]
    done = train_ids(tmp_path)
    assert 3 <= len(done) < 40
    for path in done:
        np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)
    time.sleep(0.3)  # its workers end at their next answer
    before = {path: os.stat(path).st_mtime_ns for path in done}
    assert prepare(tmp_path).written <= 40 - len(done)
    assert len(train_ids(tmp_path)) == 40
    assert {path: os.stat(path).st_mtime_ns for path in before} == before


def test_row_44_a_worker_that_is_killed_is_reported(tmp_path, monkeypatch):
    trees.cityscapes(tmp_path, frames=10)
    code = (
        "import os, signal, sys\n"
        "from keras_lraspp.data.prepare import train_ids as module\n"
        "def killed(job):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "module.write_train_ids = killed\n"
        "from keras_lraspp.__main__ import main\n"
        "sys.exit(main(['data', 'prepare', 'cityscapes', '--workers=2',\n"
        "               '--data_root', sys.argv[1]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert (
        "writing labelTrainIds" in done.stderr
        and "died" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_the_archives_are_looked_for_by_their_official_names():
    assert all(name.endswith(".zip") for name in module.ARCHIVES)
    assert len(module.ARCHIVES) == 4


def test_coarse_images_to_train_on(tmp_path):
    trees.cityscapes(tmp_path)
    coarse = trees.cityscapes(
        tmp_path, splits=("train", "train_extra"), annotations="gtCoarse"
    )
    extra = Cityscapes(coarse, "train_extra")
    assert {path.parts[-4] for path in extra.labels} == {"gtCoarse"}
    assert Cityscapes(coarse, train_splits=("train_extra",)).images == extra.images
    both = Cityscapes(coarse, train_splits=("train", "train_extra"))
    assert [path.parts[-4] for path in both.labels] == ["gtFine"] * 2 + ["gtCoarse"] * 2
    assert read_label(both.labels[3], both).shape == trees.SIZE
    assert Cityscapes(coarse, annotations="gtCoarse").labels[0].parts[-4] == "gtCoarse"
    assert len(Cityscapes(coarse, "val", train_splits=("train_extra",))) == 2
    with pytest.raises(InputError, match="annotations .*'coarse'"):
        Cityscapes(coarse, annotations="coarse")
    with pytest.raises(InputError, match="splits .*'extra'"):
        Cityscapes(coarse, train_splits=("extra",))
