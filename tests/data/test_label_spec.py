"""From a file's values to classes, and what is said of wrong ones."""

import numpy as np
import pytest

from harness.image_files import classes, dataset_of, noise
from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.data.label_spec import (
    ColorClass,
    classes_of_colors,
    classes_of_values,
    explain_illegal,
    illegal_values,
)
from keras_lraspp.errors import InputError

CITYSCAPES = {"classes": CLASS_SETS["cityscapes"]}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([[0, 255]], np.uint8), np.uint8),
        (np.array([[0, 255]], np.int32), np.uint8),
        (np.array([[0, 256]], np.int32), np.int32),
    ],
)
def test_without_lookup_values_are_classes(values, dtype):
    found = classes_of_values("label.png", values, dataset_of([]))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


LOOKUPS = {
    "bytes to bytes": (256, 255, np.uint8),
    "to larger classes": (256, 999, np.int32),
    "a short table": (40, 255, np.uint8),
    "a long table": (1000, 255, np.uint8),
}


@pytest.mark.parametrize("kind", [np.uint8, np.int32])
@pytest.mark.parametrize("case", LOOKUPS)
def test_a_lookup_is_indexing(case, kind):
    size, largest, dtype = LOOKUPS[case]
    rng = np.random.default_rng(1)
    table = rng.integers(0, largest + 1, size)
    table[3] = largest
    values = rng.integers(0, size if kind == np.int32 else min(size, 256), (30, 40))
    values[0, 0] = 3
    lookup = tuple(table.tolist())
    dataset = dataset_of([], label_lookup=lookup)
    found = classes_of_values("label.png", values.astype(kind), dataset)
    np.testing.assert_array_equal(found, table[values])
    assert found.dtype == dtype


def test_a_value_beyond_the_lookup_is_named():
    dataset = dataset_of([], label_lookup=(0, 1, 2))
    with pytest.raises(InputError) as caught:
        classes_of_values("label.png", np.array([[2, 9, 3, 9]], np.uint8), dataset)
    sentence = "label.png holds 3, 9, but label_lookup ends at 2; lengthen it."
    assert str(caught.value) == f"The label {sentence}"


def test_row_7_an_rgb_mask_is_refused_without_color_map():
    with pytest.raises(InputError, match=r"mask.png is an RGB picture.*convert it, or"):
        classes_of_colors("mask.png", noise(3, 4), dataset_of([]))


def test_row_7_a_color_map_is_applied():
    colors = noise(1, 300, seed=5)[0]
    labels = np.arange(300)
    rows = tuple(
        ColorClass(*color.tolist(), label)
        for color, label in zip(colors, labels.tolist(), strict=True)
    )
    wanted = np.random.default_rng(2).integers(0, 300, (20, 30))
    dataset = dataset_of([], color_map=rows, num_classes=300, ignore_label=None)
    found = classes_of_colors("mask.png", colors[wanted], dataset)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, wanted)


def test_row_7_unknown_colors_are_listed():
    mask = np.zeros((4, 4, 3), np.uint8)
    mask[0, 0], mask[1, :] = (0, 0, 1), (255, 254, 253)
    dataset = dataset_of([], color_map=(ColorClass(0, 0, 0, 0),))
    with pytest.raises(InputError) as caught:
        classes_of_colors("mask.png", mask, dataset)
    assert str(caught.value) == (
        "The label mask.png has 2 colours that color_map does not know: (0, 0, 1), "
        "(255, 254, 253); add them to it."
    )


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
