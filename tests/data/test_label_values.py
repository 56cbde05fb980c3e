"""What is said of label values that are wrong, or legal and absurd."""

import numpy as np
import pytest

from harness.image_files import classes, dataset_of
from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.data.label_values import (
    check_values,
    count_values,
    explain_illegal,
    illegal_values,
    sum_values,
    warn_of_classes,
)
from keras_lraspp.errors import InputError

CITYSCAPES = {"classes": CLASS_SETS["cityscapes"]}


@pytest.mark.parametrize(
    ("values", "kind", "ignore_label", "wrong"),
    [
        ([0, 4, 255], np.uint8, 255, []),
        ([0, 4, 255], np.uint8, None, [255]),
        ([5, 254, 5], np.uint8, 255, [5, 254]),
        ([-1, 0, 4], np.int32, 255, [-1]),
        ([256, 65535, 4], np.int32, 65535, [256]),
        ([100, 255], np.uint8, 100, [255]),
    ],
)
def test_row_5_values_that_are_neither_class_nor_ignored(
    values, kind, ignore_label, wrong
):
    dataset = dataset_of([], ignore_label=ignore_label)
    assert illegal_values(np.array([values], kind), dataset) == wrong


def test_every_byte_against_a_set():
    legal = {0, 1, 2, 3, 4, 77}
    found = illegal_values(
        classes(64, 64, num_classes=256), dataset_of([], ignore_label=77)
    )
    assert found == sorted(set(range(256)) - legal)


SENTENCES = {
    "row 4: labelIds": (
        [33, 19, 26],
        CITYSCAPES,
        "Label values 19, 26, 33 are neither a class (0..18) nor ignored (255) in "
        "a.png, b.png; they look like Cityscapes' labelIds where trainIds are expected:"
        ' map them with label_lookup="cityscapes", or use *_labelTrainIds.png files.',
    ),
    "row 4: labelIds, nothing ignored": (
        [255, 33],
        {**CITYSCAPES, "ignore_label": None},
        "Label values 33, 255 are neither a class (0..18) nor ignored (nothing) in "
        "a.png, b.png; they look like Cityscapes' labelIds where trainIds are expected:"
        ' map them with label_lookup="cityscapes", or use *_labelTrainIds.png files.',
    ),
    "row 5: more classes": (
        [34],
        CITYSCAPES,
        "Label values 34 are neither a class (0..18) nor ignored (255) in a.png, b.png;"
        " raise num_classes, map them with label_lookup, or correct the files.",
    ),
    "row 6: 255": (
        [255],
        {**CITYSCAPES, "ignore_label": None},
        "Label values 255 are neither a class (0..18) nor ignored (nothing) in a.png, "
        "b.png; set ignore_label=255 if those pixels are to be ignored.",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_what_is_said(case):
    values, changes, sentence = SENTENCES[case]
    dataset = dataset_of([], **changes)
    assert explain_illegal(values, ["a.png", "b.png"], dataset) == sentence


def test_five_values_and_files_are_shown():
    files = [f"{number}.png" for number in range(8)]
    sentence = explain_illegal(range(5, 12), files, dataset_of([]))
    assert "Label values 5, 6, 7, 8, 9 and 2 more are" in sentence
    assert "in 0.png, 1.png, 2.png, 3.png, 4.png and 3 more;" in sentence


def counts_of(*values, pixels=100):
    """Labels with as many pixels of each value."""
    return sum_values(
        [count_values(np.repeat(values, pixels).reshape(len(values), -1))]
    )


def test_counts_are_numpys():
    labels = [
        classes(30, 40, num_classes=256),
        classes(20, 20, num_classes=9).astype(np.int32) * 100_000 - 5,
    ]
    total = sum_values(map(count_values, labels))
    values, counts = np.unique(
        np.concatenate([*map(np.ravel, labels)]), return_counts=1
    )
    assert total == dict(zip(values.tolist(), counts.tolist(), strict=True))


MENDS = {
    "0 and 255, nothing ignored": (
        counts_of(0, 255),
        {"num_classes": 2, "ignore_label": None},
        "for masks of 0 and 255 set label_lookup={0: 0, 255: 1} and ignore_label=255.",
    ),
    "0 and 255, five classes": (
        counts_of(0, 255),
        {"ignore_label": None},
        "set label_lookup={0: 0, 255: 1} and num_classes=2 and ignore_label=255.",
    ),
    "1 to N": (
        counts_of(1, 2, 3, 4, 5, 255),
        {},
        "labels seem to count from 1: set label_lookup={1: 0, 2: 1, 3: 2, 4: 3, 5: 4}.",
    ),
    "1 to N, many": (
        counts_of(3, 29, 30, 7),
        {"num_classes": 30},
        "count from 1: set label_lookup={1: 0, 2: 1, ..., 30: 29}.",
    ),
    "0 to N": (
        counts_of(0, 1, 2, 3, 4, 5),
        {},
        "if 0 is a class as well, as background, set num_classes=6; else ignore it: "
        "label_lookup={1: 0, 2: 1, 3: 2, 4: 3, 5: 4}.",
    ),
    "grey levels": (
        counts_of(0, 128, 255),
        {"num_classes": 3},
        "if each value is a class, set label_lookup={0: 0, 128: 1, 255: 2}.",
    ),
    "grey levels beside 255": (
        counts_of(0, 100, 255),
        {"num_classes": 2},
        "if each value is a class, set label_lookup={0: 0, 100: 1}.",
    ),
    "soft edges": (
        counts_of(0, 255) + counts_of(30, 77, 99, 140, 201, pixels=4),
        {"num_classes": 2},
        "few between many others, as at edges that were smoothed: save the labels "
        "without anti-aliasing, and resize them by nearest neighbour.",
    ),
    "instances": (
        counts_of(0, 1001, 2002, 2003, 2004, 3001, 3002),
        {"num_classes": 4},
        "raise num_classes, map them with label_lookup, or correct the files.",
    ),
    "a lookup that maps too high": (
        counts_of(0, 5),
        {"label_lookup": (0, 5)},
        "raise num_classes, or correct label_lookup, color_map or the files.",
    ),
}


@pytest.mark.parametrize("case", MENDS)
def test_the_mend_is_named(case):
    counts, changes, mend = MENDS[case]
    dataset = dataset_of([], **changes)
    illegal = illegal_values(np.array([[*counts]], np.int32), dataset)
    sentence = explain_illegal(illegal, ["a.png"], dataset, counts)
    assert sentence.endswith(mend)


def test_0_and_255_with_255_ignored_are_refused():
    with pytest.raises(InputError) as caught:
        check_values(counts_of(0, 255), dataset_of([], num_classes=2), "train")
    assert str(caught.value) == (
        "All labels of the split train are 0 or 255, and 255 is ignored, so class 0 "
        "alone is left; for masks of 0 and 255 set label_lookup={0: 0, 255: 1}."
    )
    mapped = dataset_of([], num_classes=2, label_lookup=(0,) + 255 * (1,))
    for good in (mapped, dataset_of([], num_classes=2, ignore_label=None)):
        check_values(counts_of(0, 1), good, "train")
    check_values(counts_of(0, 1, 255), dataset_of([], num_classes=2), "train")


@pytest.mark.parametrize("ignored", [255, 7])
def test_pixels_that_are_all_ignored_are_refused(ignored):
    dataset = dataset_of([], ignore_label=ignored)
    message = f"All pixels of the split val have the ignore label {ignored}, so there"
    with pytest.raises(InputError, match=message):
        check_values(counts_of(ignored), dataset, "val")


def test_classes_without_a_pixel_are_named():
    dataset = dataset_of([], classes=CLASS_SETS["camvid"])
    every = range(11)
    assert warn_of_classes(counts_of(*every), counts_of(0), dataset) == []
    (said,) = warn_of_classes(counts_of(*every[:-2], 255), counts_of(*every), dataset)
    assert said == (
        "The training set has no pixel of 2 of 11 classes: pedestrian (9), bicyclist "
        "(10); the validation set has pixels of pedestrian, bicyclist."
    )
    (said,) = warn_of_classes(counts_of(1, 2, 3, 4), counts_of(1), dataset_of([]))
    assert said.endswith(
        "1 of 5 classes: class 0 (0); if labels count from 1, set num_classes=4 and "
        "label_lookup={1: 0, 2: 1, 3: 2, 4: 3}."
    )


def test_one_class_alone_is_refused():
    with pytest.raises(InputError, match="that count are of class 3 .class 3., so"):
        warn_of_classes(counts_of(3, 255), counts_of(0, 1), dataset_of([]))
