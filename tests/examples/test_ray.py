"""The example for Ray on a local cluster of two workers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import random_images
from harness.trained_like import trained_like
from keras_lraspp import Segmenter

pytest.importorskip("ray")
parquet = pytest.importorskip("pyarrow.parquet")

PROGRAM = Path(__file__).parents[2] / "examples" / "ray" / "label.py"
GOOD = ["a.png", "b.png", "below/a.png", "below/c.png", "below/deep/d.png"]
BAD = {"cut.png": "damaged", "none.jpg": "zero bytes", "text.png": "not an image"}


def label(*arguments, cwd):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, PROGRAM, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )


def rows_of(folder):
    table = parquet.read_table(folder / "out" / "table")
    return {row["image"]: row for row in table.to_pylist()}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A folder in which the example has run once: photos, w.keras and out."""
    folder = tmp_path_factory.mktemp("ray")
    trained_like().save(folder / "w.keras")
    for index, name in enumerate([*GOOD, ".hidden.png"]):
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random_images(1, 32, 48 + index, seed=index)[0]).save(path)
    whole = (folder / "photos" / "a.png").read_bytes()
    for name, content in zip(BAD, (whole[:2000], b"", b"no picture"), strict=True):
        (folder / "photos" / name).write_bytes(content)
    (folder / "photos" / "notes.txt").write_text("no picture either")
    done = label("photos", "out", "--weights=w.keras", "--block=2", cwd=folder)
    return folder, done


def test_each_image_has_its_labels(job):
    folder, done = job
    assert done.returncode == 2, done.stderr
    assert "3 of 8 could not be labelled" in done.stdout
    rows, segmenter = rows_of(folder), Segmenter(folder / "w.keras")
    assert set(rows) == {*GOOD, *BAD}
    for name in GOOD:
        row, result = rows[name], segmenter.predict(folder / "photos" / name)
        labels = np.asarray(Image.open(folder / "out" / row["labels"]))
        np.testing.assert_array_equal(labels, result.labels)
        assert (row["height"], row["width"]) == labels.shape
        assert row["error"] is None
        assert row["classes"] == [share.name for share in result.classes]
        np.testing.assert_allclose(row["shares"], [s.share for s in result.classes])
    for name, says in BAD.items():
        assert rows[name]["labels"] is None
        assert rows[name]["error"].startswith(name) and says in rows[name]["error"]
    assert not list((folder / "out").rglob("*.tmp"))


def test_what_is_missing_is_done_when_it_runs_again(job):
    folder, _ = job
    tables = sorted((folder / "out" / "table").iterdir())
    lost = parquet.read_table(tables[0])["image"].to_pylist()
    tables[0].unlink()  # as if it had been stopped before this block was written
    done = label("photos", "out", "--weights=w.keras", cwd=folder)
    assert f"8 images, {8 - len(lost)} done before" in done.stdout
    assert done.returncode == 2 and set(rows_of(folder)) == {*GOOD, *BAD}


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["photos", "photos/out", "--weights=w.keras"], "is inside photos"),
        (["out/labels", "out", "--weights=w.keras"], "labels of other images, photos"),
        (["ftps://photos", "out", "--weights=w.keras"], "no folder and no bucket"),
    ],
)
def test_bad_input_is_one_sentence(job, arguments, says):
    folder, _ = job
    done = label(*arguments, cwd=folder)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "photos" / "out").exists()


def test_labels_that_cannot_be_written_end_the_job(job, tmp_path):
    folder, _ = job
    (tmp_path / "labels").write_text("in the way")
    done = label("photos", tmp_path, "--weights=w.keras", cwd=folder)
    assert done.returncode == 3 and "labels'" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
