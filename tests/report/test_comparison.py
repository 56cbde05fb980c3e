"""The page of two runs: its numbers worked out again, and what cannot be compared."""

import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
from PIL import Image

from harness import tiny
from keras_lraspp.__main__ import main
from keras_lraspp.data import FileList
from keras_lraspp.errors import InputError
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.report.comparison import (
    ComparedClass,
    _limit,
    _verdict,
    compare_runs,
    most_changed,
)
from keras_lraspp.run_dir.best_model import BestModel
from keras_lraspp.run_dir.record import record_run, write_run_record

NAMES = "road", "<b>&", "sky"
ROW = ComparedClass("", "#000000", 0.5, 0.5, 0.01, (-0.004, 0.02))


class Tables(HTMLParser):
    """The cells of all tables, row by row, and the pictures."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.tags, self.text, self._cell = [], [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data):
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tiny.write_pictures(tmp_path_factory.mktemp("data"), val_images=4)


def write_run(folder, pictures, seed, names=NAMES, **changes):
    """Writes what a training leaves, and returns its predictions."""
    folder.mkdir(parents=True)
    train, val = (
        dataclasses.replace(FileList(pictures, split, classes=names), **changes)
        for split in ("train", "val")
    )
    keras.utils.set_random_seed(seed)
    network = tiny.network(len(names))
    confusion, guesses = ImageConfusion(len(names)), []
    for index in range(len(val)):
        image, labels = map(np.asarray, val.load(index))
        guesses.append(network.predict_on_batch(image[None]).argmax(-1)[0])
        confusion.update(labels[None], guesses[-1][None])
    BestModel(folder / "best.keras", val)(network, 5, confusion.miou(), confusion)
    record = record_run(network, train, val, iterations=9, batch_size=2, data_root=None)
    write_run_record(record, folder / "run.json", resumed=False)
    (folder / "log.csv").write_text("step,loss,miou\n5,2.5,0.2\n9,1.5,0.3\n")
    (folder / "config.gin").write_text(
        f"train.seed = {seed}\ntrain.iterations = 9\ntrain.loss = @L\n"
        f"L.a = {seed > 1}\nevaluate.flip = {seed}\n"
    )
    return np.array(guesses)


@pytest.fixture(scope="module")
def two(pictures, tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    folders = root / "one" / "run", root / "two" / "run"
    guesses = [write_run(f, pictures, seed) for seed, f in enumerate(folders, 1)]
    truths = [Image.open(pictures / f"label/val_{index}.png") for index in range(4)]
    return folders, np.array([*map(np.array, truths)]), guesses


@pytest.fixture(scope="module")
def page(two):
    folders = two[0]
    path = compare_runs(run=folders[0], other=folders[1], model=tiny.network)
    assert path == folders[0] / "comparison_run.html"
    return path.read_text(encoding="utf-8")


def ious(truth, guess):
    """IoU of each class by counting pixels, nan where it does not occur."""
    counted = truth != 255
    pairs = [(truth == c, (guess == c) & counted) for c in range(3)]
    return np.array([(t & g).sum() / (t | g).sum() if (t | g).any() else np.nan
                     for t, g in pairs])  # fmt: skip


def shown(value):
    text = "–" if np.isnan(value) else f"{100 * value:+.1f}".replace("-", "−")
    return text.lstrip("+−") if text[1:] == "0.0" else text


def test_the_differences_of_the_classes(two, page):
    _, truths, guesses = two
    ours, theirs = (ious(truths, guess) for guess in guesses)
    rows = {row[0]: row[2:] for row in Tables(page).rows if len(row) == 6}
    drawn, rng = [], np.random.default_rng(5)  # other draws than those of the page
    for _ in range(1000):
        chosen = rng.integers(0, 4, 4)
        pair = [ious(truths[chosen], guess[chosen]) for guess in guesses]
        drawn.append(pair[0] - pair[1])
    for label, name in enumerate(NAMES):
        a, b, difference, interval = rows[name]
        for text, value in ((a, ours[label]), (b, theirs[label])):
            assert text == ("absent" if np.isnan(value) else f"{100 * value:.1f}")
        assert difference == shown(ours[label] - theirs[label])
        ends = [float(end.replace("−", "-")) for end in interval.split(" to ")]
        expected = 100 * np.nanquantile([d[label] for d in drawn], [0.025, 0.975])
        np.testing.assert_allclose(ends, expected, atol=2.5)
    assert shown(np.nanmean(ours) - np.nanmean(theirs)) + " points" in Tables(page).text


def test_the_images_that_changed_most(two, page):
    _, truths, guesses = two
    mious = np.array(
        [[np.nanmean(ious(t, g)) for t, g in zip(truths, guess, strict=True)]
         for guess in guesses]
    )  # fmt: skip
    change = mious[0] - mious[1]
    order = [i for i in np.argsort(-change) if change[i] > 0]
    order += [i for i in np.argsort(change) if change[i] < 0]
    found = re.findall(r"<h3>image/val_(\d)\.png <span>mIoU A (\S+) %, B (\S+) %", page)
    assert found == [
        (str(i), f"{100 * mious[0][i]:.1f}", f"{100 * mious[1][i]:.1f}") for i in order
    ]
    wrong = [(g != truths) & (truths != 255) for g in guesses]
    counted = (truths != 255).sum((1, 2))
    for index in order:
        a, b = (100 * w[index].sum() / counted[index] for w in wrong)
        assert f"Wrong pixels: A {a:.1f} %, B {b:.1f} %" in page
    captions = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert captions[:6] == [
        "image", "truth", "prediction A", "wrong pixels A", "prediction B",
        "wrong pixels B",
    ]  # fmt: skip
    assert page.count("<img") == len(captions) == 6 * len(order)


def test_what_the_page_says_of_both(two, page):
    rows = [row for row in Tables(page).rows if len(row) == 3]
    assert ["train.seed", "1", "2"] in rows and ["L.a", "False", "True"] in rows
    assert not {"train.iterations", "evaluate.flip"} & {row[0] for row in rows}
    _, truths, guesses = two
    accuracy = [100 * np.mean((g == truths)[truths != 255]) for g in guesses]
    assert ["pixel accuracy", *(f"{value:.1f} %" for value in accuracy)] in rows
    assert "A one/run" in Tables(page).text and "B two/run" in Tables(page).text
    assert page.count("<svg") == 2 and not {"script", "link", "b"} & {
        *Tables(page).tags
    }
    assert "://" not in page  # base64 has no colon


def test_the_command(two, capsys):
    (one, other), _, _ = two
    assert main(["report", f"--run={one}", f"--compare={other}"]) == 0
    path = one / "comparison_run.html"
    assert capsys.readouterr().out == f"{path}\n"
    # The networks are not LRASPP; all but the pictures is there.
    assert "The images cannot be shown" in path.read_text()


def unlike(case, pictures, folder, two):
    """Makes a run that does not belong to the first of `two`."""
    copy = shutil.copytree(two[0][1], folder)
    if case == "no scores":
        (copy / "best.keras").unlink()
    elif case == "no record":
        (copy / "run.json").unlink()
    elif case in ("other images", "fewer images", "other data set"):
        record = json.loads((copy / "run.json").read_text())
        if case == "other images":
            record["validation"]["images"][2] = "image/else.png"
        elif case == "fewer images":
            del record["validation"]["images"][3], record["validation"]["labels"][3]
        else:
            record["validation"]["name"] = "streets"
        (copy / "run.json").write_text(json.dumps(record))
    else:
        shutil.rmtree(copy)
        names = {"other classes": ("road", "sky", "<b>&"), "more": (*NAMES, "x")}
        moved = shutil.copytree(pictures, folder.parent / "moved")
        if case == "three images":
            rows = (moved / "val.txt").read_text().splitlines(keepends=True)
            (moved / "val.txt").write_text("".join(rows[:3]))
        if case == "other labels":
            path = moved / "label/val_0.png"
            labels = np.array(Image.open(path))
            labels[-1, -1] = (labels[-1, -1] + 1) % 3
            Image.fromarray(labels).save(path)
        write_run(copy, moved, 2, names.get(case, NAMES))
    return copy


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("no scores", "has no scores to compare"),
        ("no record", "does not say which images"),
        ("other images", "image 2 is image/val_2.png in one and image/else.png in"),
        ("fewer images", "was scored on other validation images"),
        ("three images", "one was scored on 4 images, the other on 3"),
        ("other data set", "on files val, the other on streets val"),
        ("other classes", "class 1 is '<b>&' in one and 'sky' in the other"),
        ("more", "one has 3 classes, the other 4"),
        ("other labels", "their labels differ"),
    ],
)
def test_what_cannot_be_compared(case, said, two, pictures, tmp_path, capsys):
    one = shutil.copytree(two[0][0], tmp_path / "one")
    (one / "comparison_run.html").unlink(missing_ok=True)
    other = unlike(case, pictures, tmp_path / "run", two)
    before = sorted(one.iterdir())
    capsys.readouterr()
    assert main(["report", f"--run={one}", f"--compare={other}"]) == 2
    message = capsys.readouterr().err.splitlines()
    assert len(message) == 1 and said in message[0]
    assert sorted(one.iterdir()) == before


def test_a_run_and_itself_or_nothing(two, tmp_path):
    one = two[0][0]
    with pytest.raises(InputError, match="compared with itself"):
        compare_runs(run=one, other=one / ".." / "run")
    with pytest.raises(InputError, match="holds no training"):
        compare_runs(run=one, other=tmp_path)


def test_which_images_changed_most():
    ours = np.array([0.5, np.nan, 0.9, 0.1, 0.4, 0.4, 0.4, 0.4, 0.4, 0.3])
    theirs = np.array([0.4, 0.2, 0.1, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.31])
    assert most_changed(ours, theirs) == ([2, 8, 7, 6], [3, 9])


def test_the_axis_and_the_verdict():
    assert _limit([]) == 0.01
    assert _limit([ROW]) == 0.02
    assert _limit([ROW, ROW._replace(interval=(-0.31, 0.1))]) == 0.4
    assert _limit([ROW._replace(difference=-1.0)]) == 1.0
    assert not ROW.is_sure and ROW._replace(interval=(0.001, 0.02)).is_sure
    assert "do not tell" in _verdict((-0.1, 0.1), 4)
    assert _verdict((0.01, 0.1), 4).startswith("A is better")
    assert _verdict((-0.1, -0.01), 4).startswith("B is better")
