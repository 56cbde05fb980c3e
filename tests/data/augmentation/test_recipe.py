"""The flip, and the steps put together."""

import numpy as np
import pytest
import tensorflow as tf

from harness.image_files import classes, noise
from keras_lraspp.data import recipe_transform
from keras_lraspp.data.augmentation import color, scale_crop
from keras_lraspp.data.augmentation import recipe as transforms
from keras_lraspp.errors import InputError

SEEDS = 300


def test_image_and_label_are_flipped_together_half_the_time():
    image, label = noise(3, 5), classes(3, 5, num_classes=256)

    @tf.function
    def flip(seed):
        return transforms.random_flip(image, label, tf.stack([seed, 1]))

    flipped = 0
    for seed in tf.range(SEEDS):
        got, labels = flip(seed)
        mirrored = bool((got.numpy() == image[:, ::-1]).all())
        np.testing.assert_array_equal(got, image[:, ::-1] if mirrored else image)
        np.testing.assert_array_equal(labels, label[:, ::-1] if mirrored else label)
        flipped += mirrored
    assert 0.4 < flipped / SEEDS < 0.6


@pytest.mark.parametrize(("probability", "columns"), [(0.0, 1), (1.0, -1)])
def test_flip_never_and_always(probability, columns):
    image, label = noise(3, 5), classes(3, 5)
    for seed in range(8):
        got, labels = transforms.random_flip(
            image, label, tf.constant([seed, 1]), probability=probability
        )
        np.testing.assert_array_equal(got, image[:, ::columns])
        np.testing.assert_array_equal(labels, label[:, ::columns])


def test_steps_run_in_order_each_with_a_seed_of_its_own():
    seen = []

    def step(name):
        def apply(image, label, seed):
            seen.append((name, tuple(np.asarray(seed).tolist())))
            return image * 2 + len(seen), label

        return apply

    image, label = transforms.compose(step("a"), step("b"), step("c"))(1, 7, [3, 4])
    assert [name for name, _ in seen] == ["a", "b", "c"]
    assert (image, label) == (((1 * 2 + 1) * 2 + 2) * 2 + 3, 7)
    assert len({seed for _, seed in seen}) == 3


def test_the_recipe_is_crop_flip_color_in_this_order(monkeypatch):
    seen = []

    def spy(module, name, keys):
        original = getattr(module, name)

        def step(image, label, seed, **settings):
            seen.append((name, {key: settings[key] for key in keys}))
            return original(image, label, seed, **settings)

        monkeypatch.setattr(transforms, name, step)

    spy(scale_crop, "random_scale_crop", ("crop_size", "scales", "ignore_label"))
    spy(transforms, "random_flip", ("probability",))
    spy(color, "random_color", ("probability", "factors", "hue"))
    image, label = recipe_transform()(noise(8, 8), classes(8, 8), tf.constant([0, 1]))
    scales = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    assert seen == [
        (
            "random_scale_crop",
            {"crop_size": (512, 1024), "scales": scales, "ignore_label": 255},
        ),
        ("random_flip", {"probability": 0.5}),
        ("random_color", {"probability": 0.5, "factors": (0.5, 1.5), "hue": 18.0}),
    ]
    assert image.shape == (512, 1024, 3) and label.shape == (512, 1024)


def test_with_everything_off_nothing_changes():
    image, label = noise(6, 7), classes(6, 7)
    transform = recipe_transform(crop_size=(6, 7), scales=(1.0,), flip=0, color=0)
    got, labels = transform(image, label, tf.constant([5, 6]))
    np.testing.assert_array_equal(got, image)
    np.testing.assert_array_equal(labels, label)


def test_labels_follow_the_pixels():
    """Without colour, a pixel of a doubled image tells the label that belongs to it."""
    label = classes(12, 12)
    image = np.repeat(label[..., None] * 50, 3, -1)
    transform = recipe_transform(crop_size=(7, 5), scales=(1.0,), color=0)
    for seed in range(20):
        got, labels = transform(image, label, tf.constant([seed, 0]))
        np.testing.assert_array_equal(got[..., 0], labels.numpy() * 50)


def test_the_same_in_tf_data_as_eagerly_and_again():
    image, label = tf.constant(noise(20, 30)), tf.constant(classes(20, 30))
    transform = recipe_transform(crop_size=(12, 16))

    def sample(seed):
        return transform(image, label, tf.stack([seed, 9]))

    first, again = (list(tf.data.Dataset.range(10).map(sample)) for _ in range(2))
    eager = [sample(tf.constant(seed, tf.int64)) for seed in range(10)]
    for other in (again, eager):
        for (got, labels), (wanted, wanted_labels) in zip(first, other, strict=True):
            np.testing.assert_array_equal(got, wanted)
            np.testing.assert_array_equal(labels, wanted_labels)
    assert len({got.numpy().tobytes() for got, _ in first}) == 10


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"crop_size": (0, 4)}, r"crop_size\[0\] is a whole number from 1 .*, not 0"),
        ({"crop_size": (4,)}, "crop_size is a list of 2, not a list of 1"),
        ({"scales": ()}, "scales is a list of length from 1 to 1000, not a list of 0"),
        (
            {"scales": (1.0, -1.0)},
            r"scales\[1\] is a number from 0.01 to 100, not -1.0",
        ),
        ({"flip": 1.5}, "flip is a number from 0 to 1, not 1.5"),
        ({"color": -0.1}, "color is a number from 0 to 1, not -0.1"),
        ({"color_factors": (1.5, 0.5)}, r"\(lowest, highest\), not \(1.5, 0.5\)"),
        ({"color_factors": 0.5}, "color_factors is a list of 2, not 0.5"),
        ({"crop_size": 512}, "crop_size is .* not 512"),
        ({"scales": 1.0}, "scales is .* not 1.0"),
    ],
)
def test_settings_outside_their_range(settings, says):
    with pytest.raises(InputError, match=says):
        recipe_transform(**settings)
