"""Crops that no class fills: shares are counted by NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from harness.image_files import classes, noise
from keras_lraspp.data import recipe_transform
from keras_lraspp.data.augmentation import scale_crop
from keras_lraspp.data.augmentation import scale_crop as balanced_crop
from keras_lraspp.errors import InputError

SEEDS = 40
CROP = {"crop_size": (12, 16), "scales": (0.75, 1.0, 1.5)}


def share_of(label, ignored=255):
    counted = label[label != ignored]
    return max(np.bincount(counted)) / counted.size if counted.size else 1.0


def mostly_road():
    """A label with one class but for a band of others on the right."""
    label = np.zeros((40, 60), np.uint8)
    label[:, 45:] = classes(40, 15, num_classes=6)
    label[5:9] = 255
    return label


def cropped(max_class_share, tries, label, scales=CROP["scales"]):
    """Crops of an image that shows its labels, for many seeds."""
    image = tf.constant(np.repeat(label[..., None], 3, -1).astype(np.uint8))
    label = tf.constant(label)

    @tf.function
    def crop(seed):
        return balanced_crop.random_balanced_crop(
            image,
            label,
            tf.stack([seed, 2]),
            crop_size=CROP["crop_size"],
            scales=scales,
            max_class_share=max_class_share,
            tries=tries,
        )

    return [[part.numpy() for part in crop(seed)] for seed in tf.range(SEEDS)]


@pytest.mark.parametrize(
    "label",
    [
        classes(9, 7),
        np.full((3, 3), 255),
        np.array([[1, 1, 255], [2, 1, 7]]),
        [[-1, 4]],
    ],
)
def test_the_share_is_numpys(label):
    label = np.asarray(label, np.int32)
    ignored = -1 if label.min() < 0 else 255
    got = balanced_crop.largest_class_share(tf.constant(label), ignored)
    assert float(got) == pytest.approx(share_of(label, ignored))


def test_no_class_exceeds_the_share_where_that_can_be():
    label = mostly_road()
    first = [share_of(labels) for _, labels in cropped(1.0, 1, label)]
    tried = [share_of(labels) for _, labels in cropped(0.7, 16, label)]
    assert np.mean(np.array(first) > 0.7) > 0.5  # there is something to do
    assert np.mean(np.array(tried) > 0.7) < 0.05
    # A first crop that is good enough is kept.
    for before, after in zip(first, tried, strict=True):
        assert after == before if before <= 0.7 else after <= before


def test_of_crops_that_all_exceed_the_share_the_best_is_taken():
    label = mostly_road()
    results = [
        np.array([share_of(labels) for _, labels in cropped(0.01, tries, label)])
        for tries in (1, 3, 10)
    ]
    assert (results[1] <= results[0]).all() and (results[2] <= results[1]).all()
    assert results[0].mean() > results[1].mean() > results[2].mean()


def test_with_any_share_it_is_the_recipes_crop():
    image, label = noise(30, 40), classes(30, 40)
    for seed in range(10):
        seed = tf.constant([seed, 8])
        wanted = scale_crop.random_scale_crop(image, label, seed, **CROP)
        got = balanced_crop.random_balanced_crop(
            image, label, seed, **CROP, max_class_share=1.0, tries=5
        )
        for one, other in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_scale_stays_while_offsets_are_tried():
    """Each row of the image counts its columns, so that a crop tells its scale."""
    columns = np.arange(60, dtype=np.uint8)
    label = np.broadcast_to(columns, (40, 60)).copy()
    label[:, :30] = 0
    image = np.repeat(np.broadcast_to(columns, (40, 60))[..., None], 3, -1)

    def slope(max_class_share, seed):
        got, _ = balanced_crop.random_balanced_crop(
            image,
            label,
            tf.constant([seed, 1]),
            **CROP,
            max_class_share=max_class_share,
            tries=10,
        )
        row = got.numpy()[0, 2:-2, 0].astype(float)
        found = 1 / np.polyfit(range(len(row)), row, 1)[0]
        return min(CROP["scales"], key=lambda scale: abs(scale - found))

    pairs = [(slope(1.0, seed), slope(0.2, seed)) for seed in range(12)]
    assert all(one == other for one, other in pairs)
    assert len({one for one, _ in pairs}) == 3


def test_image_and_label_are_cropped_together():
    results = cropped(0.5, 10, mostly_road(), scales=(1.0,))
    for image, labels in results:
        np.testing.assert_array_equal(image, np.repeat(labels[..., None], 3, -1))
    assert len({labels.tobytes() for _, labels in results}) > 30


def test_through_the_recipe():
    label = mostly_road()
    image = noise(40, 60)
    settings = {**CROP, "color": 0.0, "flip": 0.0}
    plain = recipe_transform(**settings)
    balanced = recipe_transform(**settings, max_class_share=0.6)
    before, after = (
        np.array([share_of(t(image, label, [s, 3])[1].numpy()) for s in range(20)])
        for t in (plain, balanced)
    )
    assert (after <= before).all() and after.mean() < before.mean() - 0.1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"max_class_share": 0},
            "max_class_share is a number above 0 and at most 1 .* not 0",
        ),
        ({"max_class_share": 75}, "max_class_share is .* not 75"),
        (
            {"max_class_share": 0.5, "crop_tries": 0},
            "crop_tries is a whole number from 1 to 1000, not 0",
        ),
    ],
)
def test_settings_outside_their_range(settings, says):
    with pytest.raises(InputError, match=says):
        recipe_transform(**settings)
