"""The loop of every evaluation."""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.loop import evaluate_model, update_confusions
from keras_lraspp.metrics import ConfusionMatrix


def test_counting_overlaps_and_nothing_piles_up():
    """While one batch is counted the next is predicted; the third waits."""
    log = []

    class Slow(ConfusionMatrix):
        def update(self, labels, predictions):
            time.sleep(0.05)
            super().update(labels, predictions)
            log.append("counted")

    def predict(images):
        log.append("predicted")
        return images[..., 0]

    batches = [
        (np.full((2, 3, 3, 3), i, np.uint8), np.full((2, 3, 3), i)) for i in range(4)
    ]
    confusion, done = Slow(4), []
    evaluate_model(predict, batches, confusion, done.append)
    assert confusion.counts.tolist() == (18 * np.eye(4)).tolist()
    assert done == [2, 2, 2, 2]
    assert log == ["predicted", *["predicted", "counted"] * 3, "counted"]


def test_a_bad_label_ends_the_evaluation():
    batches = [(np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2), 9))]
    with pytest.raises(InputError, match="hold 9"):
        evaluate_model(lambda images: images[..., 0], batches, ConfusionMatrix(4))


def test_several_predictions_of_the_same_images_and_a_sink():
    rng = np.random.default_rng(0)
    batches = [(rng.integers(0, 4, (2, 3, 3, 3)), np.full((2, 3, 3), 1)) for _ in "abc"]
    confusions, seen = [ConfusionMatrix(4), ConfusionMatrix(4)], []
    update_confusions(
        lambda images: (images[..., 0], images[..., 1]),
        batches,
        confusions,
        sink=seen.append,
    )
    pixels = np.concatenate([images for images, _ in batches])
    np.testing.assert_array_equal(np.concatenate(seen), pixels[..., 0])
    for channel, confusion in enumerate(confusions):
        guessed = np.bincount(pixels[..., channel].ravel(), minlength=4)
        np.testing.assert_array_equal(confusion.counts[1], guessed)


def test_without_labels_nothing_is_counted():
    confusion, seen = ConfusionMatrix(4), []
    batches = [(np.zeros((1, 2, 2, 3)), None)]
    update_confusions(
        lambda images: [images[..., 0]], batches, [confusion], sink=seen.append
    )
    assert confusion.counts.sum() == 0 and len(seen) == 1


def test_two_devices_work_at_the_same_time_and_results_stay_in_order():
    scope, used, both = threading.local(), [], threading.Barrier(2)

    def device(name):
        @contextmanager
        def enter():
            scope.name = name
            yield

        return enter

    def predict(images):
        both.wait(timeout=30)  # two at once, or it would not go on
        used.append(scope.name)
        return [images[..., 0]]

    batches = [(np.full((1, 1, 1, 3), i), np.full((1, 1, 1), i)) for i in range(6)]
    confusion, seen = ConfusionMatrix(6), []
    devices = [device("first"), device("second")]
    update_confusions(predict, batches, [confusion], sink=seen.append, devices=devices)
    assert sorted(used) == ["first"] * 3 + ["second"] * 3
    assert np.concatenate(seen).ravel().tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(confusion.counts, np.eye(6))
