"""The data doctor: rows of RELIABILITY.md, what it counts, and what it writes."""

import json
import re
from functools import partial

import numpy as np
import pytest
from PIL import Image

from harness import trees
from harness.image_files import (
    FAULTY,
    classes,
    encoded,
    exif_with,
    noise,
    palette_image,
    save,
    write,
)
from keras_lraspp.__main__ import main
from keras_lraspp.data import ADE20K, FileList, generic_class_set
from keras_lraspp.data.health_report import check
from keras_lraspp.errors import InputError
from keras_lraspp.visualize import overlay

SIZE = (6, 8)


def write_split(root, split="train", count=4, seed=0):
    """Noise images with labels 0..4 and their list."""
    lines = []
    for index in range(count):
        image, label = f"image/{split}_{index}.png", f"label/{split}_{index}.png"
        save(root / image, noise(*SIZE, seed=seed + index))
        save(root / label, classes(*SIZE, seed=seed + index))
        lines.append(f"{image} {label}\n")
    (root / f"{split}.txt").write_text("".join(lines))
    return root


def examine(root, splits=("train",), **settings):
    """Checks a file list; returns the JSON and the error, if any."""
    given = {"num_classes": 5, **settings}
    path = root / "health.json"
    error = None
    try:
        check(
            dataset=partial(FileList, **given),
            data_root=root,
            splits=splits,
            json_path=path,
            progress=False,
        )
    except InputError as raised:
        error = str(raised)
    return json.loads(path.read_text()), error


def label_of(pixels):
    return lambda root: save(root / "label/train_2.png", pixels)


def image_of(pixels, mode=None):
    return lambda root: save(root / "image/train_2.png", pixels, mode)


def swap_labels(root):
    text = (root / "train.txt").read_text()
    swapped = text.replace("label/train_1", "X").replace(
        "label/train_2", "label/train_1"
    )
    (root / "train.txt").write_text(swapped.replace("X", "label/train_2"))


def turned(root):
    content = encoded(noise(*SIZE), "JPEG", exif=exif_with(6))
    write(root / "image/train_2.png", content)
    save(root / "label/train_2.png", classes(*SIZE[::-1]))


# Row of the table, what is done to a good split, kind of problem, what is said.
FAULTS = [
    (1, lambda root: (root / "train.txt").unlink(), "listing", "Cannot read "),
    (1, lambda root: (root / "train.txt").write_text(""), "listing", "is empty"),
    (2, lambda root: (root / "label/train_2.png").unlink(), "listing", "1 of 4 images"),
    (5, label_of(np.full(SIZE, 9, np.uint8)), "illegal labels", "values 9 are neither"),
    (7, label_of(noise(*SIZE)), "unusable", "is an RGB picture.*color_map"),
    (9, label_of(np.full(SIZE, 300, np.uint16)), "illegal labels", "values 300 are"),
    (11, label_of(classes(5, 8)), "unusable", "is 6x8 .* but its label .* is 5x8"),
    (12, swap_labels, "listing", "2 of 4 pairs .*names that disagree"),
    (13, label_of(np.zeros((*SIZE, 4), np.uint8)), "unusable", "has an alpha channel"),
    (15, turned, "unusable", "EXIF orientation 6"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "spoil", "kind", "says"), FAULTS)
def test_faults_by_their_row(tmp_path, capsys, row, spoil, kind, says):
    spoil(write_split(tmp_path))
    found, error = examine(tmp_path)
    (problem,) = found["problems"]
    assert (problem["kind"], problem["split"], problem["serious"]) == (
        kind,
        "train",
        True,
    )
    assert error.startswith(f"1 things are wrong with this data set ({kind})")
    printed = capsys.readouterr().out
    assert f"error: train: {kind}: " in printed
    for text in (printed, problem["message"]):
        assert re.search(says, text), text


@pytest.mark.parametrize("part", ["image", "label"])
@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_rows_16_to_19_files_that_cannot_be_read(tmp_path, fault, part):
    write_split(tmp_path)
    path = write(tmp_path / part / "train_2.png", fault.content())
    found, error = examine(tmp_path)
    (problem,) = found["problems"]
    assert problem["kind"] == ("damaged" if fault.damaged else "unusable") or (
        part == "label" and problem["kind"] == "unusable"
    )
    assert str(path) in problem["message"] and error
    assert found["splits"]["train"] | {"sizes": 0} == found["splits"]["train"] | {
        "images": 4, "usable": 3, "sizes": 0
    }  # fmt: skip


def test_row_4_label_ids_and_row_6_no_ignore_label(tmp_path):
    label_of(np.full(SIZE, 33, np.uint8))(write_split(tmp_path))
    found, _ = examine(tmp_path, num_classes=19)
    assert 'label_lookup="cityscapes"' in found["problems"][0]["message"]
    label_of(np.full(SIZE, 255, np.uint8))(tmp_path)
    found, _ = examine(tmp_path, ignore_label=None)
    assert "set ignore_label=255" in found["problems"][0]["message"]


SOUND = {
    8: lambda root: palette_image(classes(*SIZE)).save(root / "label/train_2.png"),
    10: image_of(np.full(SIZE, 40_000, np.uint16)),
    13: image_of(np.dstack([noise(*SIZE, seed=99), np.full(SIZE, 9, np.uint8)])),
    14: image_of(noise(*SIZE, seed=99), "L"),
}


@pytest.mark.parametrize("row", SOUND)
@pytest.mark.filterwarnings("ignore:.*alpha channel")
def test_what_is_unusual_but_sound(tmp_path, row):
    SOUND[row](write_split(tmp_path))
    found, error = examine(tmp_path)
    assert (found["problems"], error) == ([], None)
    assert found["splits"]["train"]["usable"] == 4


def test_row_3_a_label_without_image_is_a_warning(tmp_path, capsys):
    trees.ade20k(tmp_path)
    save(tmp_path / "annotations/training/lonely.png", classes(*SIZE))
    health = check(dataset=ADE20K, data_root=tmp_path, progress=False)
    problem, classes_absent = health.problems  # six pictures, 150 classes
    assert "1 labels have no image" in problem.message and not problem.serious
    assert "has no pixel of" in classes_absent.message and not classes_absent.serious
    assert "warning: train: listing: 1 labels have no image" in capsys.readouterr().out


def test_everything_that_is_wrong_is_listed(tmp_path, capsys):
    write_split(tmp_path, count=8)
    write_split(tmp_path, "val", count=3, seed=50)
    write(tmp_path / "image/train_0.png", b"")
    write(tmp_path / "image/train_1.png", b"<html>")
    save(tmp_path / "label/train_2.png", classes(3, 3))
    save(tmp_path / "label/train_3.png", np.full(SIZE, 7, np.uint8))
    (tmp_path / "label/train_4.png").unlink()
    Image.open(tmp_path / "image/train_5.png").save(
        tmp_path / "image/val_0.png",
        compress_level=0,  # other bytes, the same picture
    )
    for part in ("image", "label"):
        content = (tmp_path / part / "val_1.png").read_bytes()
        (tmp_path / part / "val_2.png").write_bytes(content)
    found, error = examine(tmp_path, ("train", "val"))
    kinds = [(p["split"], p["kind"], p["serious"]) for p in found["problems"]]
    assert kinds == [
        ("train", "listing", True),
        ("train", "damaged", True),
        ("train", "unusable", True),
        ("train", "illegal labels", True),
        (None, "leak", True),
        (None, "duplicates", False),
    ]
    printed = capsys.readouterr().out
    for name in ("train_0.png", "train_1.png", "train_2.png", "train_3.png", "train_4",
                 "train_5.png", "val_0.png", "val_1.png", "val_2.png"):  # fmt: skip
        assert name in printed
    assert error.startswith("5 things are wrong with this data set (listing, damaged")


def test_twice_the_same_picture_with_other_labels(tmp_path):
    write_split(tmp_path)
    content = (tmp_path / "image/train_0.png").read_bytes()
    (tmp_path / "image/train_3.png").write_bytes(content)
    found, error = examine(tmp_path)
    (problem,) = found["problems"]
    assert "different labels" in problem["message"] and error
    assert [path[-11:] for path in problem["files"]] == ["train_0.png", "train_3.png"]


def test_what_is_counted(tmp_path, capsys):
    root = write_split(tmp_path, count=3)
    save(root / "image/train_2.png", noise(10, 4, seed=9))
    masks = [
        classes(*SIZE, seed=0),
        classes(*SIZE, seed=1),
        np.full((10, 4), 255, "uint8"),
    ]
    masks[0][:2] = 255
    for index, mask in enumerate(masks):
        save(root / f"label/train_{index}.png", mask)
    found, error = examine(root, num_classes=6)
    train = found["splits"]["train"]
    expected = [sum(int((mask == c).sum()) for mask in masks) for c in range(6)]
    assert train["pixels"] == expected and expected[5] == 0
    assert train["ignored_pixels"] == 16 + 40
    assert train["images_with_class"] == [
        sum(bool((mask == c).any()) for mask in masks) for c in range(6)
    ]
    assert train["mean_size"] == pytest.approx([22 / 3, 20 / 3])
    assert train["sizes"] == [[6, 8, 2], [10, 4, 1]]
    assert found["class_weights"][5] is None and error is None
    assert "class 0" in capsys.readouterr().out


def test_the_sheet_shows_images_and_overlays(tmp_path):
    root, path = write_split(tmp_path, count=5), tmp_path / "sheet.png"
    check(
        dataset=partial(FileList, num_classes=5),
        data_root=root,
        splits=("train",),
        sheet_path=path,
        progress=False,
    )
    sheet = np.asarray(Image.open(path))
    assert sheet.shape[1] == 3 * (2 * 256 + 16) + 8
    for index, (top, left) in enumerate([(8, 8), (8, 536), (8, 1064), (226, 8)]):
        image = noise(*SIZE, seed=index).repeat(32, 0).repeat(32, 1)
        shown = sheet[top : top + 192, left : left + 512]
        np.testing.assert_array_equal(shown[:, :256], image)
        mask = classes(*SIZE, seed=index).repeat(32, 0).repeat(32, 1)
        painted = overlay(image, mask, generic_class_set(5).palette)
        np.testing.assert_array_equal(shown[:, 256:], painted)


def test_the_command(tmp_path, capsys):
    root = write_split(tmp_path / "data")
    command = [
        "data",
        "check",
        "--dataset=FileList",
        f"--data_root={root}",
        "--split=train",
    ]
    classes_flag = ["--gin_bindings", "FileList.num_classes=5"]
    assert main([*command, *classes_flag, f"--json={tmp_path}/h.json"]) == 0
    assert "nothing is wrong with it" in capsys.readouterr().out
    assert (tmp_path / "h.json").is_file()
    (root / "label/train_1.png").write_bytes(b"")
    assert main([*command, *classes_flag]) == 2
    ended = capsys.readouterr()
    assert "train_1.png is not an image" in ended.out
    assert ended.err.startswith("error: 1 things are wrong")
    configured = ["data", "check", "--gin_file=camvid.gin", f"--data_root={root}"]
    assert (
        main([*configured, "--split=train", "--workers=1"]) == 2
    )  # 11 classes, damaged


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([], "named by --dataset, as --dataset=Cityscapes, or by --g"),
        (["--dataset=ADE20K", "--gin_file=camvid.gin"], "give one"),
        (["--dataset=ADE20K", "--workers=0"], "--workers is at least 1"),
        (["--dataset=ADE20K", "--split=,"], "--split names no split"),
        (["--dataset=ADE2k"], "did you mean ADE20K"),
    ],
)
def test_flags_that_cannot_be(capsys, flags, says):
    assert main(["data", "check", *flags]) == 2
    assert says in capsys.readouterr().err


def test_a_split_that_is_not_there_does_not_hide_the_others(tmp_path):
    found, error = examine(write_split(tmp_path), ("train", "val"))
    assert found["splits"]["train"]["usable"] == 4
    assert [p["split"] for p in found["problems"]] == ["val"] and error


def test_row_44_a_reader_that_runs_out_of_memory_ends_it(tmp_path, monkeypatch):
    def full(path, *settings, **others):
        raise MemoryError

    monkeypatch.setattr("keras_lraspp.data.check.load_image", full)
    with pytest.raises(MemoryError):
        examine(write_split(tmp_path))
