"""`keras-lraspp presets`: the published weights, without Keras or a backend."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_lraspp.__main__ import main
from keras_lraspp.cli.about import preset_rows, version_lines
from keras_lraspp.weights.published import VARIANTS

TREE = Path(__file__).parents[2]
PRESETS = 13
HEAVY = ("keras", "tensorflow", "jax", "torch", "h5py", "PIL")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def test_the_table_has_the_published_numbers(home, capsys):
    path = VARIANTS[1].published.cached
    assert path.parent == home / "keras_lraspp"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    assert main(["presets"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "preset" and head.endswith("cached")
    assert lines[PRESETS] == ""
    assert [" ".join(line.split()) for line in lines[:PRESETS]] == [
        "os8_global_cityscapes PaddleSeg Cityscapes 19 72.33 2.92 M 12.26 G "
        "Apache-2.0 no",
        "os8_large_kernel_cityscapes PaddleSeg Cityscapes 19 73.19 2.92 M 12.26 G "
        "Apache-2.0 yes",
        "os32_global_cityscapes PaddleSeg Cityscapes 19 70.13 2.92 M 3.19 G "
        "Apache-2.0 no",
        "torchvision_large_voc torchvision COCO, VOC labels 21 57.9 3.22 M 3.95 G "
        "BSD-3-Clause no",
        "fastseg_large_f256 fastseg Cityscapes 19 72.3 3.69 M 27.84 G MIT no",
        "fastseg_large_f128 fastseg Cityscapes 19 72.3 3.28 M 17.25 G MIT no",
        "fastseg_small_f256 fastseg Cityscapes 19 67.8 1.45 M 18.64 G MIT no",
        "fastseg_small_f128 fastseg Cityscapes 19 67.4 1.14 M 8.45 G MIT no",
        "fastseg_small_f64 fastseg Cityscapes 19 66.9 1.02 M 5.47 G MIT no",
        "mmseg_large mmsegmentation Cityscapes 19 69.54 3.28 M 17.25 G Apache-2.0 no",
        "mmseg_large_scratch mmsegmentation Cityscapes 19 67.87 3.28 M 17.25 G "
        "Apache-2.0 no",
        "mmseg_small mmsegmentation Cityscapes 19 64.11 1.14 M 8.45 G Apache-2.0 no",
        "mmseg_small_scratch mmsegmentation Cityscapes 19 62.74 1.14 M 8.45 G "
        "Apache-2.0 no",
    ]
    assert all(len(line) <= 120 for line in (head, *lines))


def test_as_json_it_is_the_rows(capsys):
    assert main(["presets", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == preset_rows()
    assert [row["name"] for row in rows] == [row.preset for row in VARIANTS if row.miou]
    assert len(rows) == PRESETS
    scores = {row["name"]: row["multi_scale_miou"] for row in rows}
    assert scores["mmseg_large"] == 70.89 and scores["fastseg_large_f128"] is None
    assert not any(row["downloaded"] for row in rows)


def test_it_imports_nothing_heavy(home):
    program = (
        "import sys; from keras_lraspp.__main__ import main; main(['presets']);"
        f"print(sorted({{*sys.modules}} & {{*{HEAVY!r}}}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TREE), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=-1, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("asked", "file", "named"),
    [
        (None, None, "TensorFlow"),
        (None, '{"backend": "jax"}', "JAX"),
        ("torch", '{"backend": "jax"}', "PyTorch"),
        (None, '{"backend": ', "TensorFlow"),
        (None, "[]", "TensorFlow"),
    ],
)
def test_the_backend_is_the_one_that_keras_takes(home, monkeypatch, asked, file, named):
    monkeypatch.setenv("KERAS_BACKEND", asked or "")
    if file is not None:
        (home / "keras.json").write_text(file)
    assert version_lines()[2].startswith(f"{named} ")
