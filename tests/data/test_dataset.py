"""What a Dataset refuses by itself."""

import functools

import numpy as np
import pytest

from harness.image_files import write_pairs
from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.data import (
    VOC2012,
    Cityscapes,
    Dataset,
    FileList,
    Samples,
    generic_class_set,
)
from keras_lraspp.data.dataset import configured_classes
from keras_lraspp.data.decode import load_sample
from keras_lraspp.errors import InputError


def made(tmp_path, **changes):
    fields = {
        "name": "tiny",
        "root": tmp_path,
        "split": "train",
        "images": (tmp_path / "0.png", tmp_path / "1.png"),
        "labels": (),
        "classes": generic_class_set(3),
        **changes,
    }
    return Dataset(**fields)


def test_its_length_is_the_number_of_images(tmp_path):
    assert (len(made(tmp_path)), made(tmp_path).num_classes) == (2, 3)


def test_a_label_is_needed_for_each_image(tmp_path):
    with pytest.raises(InputError, match="2 images and 1 labels; give one label"):
        made(tmp_path, labels=(tmp_path / "0.png",))


@pytest.mark.parametrize("ignore_label", [-1, 0, 2])
def test_ignore_label_is_above_the_classes(tmp_path, ignore_label):
    sentence = rf"ignore_label {ignore_label} of tiny .* 0\.\.2; choose a larger value"
    with pytest.raises(InputError, match=sentence):
        made(tmp_path, ignore_label=ignore_label)


@pytest.mark.parametrize("ignore_label", [None, 3, 255, 65535])
def test_ignore_label_may_be(tmp_path, ignore_label):
    assert made(tmp_path, ignore_label=ignore_label).ignore_label == ignore_label


def test_it_is_a_source_of_samples(tmp_path):
    dataset = write_pairs(tmp_path, 4)
    assert isinstance(dataset, Samples) and dataset.labelled
    expected = load_sample(dataset.images[2], dataset.labels[2], dataset)
    for found, wanted in zip(dataset.load(2), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert dataset.size(2) == (6, 8)
    assert dataset.source(2) == str(dataset.images[2])


def test_some_of_its_samples(tmp_path):
    dataset = write_pairs(tmp_path, 4)
    chosen = dataset.select([3, 1])
    assert chosen.images == (dataset.images[3], dataset.images[1])
    assert chosen.labels == (dataset.labels[3], dataset.labels[1])
    assert chosen.classes == dataset.classes
    unlabelled = made(tmp_path).select([1])
    assert (unlabelled.images, unlabelled.labels) == ((tmp_path / "1.png",), ())
    assert not unlabelled.labelled


def test_the_classes_of_a_data_set_that_is_not_there():
    voc = functools.partial(VOC2012, augmented=True)
    assert configured_classes(voc, None).names[1] == "aeroplane"
    assert configured_classes(Cityscapes, "nowhere") is CLASS_SETS["cityscapes"]
    assert configured_classes(functools.partial(FileList, num_classes=3), "a") is None
    assert configured_classes(None, None) is None
