"""The page of a training: its numbers worked out again, its pictures, its faults."""

import base64
import io
import json
import os
import re
import shutil
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import tiny
from keras_lraspp.__main__ import main
from keras_lraspp.data import FileList, evaluation_batches, generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.loop import evaluate_model
from keras_lraspp.inference.functions import label_function
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.report.build import (
    RunFiles,
    _confusion_table,
    _curves,
    key_figures,
    report,
)
from keras_lraspp.report.wrong_pixels import UNLABELLED, WRONG
from keras_lraspp.run_dir.best_model import BestModel
from keras_lraspp.run_dir.record import record_run, write_run_record
from keras_lraspp.visualize import overlay

pytestmark = pytest.mark.usefixtures("few_blocks")

NAMES = ("<b>&", '"bright"', "sky")
DATA = partial(FileList, classes=NAMES, name="<tiny>")
ODD = "val_<i>&.png"


class Reading(HTMLParser):
    """What a browser would show: tables as text, pictures, addresses."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.addresses, self.titles, self.rows = [], [], [], []
        self.values, self.heads, self.text, self._inside = [], [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self._inside.append((tag, attrs.get("class")))
        self.addresses += [attrs[key] for key in ("src", "href") if key in attrs]
        if tag == "td" and "title" in attrs:
            self.titles.append(attrs["title"])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "span" and attrs.get("class") == "value":
            self.values.append("")
        if tag == "h3":
            self.heads.append("")

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop()[0] != tag:
            pass

    def handle_data(self, data):
        self.text += data
        tags = [tag for tag, _ in self._inside]
        if "td" in tags or "th" in tags:
            self.rows[-1][-1] += data
        if ("span", "value") in self._inside:
            self.values[-1] += data
        if "h3" in tags:
            self.heads[-1] += data


def read(folder):
    return Reading((folder / "report.html").read_text(encoding="utf-8"))


def settled(page):
    """The page without the moment at which it was made."""
    return re.sub(r"<footer>.*?</footer>", "", page, flags=re.S)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tiny.write_pictures(tmp_path_factory.mktemp("report") / "p", val_images=5)
    for folder in ("image", "label"):
        (root / folder / "val_3.png").rename(root / folder / ODD)
    names = (root / "val.txt").read_text()
    (root / "val.txt").write_text(names.replace("val_3.png", ODD))
    return root


@pytest.fixture(scope="module")
def finished(pictures, tmp_path_factory):
    output = tmp_path_factory.mktemp("run") / "<u>run"
    config = "# <script>alert(1)</script> & co\n"
    tiny.run(pictures, output, dataset=DATA, operative_config=lambda: config)
    return output


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / finished.name)


@pytest.fixture(scope="module")
def again(finished, pictures):
    """The best model's predictions and the labels, read without our pipeline."""
    network = tiny.network(3)
    load_weights(network, finished / "best.keras")
    rows = [line.split() for line in (pictures / "val.txt").read_text().splitlines()]
    images = [np.array(Image.open(pictures / image)) for image, _ in rows]
    truths = [np.array(Image.open(pictures / label)) for _, label in rows]
    guesses = [network.predict_on_batch(one[None]).argmax(-1)[0] for one in images]
    return [image for image, _ in rows], images, truths, guesses


def scores(truths, guesses):
    """IoU, precision, recall and share in percent, by counting pixels."""
    truth, guess = np.ravel(truths), np.ravel(guesses)
    truth, guess = truth[truth != 255], guess[truth != 255]
    rows = []
    for label in range(3):
        hits = np.sum((truth == label) & (guess == label))
        true, found = np.sum(truth == label), np.sum(guess == label)
        parts = [(hits, true + found - hits), (hits, found), (hits, true)]
        parts.append((true, truth.size))
        rows.append([100 * a / b if b else np.nan for a, b in parts])
    return np.array(rows)


def test_the_table_of_classes(finished, again):
    expected = scores(*again[2:])
    rows = {row[0]: row[2:] for row in read(finished).rows if len(row) == 6}
    assert list(rows)[1:] == list(NAMES)
    for name, row in zip(NAMES, expected, strict=True):
        assert rows[name] == ["–" if np.isnan(x) else f"{x:.1f}" for x in row]


def test_the_confusion_matrix(finished, again):
    truth, guess = np.ravel(again[2]), np.ravel(again[3])
    titles = iter(read(finished).titles)
    for true, name in enumerate(NAMES):
        for found, other in enumerate(NAMES):
            share = 100 * np.mean(guess[truth == true] == found)
            word = "found" if other == name else f"taken for {other}"
            assert next(titles) == f"{name} {word}: {share:.1f} %"
    assert next(titles, None) is None


def test_the_numbers_at_the_head(finished, again):
    iou = scores(*again[2:])[:, 0]
    truth, guess = np.ravel(again[2]), np.ravel(again[3])
    accuracy = 100 * np.mean((truth == guess)[truth != 255])
    page = read(finished)
    assert page.values[0] == f"{np.nanmean(iou):.1f} %"
    assert page.values[2] == f"{accuracy:.1f} %"
    interval = re.search(r"over images: ([\d.]+) to ([\d.]+)", page.text)
    low, high = map(float, interval.groups())
    assert low <= np.nanmean(iou) + 0.05 and np.nanmean(iou) - 0.05 <= high < low + 40
    assert "131 to train" in page.text and "finished after 10 steps" in page.text
    assert "6 images to train on, 5 to validate" in page.text


def test_the_best_and_worst_images(finished, again):
    names, images, truths, guesses = again
    alone = [
        np.nanmean(scores(truth, guess)[:, 0])
        for truth, guess in zip(truths, guesses, strict=True)
    ]
    order = np.argsort(alone)[::-1]
    page = read(finished)
    heads = [head for head in page.heads if "mIoU" in head]
    shown = [*order[:3], *order[:2:-1]]  # of five images three are the best
    assert heads == [f"{names[i]} mIoU {alone[i]:.1f} %" for i in shown]
    assert any(ODD in head for head in heads)
    pictures = [decode(uri) for uri in page.addresses]
    assert len(pictures) == 20
    palette = generic_class_set(3).palette
    for place, index in enumerate(shown):
        truth, guess = truths[index], guesses[index]
        masks = [overlay(images[index], mask, palette) for mask in (truth, guess)]
        wrong = (truth != guess) & (truth != 255)
        errors = np.where(wrong[..., None], WRONG, 255 - 0.3 * (255 - images[index]))
        errors[truth == 255] = UNLABELLED
        expected = [images[index], *masks, errors]
        for found, pixels in zip(pictures[4 * place :], expected, strict=False):
            assert found.shape == pixels.shape
            assert np.abs(blocks(found) - blocks(pixels)).mean() < 5
        share = 100 * wrong.sum() / (truth != 255).sum()
        present = {*truth[truth != 255], *guess[truth != 255]}
        note = f"{share:.1f} % of its pixels are wrong · {len(present)} classes in "
        assert note in page.text


def blocks(pixels):
    """Means of 8x8 pixels, which JPEG keeps whatever the noise."""
    return np.reshape(pixels, (5, 8, 7, 8, 3)).mean((1, 3))


def decode(uri):
    kind, content = uri.split(",", 1)
    assert kind == "data:image/jpeg;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(content))))


def test_the_page_asks_for_nothing_and_runs_nothing(finished):
    page = (finished / "report.html").read_text()
    seen = Reading(page)
    assert not {"script", "link", "iframe", "object", "b", "u", "i>&.png"} & {
        *seen.tags
    }
    assert all(address.startswith("data:image/") for address in seen.addresses)
    assert "://" not in page  # base64 has no colon
    assert not re.search(r"@import|url\((?!#)", page)
    assert "<script>alert(1)</script> & co" in seen.text
    assert len(page) < 1e6
    assert "--gin_file='" in seen.text and "/config.gin'" in seen.text


def test_made_again_from_the_files_it_is_the_same(finished, copy):
    """The page of a folder that another program finds, and of a resumed run."""
    first = settled((finished / "report.html").read_text())
    (finished / "report.html").rename(copy / "report.html")
    assert report(run=finished, model=tiny.network) == finished / "report.html"
    assert settled((finished / "report.html").read_text()) == first


def test_a_finished_run_that_is_resumed_has_the_same_page(finished, pictures):
    first = settled((finished / "report.html").read_text())
    (finished / "report.html").unlink()
    config = (finished / "config.gin").read_text()
    changes = {"dataset": DATA, "operative_config": lambda: config, "resume": True}
    tiny.run(pictures, finished, **changes)
    assert settled((finished / "report.html").read_text()) == first


def test_data_that_are_gone_or_moved(copy, pictures, tmp_path):
    moved = tmp_path / "elsewhere"
    odd = (pictures / "image" / ODD).read_bytes()
    pictures.rename(moved)
    try:
        report(run=copy, model=tiny.network)
        page = read(copy)
        assert "img" not in page.tags and len(page.titles) == 9
        assert f"The data set's folder {pictures} is gone" in page.text
        assert sum("mIoU" in head for head in page.heads) == 5
        report(run=copy, model=tiny.network, data_root=moved)
        assert read(copy).tags.count("img") == 20
        (moved / "image" / ODD).write_bytes(b"no image")
        report(run=copy, model=tiny.network, data_root=moved)
        assert "is not an image" in read(copy).text
    finally:
        (moved / "image" / ODD).write_bytes(odd)
        moved.rename(pictures)


def rename_last(run, name):
    """Gives the last validation image another name in the run's record."""
    record = json.loads((run / "run.json").read_text())
    record["validation"]["images"][-1] = name
    (run / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize("name", ["absolute", "../secret.png", "image/link.png"])
def test_images_outside_of_the_data_set_are_not_shown(copy, pictures, tmp_path, name):
    moved = shutil.copytree(pictures, tmp_path / "pictures")
    shutil.copy(moved / "image" / "val_4.png", tmp_path / "secret.png")
    os.symlink("../../secret.png", moved / "image" / "link.png")
    rename_last(copy, str(tmp_path / "secret.png") if name == "absolute" else name)
    report(run=copy, model=tiny.network, data_root=moved)
    page = read(copy)
    assert "img" not in page.tags
    assert "is outside of the data set's folder" in page.text


def test_names_that_are_not_utf8(copy, pictures, tmp_path):
    moved = shutil.copytree(pictures, tmp_path / os.fsdecode(b"pictur\xe9s"))
    name = os.fsdecode(b"image/latin-\xe9\n.png")
    (moved / "image" / "val_4.png").rename(moved / name)
    rename_last(copy, name)
    report(run=copy, model=tiny.network, data_root=moved)
    page = read(copy)
    assert page.tags.count("img") == 20 and r"image/latin-\udce9" in page.text


def test_folders_with_less_in_them(copy, tmp_path, capsys):
    with pytest.raises(InputError, match="holds no training"):
        report(run=tmp_path)
    (copy / "run.json").unlink()
    report(run=copy)
    assert "did not note the counts" in read(copy).text
    os.remove(copy / "best.keras")
    for name in ("config.gin", "versions.json"):
        (copy / name).write_bytes(b"\xff{")
    assert main(["report", f"--output_dir={copy}"]) == 0
    page = read(copy)
    assert "No evaluation is done yet" in page.text and page.tags.count("svg") >= 3
    assert capsys.readouterr().out == f"{copy / 'report.html'}\n"
    assert main(["report", f"--output_dir={tmp_path / 'none'}"]) == 2
    assert "give the --output_dir of one" in capsys.readouterr().err


def test_another_network_than_ours_needs_its_factory(copy):
    report(run=copy)
    assert "The images cannot be shown" in read(copy).text


def test_the_command_builds_our_network_itself(pictures, tmp_path):
    sets = [FileList(pictures, split, num_classes=3) for split in ("train", "val")]
    network = tiny.SMALLEST(num_classes=3)
    confusion = ImageConfusion(3)
    evaluate_model(label_function(network), evaluation_batches(sets[1]), confusion)
    best = BestModel(tmp_path / "best.keras", sets[1])
    best(network, 5, confusion.miou(), confusion)
    notes = record_run(network, *sets, iterations=9, batch_size=2, data_root=pictures)
    write_run_record(notes, tmp_path / "run.json", resumed=False)
    assert main(["report", f"--output_dir={tmp_path}"]) == 0
    page = read(tmp_path)
    assert page.tags.count("img") == 20
    assert "MobileNetV3 small, width 0.35, output stride 32, global" in page.text
    assert page.values[0] == f"{100 * confusion.miou():.1f} %"


def test_many_classes_are_a_picture():
    counts = np.eye(41, dtype=np.int64)
    found = _confusion_table(generic_class_set(41), counts)
    assert not found.rows and found.picture.startswith("data:image/png;base64,")
    assert len(_confusion_table(generic_class_set(40), counts[1:, 1:]).rows) == 40


def test_a_run_that_logged_nothing():
    nothing = RunFiles(Path("run"), None, None, {}, None)
    assert key_figures(nothing) == [] and _curves({}, None) == []
