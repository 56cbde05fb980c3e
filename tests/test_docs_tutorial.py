"""The tutorial, made small: its files and commands, one after the other, as written."""

import inspect
import re
import shlex

import keras
import numpy as np
import pytest

from harness.documents import ROOT
from harness.image_files import save
from harness.stand_ins import published_tensors, with_few_blocks
from keras_lraspp import config
from keras_lraspp.__main__ import _parser, main

PAGE = (ROOT / "docs/tutorial.md").read_text()
SMALLER = {
    "train_scenes=60": "train_scenes=10",
    "height=256, width=512": "height=64, width=96",
    "(192, 384)": "(32, 64)",
    "train.iterations = 300": "train.iterations = 2",
    "warmup_steps = 30": "warmup_steps = 1",
    "train.eval_interval = 150": "train.eval_interval = 2",
    "--size=256x512": "--size=64x96",
}
SMALL = PAGE
for large, small in SMALLER.items():
    SMALL = SMALL.replace(large, small)
FILES = dict(re.findall(r"```\w+\n# (\w+\.\w+)\n(.*?)```", SMALL, re.S))
COMMANDS = re.findall(r"^    (keras-lraspp .+)$", SMALL, re.M)


def test_the_page_is_as_the_test_makes_it_small():
    assert all(PAGE.count(large) == 1 for large in SMALLER)
    assert list(FILES) == ["draw_streets.py", "streets.gin", "offline.gin", "cvat.gin"]
    kinds = [command.split()[1] for command in COMMANDS]
    assert kinds == ["data", "data", "train", "train", "predict", "export", "demo"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of one's own, with the files of the page."""
    monkeypatch.chdir(tmp_path)
    with_few_blocks(monkeypatch)
    fetch = "keras_lraspp.models.presets.fetch"
    monkeypatch.setattr(fetch, lambda published, check: published_tensors())
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    exec(compile(FILES["draw_streets.py"], "draw_streets.py", "exec"), {})
    yield tmp_path
    keras.utils.clear_session()


@pytest.mark.slow  # `.ci/run` runs it
def test_the_commands_lead_to_an_exported_network(folder, capsys):
    *commands, demo = COMMANDS
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, (command, capsys.readouterr().err)
    assert _parser().parse_args(shlex.split(demo)[1:]).run  # which never ends
    classes = (folder / "data/streets/classes.txt").read_text().split()
    assert classes[0] == "_background_" and "road" in classes
    written = ["samples.png", "output/streets/best.keras", "output/streets/report.html"]
    written += ["output/exported/model.onnx", "output/exported/model.tflite"]
    assert all((folder / name).is_file() for name in written)
    assert len([*folder.glob("output/pictures/**/*.png")]) == 30
    capsys.readouterr()
    (code,) = re.findall(r"```python\n(import keras_lraspp\n.*?)```", SMALL, re.S)
    exec(code, {})
    said = capsys.readouterr().out
    assert any(name in said for name in classes)
    offline = ["train", "--gin_file=offline.gin", "--dry_run"]
    assert main(offline) == 0, capsys.readouterr().err


@pytest.mark.slow
def test_the_lines_for_cvat_open_its_folders(folder):
    root = folder / "data/streets"
    mask = np.zeros((64, 96, 3), np.uint8)
    mask[32:] = 250, 50, 83
    for index in range(10):
        save(root / f"JPEGImages/{index}.jpg", mask)
        save(root / f"SegmentationClass/{index}.png", mask)
    labelmap = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:250,50,83::\n"
    (root / "labelmap.txt").write_text(labelmap)
    config.load_config(["cvat.gin"])
    dataset = config.gin.get_bindings("train")["dataset"](split="train")
    image, label = dataset.load(0)
    assert dataset.classes.names == ("background", "road")
    assert label[0, 0] == 0 and label[-1, 0] == 1 and image.shape == (64, 96, 3)


COMPARED = (ROOT / "docs/coming_from.md").read_text()


def test_the_commands_of_the_comparison_are_there():
    commands = re.findall(r"`keras-lraspp (\w+ [^`]+)`", COMPARED)
    assert len(commands) >= 9
    for command in commands:
        assert _parser().parse_args(shlex.split(command)).run is not None, command


def test_the_names_for_gin_of_the_comparison_are_there():
    rows = {row.name: row for row in config.CONFIGURABLES}
    found = re.findall(r"`(\w+)\.(\w+)(?: = [^`]*)?`", COMPARED)
    found = [(name, argument) for name, argument in found if name in rows]
    assert len(found) > 12
    for name, argument in found:
        target = config._target(name)
        assert argument in inspect.signature(target).parameters, f"{name}.{argument}"
