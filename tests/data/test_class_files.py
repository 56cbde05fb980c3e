"""Names, colours and values of classes, from the files that tools write."""

import numpy as np
import pytest
from PIL import Image

from harness.image_files import classes, noise, save, write
from keras_lraspp.classes import generic_class_set
from keras_lraspp.data import FolderPair
from keras_lraspp.data.class_files import ClassFile, read_class_file
from keras_lraspp.data.label_spec import read_label, read_label_spec
from keras_lraspp.errors import InputError

CVAT = b"""# label:color_rgb:parts:actions
background:0,0,0::
road:250,50,83::
car ; blue:0, 0,255:wheel,door:drive
"""
NAMES = ("background", "road", "car ; blue")


def test_cvat_has_names_and_the_colors_of_masks(tmp_path):
    found = read_class_file(write(tmp_path / "labelmap.txt", CVAT))
    assert found.classes.names == NAMES
    assert found.classes.palette == ((0, 0, 0), (250, 50, 83), (0, 0, 255))
    assert found.has_colors and found.values is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b"Pixel Value, Class\r\n0, background\r\n1, road\r\n2, car ; blue\r\n", None),
        (b'Pixel Value,Class\n0,background\n3,road\n9,"car ; blue"\n', (0, 3, 9)),
    ],
)
def test_roboflow_has_names_and_the_values_of_masks(text, values, tmp_path):
    found = read_class_file(write(tmp_path / "_classes.csv", text))
    assert found == ClassFile(
        found.classes._replace(palette=generic_class_set(3).palette), values
    )
    assert found.classes.names == NAMES


def test_names_alone(tmp_path):
    text = b"\xef\xbb\xbf__ignore__\n_background_\n# a comment\n\ntraffic light\n"
    found = read_class_file(write(tmp_path / "class_names.txt", text))
    assert found.classes.names == ("_background_", "traffic light")


FAULTS = {
    "empty.txt": (b"\n\n", "has no class; write a name on each line"),
    "twice.txt": (b"a\nb\na\n", "has the class 'a' twice"),
    "mixed.txt": (b"a:0,0,0::\nb\n", "has the line 'b'"),
    "color.txt": (b"a:0,0,300::\n", "has the line 'a:0,0,300::'"),
    "rows.csv": (b"Pixel Value, Class\nx, road\n", "has the line 'x, road'"),
    "head.csv": (b"filename, a, b\n", "has the line 'filename, a, b'"),
    "value.csv": (b"Pixel Value, Class\n1, a\n1, b\n", "has a pixel value twice"),
    "nothing.csv": (b"", "has the line ''"),
    "latin.txt": ("Fahrspur für\n".encode("latin-1"), "is not UTF-8 text"),
    "missing.txt": (None, "Cannot read .*missing.txt"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_other_files_are_refused(name, tmp_path):
    content, message = FAULTS[name]
    if content is not None:
        write(tmp_path / name, content)
    with pytest.raises(InputError, match=message):
        read_label_spec("FileList", classes=name, root=tmp_path)


def test_masks_of_cvat_are_read_by_their_colors(tmp_path):
    label = classes(6, 8, num_classes=3)
    write(tmp_path / "labelmap.txt", CVAT)
    colors = np.array([(0, 0, 0), (250, 50, 83), (0, 0, 255)], np.uint8)
    save(tmp_path / "JPEGImages/a.jpg", noise(6, 8))
    save(tmp_path / "SegmentationClass/a.png", colors[label])
    dataset = FolderPair(
        tmp_path,
        classes="labelmap.txt",
        images="JPEGImages",
        labels="SegmentationClass",
    )
    np.testing.assert_array_equal(read_label(dataset.labels[0], dataset), label)
    assert dataset.classes.palette[1] == (250, 50, 83)


def test_masks_of_roboflow_are_read_by_their_values(tmp_path):
    label = classes(6, 8, num_classes=2)
    write(tmp_path / "train/_classes.csv", b"Pixel Value, Class\n0, no\n7, yes\n")
    save(tmp_path / "train/a.jpg", noise(6, 8))
    save(tmp_path / "train/a_mask.png", label * np.uint8(7))
    dataset = FolderPair(
        tmp_path,
        classes="train/_classes.csv",
        images="{split}",
        labels="{split}",
        label_suffix="_mask",
    )
    np.testing.assert_array_equal(read_label(dataset.labels[0], dataset), label)


def test_a_palette_is_a_color_map_in_the_order_of_the_classes(tmp_path):
    label = classes(6, 8, num_classes=3)
    palette = [[120, 120, 120], [180, 120, 120], [6, 230, 230]]
    spec = read_label_spec("FileList", num_classes=3, color_map=palette)
    path = tmp_path / "mask.png"
    Image.fromarray(np.array(palette, np.uint8)[label]).save(path)
    np.testing.assert_array_equal(read_label(path, spec), label)
