"""Which images an export is measured on, and the score that it must keep."""

import numpy as np
import pytest

from keras_lraspp.classes import generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.export.parity import (
    ParityError,
    compare_miou,
    evenly_spaced,
    load_images,
    open_split,
)

TRUTH = np.array([[0, 0, 1, 1], [0, 0, 1, 255]], np.uint8)


class Toy:
    """Ten images; image i is grey of value i."""

    name, split, num_classes, ignore_label, labelled = "toy", "val", 2, 255, True
    classes = generic_class_set(2)

    def __len__(self):
        return 10

    def load(self, index):
        return np.full((2, 4, 3), index, np.uint8), TRUTH


@pytest.mark.parametrize(
    "count, indices",
    [
        (1, [0]),
        (2, [0, 9]),
        (4, [0, 3, 6, 9]),
        (10, list(range(10))),
        (99, list(range(10))),
    ],
)
def test_images_are_spread_over_the_set(count, indices):
    assert evenly_spaced(Toy(), count) == indices
    seen = [image[0, 0, 0] for image in load_images(Toy(), count)]
    assert seen == indices


def test_without_a_data_set_there_are_none():
    assert list(load_images(None, 4)) == []
    assert open_split(None, None, "val", 2, None) is None


def test_other_classes_do_not_certify():
    with pytest.raises(InputError, match="3 classes; toy has 2"):
        open_split(lambda split: Toy(), None, "val", 3, "--precision=int8")
    found = open_split(lambda split: Toy(), None, "val", 3, None)
    assert found.name == "toy"


def right(images):
    return np.where(TRUTH == 255, 0, TRUTH)[None]


def wrong_at(row, column):
    def labels(images):
        found = right(images)
        found[0, row, column] = 1 - found[0, row, column]
        return found

    return labels


def test_the_mean_iou_of_both():
    """One of 7 pixels wrong: IoU 3/4 and 3/4."""
    with pytest.raises(ParityError, match="mIoU of 75.00% where .* has 100.00%"):
        compare_miou(right, wrong_at(0, 0), Toy(), 3, (2, 4), "It")
    found = compare_miou(wrong_at(0, 0), right, Toy(), 3, (2, 4), "It")
    assert found == {
        "miou": 1.0,
        "model_miou": 0.75,
        "miou_change": 0.25,
        "images": 3,
        "dataset": "toy",
        "split": "val",
    }
    ignored = compare_miou(right, wrong_at(1, 3), Toy(), 3, (2, 4), "It")
    assert ignored["miou_change"] == 0


def test_images_and_labels_get_the_exported_size():
    seen = []

    def labels(images):
        seen.append(images.shape)
        return right(images).repeat(2, 1).repeat(2, 2)

    assert compare_miou(labels, labels, Toy(), 1, (4, 8), "It")["miou"] == 1.0
    assert seen == [(1, 4, 8, 3)] * 2
