"""Parts of images: decoded alone they are what Pillow cuts out of the whole."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from harness.image_files import classes, dataset_of, noise, palette_image, save
from keras_lraspp.data import (
    Shards,
    blur_transform,
    recipe_transform,
    training_batches,
    transforms_in_order,
)
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.data.shards.writer import ShardOptions, write_shards
from keras_lraspp.data.window import CropFirst, RegionReadable, Window, full_image

SIZE = (21, 34)
COUNT = 4
WINDOWS = [
    full_image(*SIZE),
    Window(*SIZE, 3, 17, 5, 30),
    Window(*SIZE, 8, 16, 16, 32),  # one tile
    Window(*SIZE, 7, 9, 15, 17),  # where four tiles meet
    *(Window(*SIZE, y, y + 1, x, x + 1) for y in (0, 9, 20) for x in (0, 16, 33)),
    Window(*SIZE, 20, 21, 0, 34),
]


def files(root, kind):
    """Four samples whose images are of a kind; every other label has a palette."""
    images, labels = [], []
    for index in range(COUNT):
        image = save(root / f"{index}.{kind}", noise(*SIZE, seed=index))
        label = root / f"{index}_label.png"
        pixels = classes(*SIZE, seed=index)
        (palette_image(pixels) if index % 2 else Image.fromarray(pixels)).save(label)
        images.append(image)
        labels.append(label)
    return dataset_of(images, labels)


@pytest.fixture(scope="module", params=["png", "jpg"])
def listed(request, tmp_path_factory):
    return files(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def sharded(listed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "shards"
    options = ShardOptions(tile=TileSize(8, 16), progress=False)
    write_shards([listed], folder, options)
    return Shards(folder)


@pytest.fixture(params=["files", "shards"])
def samples(request, listed, sharded):
    return listed if request.param == "files" else sharded


@pytest.mark.parametrize("window", WINDOWS, ids=lambda w: "-".join(map(str, w[2:])))
def test_a_window_is_what_pillow_cuts_out(samples, listed, window):
    assert isinstance(samples, RegionReadable)
    box = window.left, window.top, window.right, window.bottom
    for index in range(COUNT):
        assert samples.size(index) == SIZE
        image, label = samples.load_window(index, window)
        with Image.open(listed.images[index]) as expected:
            np.testing.assert_array_equal(image, np.asarray(expected.crop(box)))
        with Image.open(listed.labels[index]) as expected:
            np.testing.assert_array_equal(label, np.asarray(expected.crop(box)))


CROPS = {
    "half": {"scales": (0.5,), "crop_size": (6, 9)},
    "double": {"scales": (2.0,), "crop_size": (16, 24)},
    "the recipe": {"crop_size": (8, 12)},
    "larger than the image": {"scales": (0.5, 1.0), "crop_size": (26, 40)},
    "wider than the image": {"scales": (1.0,), "crop_size": (20, 50)},
    "one pixel": {"scales": (0.5, 1.0, 2.0), "crop_size": (1, 1)},
}


@pytest.mark.parametrize("settings", CROPS.values(), ids=CROPS)
def test_the_part_alone_gives_the_same_crop(settings):
    transform = recipe_transform(color=0.0, **settings)
    image, label = noise(*SIZE), classes(*SIZE)

    @tf.function
    def both(seed):
        seed = tf.stack([seed, 5])
        window = transform.window(tf.constant(SIZE[0]), tf.constant(SIZE[1]), seed)
        rows, columns = (
            slice(window.top, window.bottom),
            slice(window.left, window.right),
        )
        part = tf.constant(image)[rows, columns], tf.constant(label)[rows, columns]
        return (
            transform(*part, seed, window=window),
            transform(tf.constant(image), tf.constant(label), seed),
            tf.stack(window),
        )

    sizes = set()
    for number in tf.range(40):
        (own, own_label), (expected, expected_label), window = both(number)
        np.testing.assert_array_equal(own, expected)
        np.testing.assert_array_equal(own_label, expected_label)
        window = Window(*window.numpy().tolist())
        assert 0 <= window.top < window.bottom <= SIZE[0] == window.height
        assert 0 <= window.left < window.right <= SIZE[1] == window.width
        sizes.add((window.bottom - window.top, window.right - window.left))
    assert (sizes == {SIZE}) == (settings["crop_size"][1] > SIZE[1])


def test_a_step_that_needs_all_of_the_image_has_no_window():
    assert isinstance(recipe_transform(crop_size=(8, 8)), CropFirst)
    assert not isinstance(
        recipe_transform(crop_size=(8, 8), max_class_share=0.5), CropFirst
    )
    recipe = partial(recipe_transform, crop_size=(8, 8))
    after = transforms_in_order(steps=[recipe, blur_transform])
    before = transforms_in_order(steps=[blur_transform, recipe])
    assert isinstance(after, CropFirst) and not isinstance(before, CropFirst)


class Watched:
    """Samples that note how much of them is decoded."""

    def __init__(self, samples):
        self._samples, self.whole, self.pixels = samples, 0, []

    def __getattr__(self, name):
        return getattr(self._samples, name)

    def __len__(self):
        return len(self._samples)

    def size(self, index):
        return self._samples.size(index)

    def load(self, index):
        self.whole += 1
        return self._samples.load(index)

    def load_window(self, index, window):
        part = self._samples.load_window(index, window)
        self.pixels.append(part[0].shape[0] * part[0].shape[1])
        return part


def first(steps, samples, **settings):
    given = {"transform": recipe_transform(crop_size=(8, 12)), "batch_size": 2}
    batches = training_batches(samples, seed=4, **{**given, **settings})
    images, labels = zip(*batches.take(steps).as_numpy_iterator(), strict=True)
    return np.stack(images), np.stack(labels)


PNG = pytest.mark.parametrize("listed", ["png"], indirect=True)


@PNG
def test_no_more_is_decoded_than_the_transform_looks_at(samples):
    watched = Watched(samples)
    crop = partial(recipe_transform, scales=(2.0,), color=0.0)
    first(4, watched, transform=crop(crop_size=(8, 12)))
    assert not watched.whole and max(watched.pixels) <= (4 + 3) * (6 + 3)
    first(2, watched, transform=crop(crop_size=(8, 12), max_class_share=0.9))
    assert watched.whole >= 4


@PNG
def test_decoding_parts_or_all_makes_no_difference(listed):
    images, labels = first(6, listed)
    step = recipe_transform(crop_size=(8, 12))

    def unwindowed(image, label, seed):
        return step(image, label, seed)

    own_images, own_labels = first(6, listed, transform=unwindowed)
    np.testing.assert_array_equal(own_images, images)
    np.testing.assert_array_equal(own_labels, labels)
