"""The page on data: its commands run and its configurations open, as written."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from harness import trees
from harness.channels import write_drawn
from harness.image_files import classes, noise, save
from keras_lraspp import config
from keras_lraspp.__main__ import main
from keras_lraspp.data import DATASETS, Samples

PAGE = (Path(__file__).resolve().parents[1] / "docs/data.md").read_text()
COMMANDS = re.findall(r"^    (keras-lraspp data .*)$", PAGE, re.M)
CONFIGS = re.findall(r"```gin\n(.*?)```", PAGE, re.S)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with miniature trees where the page says that data is."""
    root = tmp_path_factory.mktemp("home")
    data = root / "data"
    tree = trees.cityscapes(root / "unpacked")
    members = {
        p.relative_to(tree).as_posix(): p.read_bytes() for p in tree.rglob("*.png")
    }
    for name in ("leftImg8bit", "gtFine"):
        own = {path: members[path] for path in members if path.startswith(name)}
        trees.zipped(data / f"cityscapes/{name}_trainvaltest.zip", own)
    trees.ade20k(data / "ade20k/ADEChallengeData2016")
    trees.voc2012(data / "voc2012")
    write_sbd(data / "benchmark_RELEASE")
    trees.camvid_segnet(data / "camvid")
    lines = []
    for split in ("train", "val"):
        for index in range(2):
            image, label = (
                f"{folder}/{split}/{index}_{end}.png"
                for folder, end in (("images", "photo"), ("labels", "mask"))
            )
            save(data / "files" / image, noise(*trees.SIZE, seed=index))
            save(data / "files" / label, classes(*trees.SIZE, seed=index))
            lines.append(f"{image} {label}\n")
        (data / f"files/{split}.txt").write_text("".join(lines[-2:]))
    coarse = {"splits": ("train_extra",), "annotations": "gtCoarse"}
    trees.cityscapes(data / "cityscapes", **coarse)
    write_exports_of_tools(data)
    write_drawn(data / "fields", 6, ".tif", train_images=2)
    return root


def write_exports_of_tools(data):
    """Masks of cracks, and what CVAT, Roboflow, LabelMe and COCO export."""
    label = classes(*trees.SIZE, num_classes=2)
    for index in range(3):
        image = noise(*trees.SIZE, seed=index)
        save(data / f"cracks/images/{index}.jpg", image)
        save(data / f"cracks/masks/{index}.png", label * np.uint8(255))
        save(data / f"cvat/JPEGImages/{index}.jpg", image)
        colors = np.array([(0, 0, 0), (250, 50, 83)], np.uint8)
        save(data / f"cvat/SegmentationClass/{index}.png", colors[label])
        save(data / f"roboflow/train/{index}.jpg", image)
        save(data / f"roboflow/train/{index}_mask.png", label)
    cvat = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:250,50,83::\n"
    (data / "cvat/labelmap.txt").write_text(cvat)
    names = "Pixel Value, Class\n0, background\n1, road\n"
    (data / "roboflow/train/_classes.csv").write_text(names)
    save(data / "coco/a.jpg", noise(*trees.SIZE))
    height, width = trees.SIZE
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": height, "width": width}],
        "categories": [{"id": 1, "name": "road"}],
        "annotations": [],
    }
    (data / "coco/train.json").write_text(json.dumps(coco))
    for index in range(5):
        save(data / f"labelme/{index}.png", noise(*trees.SIZE))
        shape = {"label": "road", "points": [[1, 1], [9, 1], [1, 5]]}
        content = {
            "shapes": [shape],
            "imagePath": f"{index}.png",
            "imageHeight": height,
            "imageWidth": width,
        }
        (data / f"labelme/{index}.json").write_text(json.dumps(content))


def write_shards():
    """The page's own command, if it has not run yet."""
    if not Path("data/shards").is_dir():
        (command,) = (line for line in COMMANDS if line.split()[2] == "shards")
        assert main(shlex.split(command)[1:]) == 0


def write_sbd(root):
    scipy_io = pytest.importorskip("scipy.io")
    for stem in ("2008_000001", "2008_000002"):
        path = root / f"dataset/cls/{stem}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"Segmentation": classes(*trees.SIZE, 21), "Boundaries": np.zeros(20)}
        scipy_io.savemat(path, {"GTcls": record})


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run(home, monkeypatch, capsys, command):
    monkeypatch.chdir(home)
    assert main(shlex.split(command)[1:]) == 0, capsys.readouterr()
    assert capsys.readouterr().err.count("error") == 0


def test_the_page_shows_every_kind_of_command_and_data_set():
    assert {command.split()[2] for command in COMMANDS} == {
        "check",
        "prepare",
        "scenes",
        "shards",
    }
    named = {re.search(r"@(\w+)", text)[1] for text in CONFIGS}
    assert named == {*DATASETS}


def test_tensorflow_datasets_reads_shards_as_the_page_says(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    write_shards()
    capsys.readouterr()
    (code,) = re.findall(r"```python\n(import tensorflow_datasets.*?)```", PAGE, re.S)
    exec(code, {})
    said = capsys.readouterr().out
    assert said.startswith("2\n") and said.count("leftImg8bit.png") == 1
    assert "(1, 128, 256, 3) (1, 128, 256, 1)" in said


@pytest.mark.parametrize("text", CONFIGS)
def test_the_configurations_open(home, monkeypatch, text):
    monkeypatch.chdir(home)
    name = re.search(r"@(\w+)", text)[1]
    if name == "VOC2012":
        main(["data", "prepare", "voc", "--data_root=data/voc2012",
              "--sbd=data/benchmark_RELEASE"])  # fmt: skip
    if name == "Cityscapes":
        main(["data", "prepare", "cityscapes", "--data_root=data/cityscapes"])
    if name == "Shards":
        write_shards()
    if '"labelme"' in text:
        main(["data", "prepare", "labelme", "--data_root=data/labelme"])
    path = home / "page.gin"
    path.write_text(text + "check.dataset = %DATASET\n")
    changes = []
    if name == "Scenes":
        changes = [f"Scenes.{key} = 64" for key in ("height", "width")]
        changes += ["Scenes.train_scenes = 1"]
    config.load_config([path], changes)
    if name == "TFDS":  # nothing is downloaded; test_tfds.py opens some
        return
    dataset = config.gin.get_bindings("check")["dataset"](split="train")
    assert isinstance(dataset, Samples) and len(dataset) > 0
    image, label = dataset.load(0)
    assert image.shape[:2] == label.shape
