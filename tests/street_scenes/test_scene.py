"""Whole scenes: the same for a seed, every class, labels that fit the picture."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from keras_lraspp.classes import CITYSCAPES, CLASS_SETS, cityscapes_lookup
from keras_lraspp.data.datasets.scenes import SceneKey, polygons_json, scene_seed
from keras_lraspp.street_scenes import draw_scene
from keras_lraspp.street_scenes.canvas import LABEL_IDS

IDS = {row.name: row.id for row in CITYSCAPES}
SEEDS = range(40)


def digest(scene):
    return hashlib.sha256(scene.image.tobytes() + scene.label_ids.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(seed, 128, 256) for seed in range(12)]


def test_same_seed_same_pixels_in_another_process(scenes):
    code = (
        "import hashlib; from keras_lraspp.street_scenes import draw_scene;"
        "s = draw_scene(3, 128, 256);"
        "print(hashlib.sha256(s.image.tobytes() + s.label_ids.tobytes()).hexdigest())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == digest(scenes[3]) == digest(draw_scene(3, 128, 256))


def test_other_seeds_draw_other_scenes(scenes):
    assert len({digest(scene) for scene in scenes}) == len(scenes)
    assert np.mean(scenes[0].label_ids != scenes[1].label_ids) > 0.1


@pytest.mark.parametrize(
    ("height", "width"), [(64, 64), (64, 192), (97, 131), (128, 128), (100, 300)]
)
def test_any_size_and_aspect(height, width):
    scene = draw_scene(1, height, width)
    assert scene.image.shape == (height, width, 3)
    assert scene.image.dtype == scene.label_ids.dtype == np.uint8
    assert scene.label_ids.shape == (height, width)
    # A street at any aspect: road below, something else above.
    assert np.mean(scene.label_ids[-height // 4 :] == IDS["road"]) > 0.4
    assert len(np.unique(scene.label_ids)) >= 8
    for _, polygon in scene.objects:
        u, v = np.array(polygon).T
        # Clipping computes with fractions: a corner may miss the edge by a rounding.
        assert u.min() >= -1e-9 and u.max() <= width + 1e-9
        assert v.min() >= -1e-9 and v.max() <= height + 1e-9


def test_same_street_at_twice_the_size(scenes):
    for seed in range(3):
        small, large = scenes[seed], draw_scene(seed, 256, 512)
        assert [label for label, _ in small.objects] == [
            label for label, _ in large.objects
        ]
        assert np.mean(small.label_ids == large.label_ids[::2, ::2]) > 0.94
        # Also the light: a pixel's colour is that of the four in its place.
        mean = large.image.reshape(128, 2, 256, 2, 3).mean(axis=(1, 3))
        assert np.median(np.abs(mean - small.image)) < 6.0


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_class_is_common_and_large_enough(split):
    counts = []
    for index in range(40):
        scene = draw_scene(scene_seed(0, SceneKey(split, index)), 96, 192)
        labels = cityscapes_lookup()[scene.label_ids]
        counts.append(np.bincount(labels.ravel(), minlength=256))
    share = np.array(counts) / (96 * 192)
    names = CLASS_SETS["cityscapes"].names
    for train_id, name in enumerate(names):
        # Half a percent of all pixels, and a patch to learn from in every third scene.
        assert share[:, train_id].mean() > 0.005, name
        assert np.mean(share[:, train_id] > 0.002) > 0.33, name
    assert share[:, 19:255].sum() == 0
    # The ignore label: there in many scenes, never most of one.
    assert np.mean(share[:, 255] > 0.002) > 0.4
    assert share[:, 255].max() < 0.25


def rasterize(text):
    """Draws a polygons file as Cityscapes' own json2labelImg does."""
    annotation = json.loads(text)
    size = (annotation["imgWidth"], annotation["imgHeight"])
    image = Image.new("L", size)
    draw = ImageDraw.Draw(image)
    for entry in annotation["objects"]:
        corners = [tuple(corner) for corner in entry["polygon"]]
        draw.polygon(corners, fill=IDS[entry["label"]])
    return np.asarray(image)


def test_polygons_draw_the_labels(scenes):
    agreement = [
        np.mean(rasterize(polygons_json(scene)) == scene.label_ids) for scene in scenes
    ]
    assert np.mean(agreement) > 0.97
    assert min(agreement) > 0.955
    large = draw_scene(5, 256, 512)
    assert np.mean(rasterize(polygons_json(large)) == large.label_ids) > 0.98


def test_polygons_file_has_the_official_form(scenes):
    annotation = json.loads(polygons_json(scenes[0]))
    assert set(annotation) == {"imgHeight", "imgWidth", "objects"}
    assert (annotation["imgHeight"], annotation["imgWidth"]) == (128, 256)
    for entry in annotation["objects"]:
        assert set(entry) == {"label", "polygon"}
        assert entry["label"] in IDS
        assert len(entry["polygon"]) >= 3
        for u, v in entry["polygon"]:
            assert isinstance(u, int) and isinstance(v, int)
            assert 0 <= u < 256 and 0 <= v < 128


def test_label_edges_lie_on_image_edges(scenes):
    # Moved in any direction, the labels' edges meet weaker edges of the picture.
    shifts = range(-3, 4)
    strength = np.zeros((2, len(shifts)))
    for scene in scenes:
        grey = scene.image.astype(float).mean(axis=2)
        for axis in (0, 1):
            change = np.abs(np.diff(grey, axis=axis))
            edge = np.diff(scene.label_ids.astype(int), axis=axis) != 0
            for k, shift in enumerate(shifts):
                moved = np.roll(edge, shift, axis=axis)
                strength[axis, k] += change[moved].mean()
    for axis in (0, 1):
        best = strength[axis, 3]
        assert best == strength[axis].max()
        assert best > 1.15 * max(strength[axis, 2], strength[axis, 4])
        assert best > 1.8 * max(strength[axis, 0], strength[axis, 6])


def test_sky_is_bright_and_above_the_road(scenes):
    for scene in scenes:
        sky = scene.label_ids == IDS["sky"]
        road = scene.label_ids == IDS["road"]
        rows = np.arange(128)[:, None]
        assert (rows * sky).max() < (rows * road).max()
        assert np.mean((rows * np.ones_like(sky))[sky]) < 0.45 * 128
        if sky.sum() < 200:
            continue
        colour = scene.image[sky].astype(float).mean(axis=0)
        assert colour.mean() > scene.image[road].astype(float).mean()
        # Blue, or the white of clouds and mist, or the yellow of a low sun.
        assert colour[2] > 110


def test_shadow_and_light_vary(scenes):
    means = [scene.image.mean() for scene in scenes]
    assert max(means) - min(means) > 15
    assert all(50 < mean < 190 for mean in means)


def test_label_ids_are_those_of_cityscapes():
    assert LABEL_IDS == {name: IDS[name] for name in LABEL_IDS}
