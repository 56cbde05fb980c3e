"""The result of a segmentation: shares, probabilities, overlay and files."""

import copy
import io
import pickle

import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp import Segmenter
from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.legends import legend
from keras_lraspp.prediction.outputs import DrawingStyle, image_jobs, write_results
from keras_lraspp.prediction.segmentation import (
    ClassTable,
    ClassTotals,
    Segmentation,
)
from keras_lraspp.visualize import colorize, overlay

CLASSES = ClassSet(
    ("road", "sky", "car", "tree", "cat", "dog"),
    ((9, 8, 7), (200, 0, 0), (0, 0, 200), (0, 99, 0), (9, 9, 99), (99, 9, 9)),
)
# 6 pixels of sky, 3 of road, 2 of tree and 1 that is no class.
LABELS = np.uint8([[1, 1, 1, 0], [1, 1, 1, 0], [3, 3, 255, 0]])


def drawn(labels=LABELS, **options):
    return Segmentation(random_images(*labels.shape), labels, CLASSES, **options)


def test_classes_with_their_shares():
    rows = drawn().classes
    assert [(row.name, row.pixels, row.label) for row in rows] == [
        ("sky", 6, 1),
        ("road", 3, 0),
        ("tree", 2, 3),
    ]
    assert [row.share for row in rows] == [6 / 12, 3 / 12, 2 / 12]
    assert rows[0].color == (200, 0, 0)
    assert rows[0]._fields == ("name", "share", "pixels", "label", "color")
    assert str(rows).splitlines() == [
        "sky    50.0 %           6",
        "road   25.0 %           3",
        "tree   16.7 %           2",
    ]
    assert str(ClassTable()) == ""


def test_shares_of_wide_labels_and_many_pixels():
    labels = np.random.default_rng(0).integers(-2, 7, (1100, 1000), np.int32)
    rows = drawn(labels).classes
    values, counts = np.unique(labels, return_counts=True)
    expected = dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert {row.label: row.pixels for row in rows} == {k: expected[k] for k in range(6)}
    assert [*rows] == sorted(rows, key=lambda row: -row.pixels)


def test_totals_of_images():
    totals = ClassTotals(CLASSES.names, "frames")
    assert totals.table() == ""
    totals.add(LABELS)
    totals.add(np.full((4, 3), 5, np.int32))
    totals.add(np.full((1, 1), -1, np.int32))
    # 25 pixels, 2 of them of no class.
    assert totals.table().splitlines() == [
        "class    pixels    frames",
        "dog      48.0 %         1",
        "sky      24.0 %         1",
        "road     12.0 %         1",
        "tree      8.0 %         1",
    ]
    totals.add(np.full((5, 5), 1, np.uint8))
    assert totals.table().splitlines()[1] == "sky      62.0 %         2"


@pytest.mark.parametrize(("count", "rest"), [(12, "n11"), (13, "2 more"), (300, "289")])
def test_totals_of_many_classes_are_short(count, rest):
    totals = ClassTotals([f"n{index}" for index in range(count)], "images")
    labels = np.repeat(np.arange(count), np.arange(count + 1, 1, -1))[None]
    totals.add(labels.astype(np.uint8 if count <= 256 else np.int32))
    lines = totals.table().splitlines()
    assert len(lines) == 13 and lines[-1].startswith(rest)
    # Class i has count + 1 - i pixels.
    pixels = np.arange(count + 1, 1, -1)
    share = 100 * pixels[11:].sum() / pixels.sum()
    assert lines[-1].split(" %")[0].endswith(f"{share:.1f}")


def test_a_line_says_what_is_there():
    assert repr(drawn(name="street")) == (
        "<Segmentation 'street', 3x4: sky 50.0 %, road 25.0 %, tree 16.7 %, "
        "no class 8.3 %>"
    )
    labels = np.zeros((100, 100), np.uint8)
    labels[0, :5] = range(1, 6)
    assert "road 100.0 %, sky <0.1 %" in repr(drawn(labels))
    assert repr(drawn(labels)).endswith("tree <0.1 %, 2 more>")


def test_pictures():
    result = drawn()
    np.testing.assert_array_equal(result.color(), colorize(LABELS, CLASSES.palette))
    plain = overlay(result.image, LABELS, CLASSES.palette, 0.3, False)
    found = result.overlay(opacity=0.3, borders=False)
    np.testing.assert_array_equal(found, plain)
    named = result.overlay(legend=True)
    strip = legend(
        LABELS, CLASSES.names, CLASSES.palette, width=named.shape[1], font_size=13
    )
    np.testing.assert_array_equal(named[3:], strip)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_pictures_of_other_channels_than_rgb(channels):
    image = random_images(3, 4).repeat(2, -1)[..., :channels]
    result = Segmentation(image, LABELS, CLASSES)
    plain = result.overlay(opacity=0.0, borders=False)
    expected = image[..., [0, 1, 2]] if channels > 3 else image[..., [0, 0, 0]]
    np.testing.assert_array_equal(plain, expected)
    assert result._repr_png_().startswith(b"\x89PNG")


def test_files_are_those_of_the_predict_command(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    kinds = ("labels", "color", "overlay", "probabilities")
    soft = np.random.default_rng(0).random((3, 4, 6), np.float32)
    result = drawn(name="street", probabilities=soft)
    paths = result.save("~/ours", kinds, opacity=0.7, legend=True)
    source = tmp_path / "images" / "street.jpg"
    (job,) = image_jobs(source.parent, [source], tmp_path / "theirs", kinds)
    style = DrawingStyle(classes=CLASSES, opacity=0.7, legend=True)
    write_results(job, style, result.image, LABELS, soft.astype(np.float16))
    assert [*paths] == [*kinds]
    for kind, path in job.results.items():
        assert paths[kind] == tmp_path / "ours" / path.name
        assert paths[kind].read_bytes() == path.read_bytes()
    assert len([*(tmp_path / "ours").iterdir()]) == 4


def test_files_by_default_and_one_of_them(tmp_path):
    assert [*drawn().save(tmp_path)] == ["labels", "color", "overlay"]
    found = np.asarray(Image.open(tmp_path / "image_labels.png"))
    np.testing.assert_array_equal(found, LABELS)
    assert [*drawn(name="b").save(tmp_path / "b", "color")] == ["color"]
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["b_color.png"]


def test_files_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="^outputs are some of labels, .*'masks'"):
        drawn().save(tmp_path, "masks")
    with pytest.raises(InputError, match="opacity"):
        drawn().save(tmp_path, opacity=2)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file/image_labels.png"):
        drawn().save(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_notebook_gets_a_small_picture():
    labels = np.zeros((900, 3000), np.uint8)
    labels[:, 1500:] = 1
    labels[0, 0] = 4  # too small to be seen, but in the legend
    result = drawn(labels)
    picture = Image.open(io.BytesIO(result._repr_png_()))
    width, height = picture.size
    assert width == 1000 and 300 < height < 400
    pixels = np.asarray(picture)
    image = result.image.reshape(300, 3, 1000, 3, 3).mean((1, 3))
    for column, label in ((250, 0), (750, 1)):
        mixed = (image[:, column] + CLASSES.palette[label]) / 2
        np.testing.assert_allclose(pixels[5:300, column], mixed[5:], atol=1.1)
    colors = {tuple(color) for color in pixels[300:].reshape(-1, 3).tolist()}
    assert {CLASSES.palette[label] for label in (0, 1, 4)} <= colors
    tiny = Image.open(io.BytesIO(drawn(np.zeros((1, 5000), np.uint8))._repr_png_()))
    assert tiny.size[0] == 1000


@pytest.mark.backends
def test_probabilities_are_made_when_they_are_asked_for():
    calls, model = [], pixel_model(6)
    segmenter = Segmenter(model, CLASSES)
    network = segmenter.predictor.probabilities

    def counted(images):
        calls.append(images.shape)
        return network(images)

    segmenter.predictor.probabilities = counted
    image = random_images(5, 7)
    result = segmenter.predict(image)
    assert calls == []
    soft = result.probabilities
    np.testing.assert_array_equal(soft, segmenter.probabilities(image))
    assert result.probabilities is soft and len(calls) == 2

    calls.clear()
    kept = segmenter.predict(image, probabilities=True)
    np.testing.assert_array_equal(kept.probabilities, soft)
    np.testing.assert_array_equal(kept.labels, expected_labels(model, image))
    assert calls == [(1, 5, 7, 3)]


def test_results_travel_without_the_network():
    result = Segmenter(pixel_model(6), CLASSES).predict(random_images(5, 7))
    for same in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        np.testing.assert_array_equal(same.labels, result.labels)
        assert same.classes == result.classes
        with pytest.raises(InputError, match="predict.image, probabilities=True"):
            _ = same.probabilities
    assert len(pickle.dumps(result)) < 2000
    soft = result.probabilities
    np.testing.assert_array_equal(copy.deepcopy(result).probabilities, soft)
