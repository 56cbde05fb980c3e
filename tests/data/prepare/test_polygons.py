"""COCO's and LabelMe's polygons as masks, beside masks that NumPy and COCO draw."""

import base64
import json

import numpy as np
import pytest
from PIL import Image

from harness.image_files import encoded, noise, save
from keras_lraspp.__main__ import main
from keras_lraspp.data import FileList, check_dataset
from keras_lraspp.data.prepare.polygons import prepare_coco, prepare_labelme
from keras_lraspp.errors import InputError

SIZE = (20, 30)


def mask_of(path):
    picture = Image.open(path)
    assert picture.mode == "P"
    return np.asarray(picture)


def box(top, left, bottom, right, shape=SIZE):
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def corners(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


def coco(root, **changes):
    """Two images; in the first a large road, a small car on it, and a crowd."""
    for name in ("a.jpg", "deep/b c.png"):
        save(root / "images" / name, noise(*SIZE))
    counts = [0, 20 * 3, 20 * 27]  # the first three columns, column by column
    content = {
        "info": {"year": 2026},
        "images": [
            {"id": 7, "file_name": "a.jpg", "height": 20, "width": 30, "license": 1},
            {"id": 9, "file_name": "deep/b c.png", "height": 20, "width": 30},
        ],
        "categories": [
            {"id": 5, "name": "car", "supercategory": "vehicle"},
            {"id": 2, "name": "road"},
        ],
        "annotations": [
            {
                "image_id": 7,
                "category_id": 5,
                "area": 16,
                "segmentation": [corners(10, 10, 14, 14)],
            },
            {
                "image_id": 7,
                "category_id": 2,
                "area": 200,
                "segmentation": [corners(5, 5, 25, 18), corners(26, 0, 30, 2)],
            },
            {
                "image_id": 7,
                "category_id": 5,
                "area": 60,
                "iscrowd": 1,
                "segmentation": {"size": [20, 30], "counts": counts},
            },
        ],
        **changes,
    }
    path = root / "instances.json"
    path.write_text(json.dumps(content))
    return path


def test_coco_is_drawn_small_over_large(tmp_path):
    pytest.importorskip("pycocotools")
    path = coco(tmp_path)
    images = tmp_path / "images"
    done = prepare_coco(path, tmp_path, images=images, progress=False)
    assert (done.masks, done.classes) == (2, ("_background_", "road", "car"))
    wanted = np.zeros(SIZE, np.uint8)
    wanted[box(5, 5, 18, 25) | box(0, 26, 2, 30)] = 1
    wanted[box(0, 0, 20, 3)] = 2
    wanted[box(10, 10, 14, 14)] = 2
    np.testing.assert_array_equal(mask_of(tmp_path / "labels/train/a.png"), wanted)
    assert not mask_of(tmp_path / "labels/train/deep/b c.png").any()
    dataset = FileList(tmp_path, classes="classes.txt", separator="\t")
    assert dataset.classes.names == done.classes
    assert dataset.images == (images / "a.jpg", images / "deep/b c.png")
    assert check_dataset(dataset) == dataset


def test_the_background_that_there_is_comes_first(tmp_path):
    pytest.importorskip("pycocotools")
    names = [{"id": 0, "name": "car"}, {"id": 1, "name": "background"}]
    path = coco(tmp_path, categories=names, annotations=[])
    done = prepare_coco(path, tmp_path, images=tmp_path / "images", progress=False)
    assert done.classes == ("background", "car")


COCO_FAULTS = {
    "no list": ({"annotations": {}}, "has no list of annotations; export"),
    "no images": ({"images": []}, "has no images; export the annotations again"),
    "no category": ({"categories": []}, "has no categories"),
    "another category": (
        {"annotations": [{"image_id": 7, "category_id": 3, "segmentation": []}]},
        "an annotation of the category 3, which is none of its categories",
    ),
    "a name missing": (
        {"categories": [{"id": 1}]},
        r"categories\[0\]: `name` is missing",
    ),
    "a size that is none": (
        {"images": [{"id": 1, "file_name": "a.jpg", "height": -1, "width": 9}]},
        r"images\[0\]: `height` is -1, not a whole number from 1",
    ),
    "another size": (
        {"images": [{"id": 7, "file_name": "a.jpg", "height": 30, "width": 20}]},
        "1 of 1 images cannot be used: .*a.jpg is 20x30, EXIF orientation 1, but was "
        "annotated at 30x20",
    ),
    "a missing image": (
        {"images": [{"id": 7, "file_name": "x.jpg", "height": 20, "width": 30}]},
        "1 of 1 images cannot be used: Cannot read .*x.jpg",
    ),
    "one name twice": (
        {
            "images": [
                {"id": k, "file_name": name, "height": 20, "width": 30}
                for k, name in enumerate(("a.jpg", "a.png"))
            ]
        },
        "a.jpg and .*a.png have the same name; rename",
    ),
    "no polygon": (
        {
            "annotations": [
                {"image_id": 7, "category_id": 2, "segmentation": [["a", "b"]]}
            ]
        },
        "a shape of .*a.jpg cannot be drawn",
    ),
}


@pytest.mark.parametrize("case", COCO_FAULTS)
def test_what_is_wrong_with_coco_is_named(case, tmp_path):
    pytest.importorskip("pycocotools")
    changes, message = COCO_FAULTS[case]
    path = coco(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        prepare_coco(path, tmp_path, images=tmp_path / "images", progress=False)
    assert not (tmp_path / "train.txt").exists()


def test_another_split_has_the_same_classes(tmp_path):
    pytest.importorskip("pycocotools")
    (tmp_path / "classes.txt").write_text("_background_\ncar\nroad\n")
    with pytest.raises(InputError, match="has other classes than this split"):
        prepare_coco(coco(tmp_path), tmp_path, images=tmp_path / "images")


def labelme(root, shapes=(), name="one", **changes):
    save(root / f"{name}.png", noise(*SIZE))
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": [*shapes],
        "imagePath": f"{name}.png",
        "imageData": None,
        "imageHeight": 20,
        "imageWidth": 30,
        **changes,
    }
    (root / f"{name}.json").write_text(json.dumps(content))


def shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, "flags": {}, **more}


def disc(x, y, radius):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= (radius + 0.5) ** 2


SMALL = box(1, 0, 4, 5, (4, 6))
SHAPES = {
    # Outlines count, so that the last row and column are in.
    "polygon": (shape("a", [[2, 3], [9, 3], [9, 8], [2, 8]]), box(3, 2, 9, 10)),
    "rectangle": (shape("a", [[9, 8], [2, 3]], "rectangle"), box(3, 2, 9, 10)),
    "circle": (shape("a", [[10, 9], [10, 3]], "circle"), disc(10, 9, 6)),
    "line": (shape("a", [[3, 10], [20, 10]], "line"), box(6, 3, 16, 21)),
    "point": (shape("a", [[10, 9]], "point"), disc(10, 9, 5)),
    "mask": (
        shape(
            "a",
            [[4, 6], [9, 9]],
            "mask",
            mask=base64.b64encode(encoded(SMALL.astype(np.uint8), "PNG")).decode(),
        ),
        box(7, 4, 10, 9),
    ),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_labelme_shapes(kind, tmp_path):
    drawn, wanted = SHAPES[kind]
    labelme(tmp_path, [drawn])
    done = prepare_labelme(tmp_path, progress=False)
    assert done.classes == ("_background_", "a")
    found = mask_of(tmp_path / "labels/one.png") == 1
    # Round shapes may differ in pixels of their edge.
    overlap = (found & wanted).sum() / (found | wanted).sum()
    assert overlap == 1 if kind in ("polygon", "rectangle", "mask") else overlap > 0.85


def test_labelme_later_over_earlier_and_what_is_ignored(tmp_path):
    shapes = [
        shape("road", [[0, 0], [29, 0], [29, 19], [0, 19]]),
        shape("car", [[5, 5], [9, 9]], "rectangle"),
        shape("__ignore__", [[8, 8], [12, 12]], "rectangle"),
    ]
    labelme(tmp_path, shapes)
    (tmp_path / "sub").mkdir()
    labelme(tmp_path / "sub", [], name="empty")
    command = ["data", "prepare", "labelme", f"--data_root={tmp_path}", "--workers=1"]
    assert main(command) == 0
    wanted = np.full(SIZE, 2)
    wanted[box(5, 5, 10, 10)] = 1
    wanted[box(8, 8, 13, 13)] = 255
    np.testing.assert_array_equal(mask_of(tmp_path / "labels/one.png"), wanted)
    dataset = FileList(tmp_path, classes="classes.txt")
    assert dataset.classes.names == ("_background_", "car", "road")
    assert [path.name for path in dataset.images] == ["one.png", "empty.png"]
    assert check_dataset(dataset) == dataset


def test_labelme_in_the_order_of_the_classes_that_are_there(tmp_path):
    (tmp_path / "classes.txt").write_text("__ignore__\n_background_\nroad\ncar\n")
    labelme(tmp_path, [shape("car", [[5, 5], [9, 9]], "rectangle")])
    prepare_labelme(tmp_path, progress=False)
    assert mask_of(tmp_path / "labels/one.png").max() == 2
    labelme(tmp_path, [shape("tree", [[5, 5], [9, 9]], "rectangle")], name="two")
    with pytest.raises(InputError, match="does not have the labels tree, which are dr"):
        prepare_labelme(tmp_path, progress=False)


LABELME_FAULTS = {
    "a size that is none": ({"imageHeight": "x"}, "`imageHeight` is 'x', not a whole"),
    "no image": ({"imagePath": "x.png"}, "Cannot read .*x.png"),
    "another size": ({"imageWidth": 99}, "one.png is 20x30.*annotated at 20x99"),
    "a polygon of two points": (
        {"shapes": [shape("a", [[1, 1], [2, 2]])]},
        "LabelMe's shape 'polygon' of 2 points cannot be drawn",
    ),
    "an unknown shape": (
        {"shapes": [shape("a", [[1, 1], [2, 2]], "star")]},
        "shape 'star' of 2 points cannot be drawn",
    ),
    "a mask of rubbish": (
        {"shapes": [shape("a", [[1, 1], [2, 2]], "mask", mask="!!")]},
        "mask is no base64 text",
    ),
}


@pytest.mark.parametrize("case", LABELME_FAULTS)
def test_what_is_wrong_with_labelme_is_named(case, tmp_path):
    changes, message = LABELME_FAULTS[case]
    labelme(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        prepare_labelme(tmp_path, progress=False)


def test_an_image_turned_by_its_exif_is_refused(tmp_path):
    labelme(tmp_path, [], imagePath="one.jpg")
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(noise(*SIZE)).save(tmp_path / "one.jpg", exif=exif)
    with pytest.raises(InputError, match="EXIF orientation 3, but was annotated at"):
        prepare_labelme(tmp_path, progress=False)


def test_a_folder_without_annotations(tmp_path):
    with pytest.raises(InputError, match="No files match .*json; name the folder"):
        prepare_labelme(tmp_path)
