"""The two files of a confusion matrix: their names and what they hold."""

import csv

import numpy as np
import pytest
from PIL import Image

from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.submission import write_confusion
from keras_lraspp.visualize import confusion_picture

COUNTS = np.array([[2**40, 3], [0, 5]])
NAMES = ("car, parked", "sky")


@pytest.mark.parametrize(
    "prefix, stem",
    [("new/cm", "new/cm"), ("run.1", "run.1"), ("a.png", "a"), ("b.csv", "b")],
)
def test_table_and_picture_stand_side_by_side(tmp_path, prefix, stem):
    written = write_confusion(COUNTS, NAMES, tmp_path / prefix)
    assert written == (tmp_path / f"{stem}.csv", tmp_path / f"{stem}.png")
    assert {*tmp_path.rglob("*.*")} == {*written}
    with written[0].open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["true class", "car, parked", "sky"],
        ["car, parked", str(2**40), "3"],
        ["sky", "0", "5"],
    ]
    with Image.open(written[1]) as picture:
        shown = np.array(picture)
    np.testing.assert_array_equal(shown, confusion_picture(COUNTS, NAMES))


def test_a_prefix_without_a_name_is_refused():
    with pytest.raises(InputError, match="names no file"):
        write_confusion(COUNTS, NAMES, "")
