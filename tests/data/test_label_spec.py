"""From a file's values or colours to classes."""

import numpy as np
import pytest
from PIL import Image

from harness.image_files import classes, dataset_of, noise, png_bytes, write
from keras_lraspp.data import FileList
from keras_lraspp.data.decode import load_label
from keras_lraspp.data.label_spec import (
    ColorClass,
    classes_of_colors,
    classes_of_values,
    read_label,
    read_label_spec,
)
from keras_lraspp.errors import InputError


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


COLORS = ((0, 0, 0), (255, 255, 255), (128, 0, 64))
RGB_MAP = tuple(ColorClass(*color, label) for label, color in enumerate(COLORS))


def _palette(order, mode="P"):
    """A palette image that shows class k as `COLORS[k]`, at the index `order[k]`."""

    def picture(label):
        image = Image.fromarray(np.take(order, label).astype(np.uint8), "P")
        table = np.zeros((256, 3), np.uint8)
        table[list(order)] = COLORS
        image.putpalette(table.tobytes())
        return image.convert(mode)

    return picture


def _grey(label):
    return Image.fromarray(label * np.uint8(255))


ENCODINGS = {  # of classes 0..2, or 0..1 where there is only grey
    "RGB": (3, _palette((0, 1, 2), "RGB")),
    "palette in this order": (3, _palette((0, 1, 2))),
    "palette in another order": (3, _palette((2, 0, 1))),
    "palette, indices far apart": (3, _palette((200, 7, 255))),
    "opaque RGBA": (3, _palette((0, 1, 2), "RGBA")),
    "grey": (2, _grey),
    "grey with opaque alpha": (2, lambda label: _grey(label).convert("LA")),
    "1 bit": (2, lambda label: _grey(label).convert("1")),
}


@pytest.mark.parametrize("extension", ["png", "tif"])
@pytest.mark.parametrize("case", ENCODINGS)
def test_with_a_color_map_colors_decide_however_they_are_encoded(
    case, extension, tmp_path
):
    count, picture = ENCODINGS[case]
    label = classes(9, 14, num_classes=count)
    path = tmp_path / f"label.{extension}"
    picture(label).save(path)
    spec = dataset_of([], num_classes=3, color_map=RGB_MAP)
    for read in (read_label, load_label):  # the training reads with the second
        np.testing.assert_array_equal(read(path, spec), label)


def test_grey_of_few_bits_has_the_colors_that_it_shows(tmp_path):
    # Two bits: 0, 1, 2, 3 show as 0, 85, 170, 255.
    path = write(tmp_path / "label.png", png_bytes(4, 1, 2, 0, b"\0\x1b"))
    rows = [(grey, grey, grey, grey // 85) for grey in (0, 85, 170, 255)]
    spec = read_label_spec("FileList", num_classes=4, color_map=rows)
    assert load_label(path, spec).tolist() == [[0, 1, 2, 3]]


def _half_transparent(label):
    image = _palette((0, 1, 2), "RGBA")(label)
    image.putpixel((3, 3), (0, 0, 0, 100))
    return image


UNCLEAR = {
    "transparent": (_half_transparent, "has transparent pixels, which have no colour"),
    "transparent index": (
        lambda label: _palette((0, 1, 2))(label),
        "has transparent pixels, which have no colour",
    ),
    "16 bits": (
        lambda label: Image.fromarray(label.astype(np.uint16) * 65535),
        "has the pixel format I;16, of which color_map cannot tell the colours",
    ),
    "another colour": (
        lambda label: Image.fromarray(label),
        r"has 2 colours that color_map does not know: \(1, 1, 1\), \(2, 2, 2\)",
    ),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_colors_cannot_say_is_refused(case, tmp_path):
    picture, message = UNCLEAR[case]
    options = {"transparency": 1} if case == "transparent index" else {}
    path = tmp_path / "label.png"
    picture(classes(9, 14, num_classes=3)).save(path, **options)
    spec = dataset_of([], num_classes=3, color_map=RGB_MAP)
    for read in (read_label, load_label):
        with pytest.raises(InputError, match=message):
            read(path, spec)


REFUSED = {
    "lookup and map": (
        {"num_classes": 3, "color_map": RGB_MAP, "label_lookup": {0: 0}},
        "label_lookup and color_map are both given",
    ),
    "a colour twice": (
        {"num_classes": 3, "color_map": [(1, 2, 3, 0), (1, 2, 3, 1)]},
        r"FileList.color_map gives the colour \(1, 2, 3\) the classes 0 and 1; leave",
    ),
    "one class": ({"num_classes": 1}, "only one class .class 0., so every pixel is of"),
    "one name": ({"classes": ["road"]}, "only one class .road., .* num_classes=2, and"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_make_no_sense(case, tmp_path):
    settings, message = REFUSED[case]
    write(tmp_path / "train.txt", b"a.png b.png")
    write(tmp_path / "a.png", b"")
    write(tmp_path / "b.png", b"")
    with pytest.raises(InputError, match=message):
        FileList(tmp_path, match_names=False, **settings)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"ignore_label": -1}, "F.ignore_label is a whole number from 0 to 65535 or"),
        ({"ignore_label": 1e400}, "F.ignore_label .* not inf"),
        ({"label_lookup": {0: -1}}, "F.label_lookup.0 is a whole number .* not -1"),
        ({"label_lookup": {10**12: 0}}, "F.label_lookup is a whole number .*00000"),
        ({"label_lookup": {"road": 0}}, "F.label_lookup is a whole number .*'road'"),
        ({"label_lookup": [0, 10**30]}, r"F.label_lookup\[1\] is .* not a huge number"),
        ({"label_lookup": []}, "F.label_lookup is a list of length from 1"),
        ({"label_lookup": 3}, "F.label_lookup is a list .* not 3"),
        ({"color_map": 3}, "F.color_map is a list or nothing, not 3"),
        ({"color_map": [1, 2, 3, 0]}, "Rows of F.color_map are"),
        ({"color_map": [(1, 2, 256, 0)]}, r"F.color_map\[0\].blue is .* not 256"),
        ({"color_map": [(1, 2, 0.5, 0)]}, r"F.color_map\[0\].blue is .* not 0.5"),
        ({"color_map": [(1, 2, 3, -1)]}, r"F.color_map\[0\].label is .* not -1"),
        ({"num_classes": "three"}, "F.num_classes is a whole number .* not 'three'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        read_label_spec("F", **{"num_classes": 3, **arguments})
