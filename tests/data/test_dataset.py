"""What a Dataset refuses by itself."""

import pytest

from keras_lraspp.data import Dataset, generic_class_set
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
