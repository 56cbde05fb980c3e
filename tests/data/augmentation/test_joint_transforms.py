"""What holds for every transform: image and label together, and the seed decides."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from harness.image_files import classes, noise
from keras_lraspp.data import (
    blur_transform,
    keras_cv_transform,
    recipe_transform,
    rotation_transform,
    scale_aspect_transform,
    training_batches,
    transforms_in_order,
)
from keras_lraspp.data.pipeline_errors import input_errors
from keras_lraspp.data.window import CropFirst
from keras_lraspp.errors import InputError

SIZE = (24, 36)
CROP = partial(recipe_transform, crop_size=(16, 20), color=0.0)
TRANSFORMS = {
    "blur": partial(blur_transform, probability=0.9),
    "rotation": partial(rotation_transform, probability=0.9, max_degrees=30),
    "scale_aspect": scale_aspect_transform,
    "balanced": partial(CROP, max_class_share=0.2, crop_tries=5),
    "keras_cv": partial(keras_cv_transform, crop_size=(16, 20), operations=1),
    "in_order": partial(
        transforms_in_order,
        steps=[partial(rotation_transform, expand=True), CROP, blur_transform],
    ),
}
BEYOND_A_BYTE = 70_000


def picture(dtype=np.uint8, ignored=255, seed=0):
    label = classes(6, 9, num_classes=8, seed=seed).astype(dtype)
    label = label.repeat(4, 0).repeat(4, 1)
    label[:3, :5] = ignored
    return noise(*SIZE, seed=seed), label


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "keras_cv"])
def test_types_and_classes_stay(name):
    image, label = picture(np.int32, BEYOND_A_BYTE)
    transform = TRANSFORMS[name](ignore_label=BEYOND_A_BYTE)
    for seed in range(4):
        got, labels = transform(
            tf.constant(image), tf.constant(label), tf.constant([seed, 6])
        )
        assert got.dtype == tf.uint8 and labels.dtype == tf.int32
        assert got.shape == (*labels.shape, 3)
        assert set(np.unique(labels)) <= set(np.unique(label))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_seed_decides_and_nothing_else(name):
    """Eagerly, in tf.data with any number of threads, with sizes known or not."""
    image, label = picture()
    transform = TRANSFORMS[name](ignore_label=255)

    def sample(seed):
        return transform(tf.constant(image), tf.constant(label), tf.stack([seed, 9]))

    def of_unknown_size(seed):
        types = (
            tf.TensorSpec((None, None, 3), tf.uint8),
            tf.TensorSpec((None, None), tf.uint8),
        )
        read = tf.py_function(lambda: (image, label), [], types)
        return transform(*read, tf.stack([seed, 9]))

    eager = [sample(tf.constant(seed, tf.int64)) for seed in range(8)]
    for function, threads in ((sample, None), (of_unknown_size, 8)):
        seeds = tf.data.Dataset.range(8)
        mapped = list(seeds.map(function, num_parallel_calls=threads))
        for (got, labels), (wanted, wanted_labels) in zip(mapped, eager, strict=True):
            np.testing.assert_array_equal(got, wanted)
            np.testing.assert_array_equal(labels, wanted_labels)
    assert got.dtype == tf.uint8 and labels.dtype == tf.uint8
    assert len({got.numpy().tobytes() for got, _ in eager}) >= 6


class Pictures:
    """Pictures in memory, as a data set."""

    name, split, labelled, num_classes, ignore_label = "pictures", "train", True, 8, 255

    def __len__(self):
        return 6

    def load(self, index):
        return picture(seed=index)


@pytest.mark.parametrize("name", ["keras_cv", "in_order"])
def test_a_training_can_start_anywhere_in_its_stream(name):
    transform = TRANSFORMS[name](ignore_label=255)

    def batches(**where):
        stream = training_batches(
            Pictures(), transform=transform, batch_size=2, seed=4, **where
        )
        return stream.take(3).as_numpy_iterator()

    (*_, third), (other, *_) = batches(), batches(start_step=2)
    assert third[0].shape == (2, 16, 20, 3) and third[1].shape == (2, 16, 20)
    for one, same in zip(third, other, strict=True):
        np.testing.assert_array_equal(one, same)


def test_without_a_crop_images_of_one_size_are_wanted():
    expanded = partial(rotation_transform, probability=1.0, expand=True)
    transform = transforms_in_order(steps=[expanded])
    batches = training_batches(Pictures(), transform=transform, batch_size=3)
    with pytest.raises(InputError, match="images of several sizes.*let it crop"):
        with input_errors():
            next(iter(batches))


def test_only_a_crop_in_front_looks_at_parts():
    assert isinstance(transforms_in_order(steps=[CROP, blur_transform]), CropFirst)
    assert not isinstance(transforms_in_order(steps=[blur_transform, CROP]), CropFirst)
    assert not isinstance(TRANSFORMS["balanced"](), CropFirst)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ((), r"is a list of transforms, .* not \(\)"),
        (recipe_transform, "is a list of transforms"),
        ([3], r"not \[3\]"),
        ([recipe_transform()], r"names transforms without \(\), as @recipe_transform"),
    ],
)
def test_steps_that_are_none(steps, says):
    with pytest.raises(InputError, match=says):
        transforms_in_order(steps=steps)
