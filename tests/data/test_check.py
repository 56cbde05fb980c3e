"""A whole data set looked at: each row of the table of faults, before training."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from harness import warned
from harness.image_files import (
    FAULTY,
    classes,
    encoded,
    exif_with,
    noise,
    palette_image,
    save,
    write,
    write_pairs,
)
from keras_lraspp.classes import CLASS_SETS, cityscapes_lookup, generic_class_set
from keras_lraspp.data import FileList, check_dataset
from keras_lraspp.data import check as examining
from keras_lraspp.data.check import check_training_data
from keras_lraspp.data.label_spec import ColorClass
from keras_lraspp.errors import InputError


def with_label(root, label, **changes):
    """Four pairs; the third label is this one."""
    dataset = write_pairs(root, 4, **changes)
    save(dataset.labels[2], np.resize(label, (6, 8)).astype(label.dtype))
    return dataset


def refusal(dataset, **options):
    with pytest.raises(InputError) as caught:
        check_dataset(dataset, **options)
    return str(caught.value)


def test_a_good_data_set_is_returned_as_it_is(tmp_path):
    dataset = write_pairs(tmp_path, 5)
    assert check_dataset(dataset) == dataset
    assert check_dataset(dataset, workers=1, corrupt="skip") == dataset


def test_a_split_without_labels(tmp_path):
    dataset = dataclasses.replace(write_pairs(tmp_path, 2), labels=())
    assert check_dataset(dataset) == dataset
    write(dataset.images[1], b"")
    assert "image_001.png is not an image" in refusal(dataset)


def test_row_2_labels_that_are_missing(tmp_path):
    dataset = write_pairs(tmp_path, 9)
    for path in dataset.labels[2:8]:
        path.unlink()
    message = refusal(dataset)
    assert message.startswith("6 of 9 images have no label: ")
    assert all(str(path) in message for path in dataset.images[2:7])
    assert str(dataset.images[7]) not in message and "and 1 more" in message
    with pytest.warns(UserWarning, match="6 of 9 images"):
        kept = check_dataset(dataset, missing_label="skip")
    assert kept.images == dataset.images[:2] + dataset.images[8:]
    assert kept.labels == dataset.labels[:2] + dataset.labels[8:]


def test_row_4_label_ids_where_train_ids_are_expected(tmp_path):
    label_ids = np.array([7, 11, 21, 23, 26, 33], np.uint8)
    cityscapes = CLASS_SETS["cityscapes"]
    dataset = with_label(tmp_path, label_ids, classes=cityscapes)
    message = refusal(dataset)
    assert message.startswith("Label values 21, 23, 26, 33 are neither a class (0..18)")
    assert str(dataset.labels[2]) in message
    assert 'label_lookup="cityscapes", or use *_labelTrainIds.png' in message
    mapped = dataclasses.replace(
        dataset, label_lookup=tuple(cityscapes_lookup().tolist())
    )
    assert check_dataset(mapped) == mapped


def test_row_5_values_beyond_the_classes(tmp_path):
    dataset = with_label(tmp_path, np.array([0, 4, 5, 77, 255], np.uint8))
    message = refusal(dataset)
    assert message.startswith(
        "Label values 5, 77 are neither a class (0..4) nor ignored (255) in "
        f"{dataset.labels[2]}; raise num_classes, map them with label_lookup"
    )


def test_row_5_skipping_damaged_files_skips_no_wrong_labels(tmp_path):
    dataset = with_label(tmp_path, np.array([5], np.uint8))
    assert "Label values 5" in refusal(dataset, corrupt="skip")


def test_row_6_255_without_an_ignore_label(tmp_path):
    label = np.array([0, 4, 255], np.uint8)
    message = refusal(with_label(tmp_path, label, ignore_label=None))
    assert (
        "Label values 255 are neither a class (0..4) nor ignored (nothing)" in message
    )
    assert "set ignore_label=255 if those pixels are to be ignored" in message


def test_row_7_an_rgb_mask(tmp_path):
    dataset = write_pairs(tmp_path, 3)
    mask = np.zeros((6, 8, 3), np.uint8)
    mask[:3], mask[5, 7] = (0, 0, 9), (1, 2, 3)
    for path in dataset.labels:
        save(path, mask)
    message = refusal(dataset)
    assert message.startswith("3 of 3 samples are faulty: The label ")
    assert "is an RGB picture" in message and "color_map = [(red," in message
    rows = (ColorClass(0, 0, 0, 0), ColorClass(0, 0, 9, 1))
    message = refusal(dataclasses.replace(dataset, color_map=rows))
    assert "1 colours that color_map does not know: (1, 2, 3); add them" in message
    rows = (*rows, ColorClass(1, 2, 3, 255))
    known = dataclasses.replace(dataset, color_map=rows)
    assert check_dataset(known) == known


def test_row_8_a_palette_png_is_a_label(tmp_path):
    dataset = write_pairs(tmp_path, 2)
    palette_image(classes(6, 8)).save(dataset.labels[0])
    assert check_dataset(dataset) == dataset


def test_row_9_a_16_bit_label(tmp_path):
    dataset = with_label(tmp_path, np.array([256], np.uint16))
    assert "Label values 256 are neither" in refusal(dataset)


def test_row_11_image_and_label_of_different_size(tmp_path):
    dataset = write_pairs(tmp_path, 3)
    save(dataset.labels[1], classes(8, 6))
    message = refusal(dataset)
    assert f"{dataset.images[1]} is 6x8 (height x width) but its label" in message
    assert f"{dataset.labels[1]} is 8x6" in message and "correct one of the" in message


def test_row_12_a_shuffled_list_of_images_of_one_size(tmp_path):
    pairs = write_pairs(tmp_path, 4)
    lines = zip(pairs.images, reversed(pairs.labels), strict=True)
    (tmp_path / "train.txt").write_text("\n".join(f"{a} {b}" for a, b in lines))
    with pytest.raises(
        InputError, match="4 of 4 pairs .* disagree: image_000.png with"
    ):
        FileList(tmp_path, num_classes=5)


def test_row_13_a_label_with_alpha(tmp_path):
    dataset = write_pairs(tmp_path, 2)
    save(dataset.labels[1], noise(6, 8), "RGBA")
    assert "label_001.png has an alpha channel; save it with one" in refusal(dataset)


def test_row_15_an_image_turned_against_its_label(tmp_path):
    dataset = write_pairs(tmp_path, 2)
    save(dataset.images[0], noise(6, 8), exif=exif_with(6))
    assert check_dataset(dataset) == dataset  # the label is of the stored pixels
    save(dataset.labels[0], classes(8, 6))
    assert "EXIF orientation 6: save it upright, as its label is" in refusal(dataset)


@pytest.mark.parametrize("kind", ["images", "labels"])
@pytest.mark.parametrize("faulty", FAULTY, ids=lambda f: f"row {f.row}: {f.name}")
def test_rows_16_to_19_name_the_file(tmp_path, faulty, kind):
    if (kind, faulty.name) == ("labels", "cut.jpg"):
        faulty = faulty._replace(says="is a JPEG.*; save it as a PNG", damaged=False)
    dataset = write_pairs(tmp_path, 3)
    files = list(getattr(dataset, kind))
    files[1] = write(tmp_path / faulty.name, faulty.content())
    dataset = dataclasses.replace(dataset, **{kind: tuple(files)})
    with pytest.raises(InputError, match=faulty.says) as caught:
        check_dataset(dataset)
    assert str(files[1]) in str(caught.value)
    assert ('corrupt="skip"' in str(caught.value)) == faulty.damaged


@pytest.mark.parametrize(
    "faulty", [f for f in FAULTY if f.damaged and f.name != "cut.jpg"]
)
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_rows_16_and_17_one_in_a_hundred_may_be_skipped(tmp_path, faulty, kind):
    dataset = write_pairs(tmp_path, 100)
    write(getattr(dataset, kind)[41], faulty.content())
    with pytest.warns(UserWarning, match=f"{kind[:-1]}_041.png .*They are left out"):
        kept = check_dataset(dataset, corrupt="skip")
    assert kept.images == dataset.images[:41] + dataset.images[42:]
    assert kept.labels == dataset.labels[:41] + dataset.labels[42:]


def test_row_16_more_than_one_in_a_hundred_are_not_skipped(tmp_path):
    dataset = write_pairs(tmp_path, 100)
    content = encoded(noise(6, 8), "PNG")[:-60]
    for path in (dataset.images[3], dataset.labels[97]):
        write(path, content)
    message = refusal(dataset, corrupt="skip")
    assert message.startswith("2 of 100 samples are faulty: ")
    assert "image_003.png is damaged" in message and "label_097.png is dam" in message
    assert message.endswith("That is more than 1%, the most that is skipped.")


def test_many_faulty_files_are_counted_and_five_are_listed(tmp_path):
    dataset = write_pairs(tmp_path, 8)
    for path in dataset.images[1:]:
        write(path, b"")
    message = refusal(dataset)
    assert message.startswith("7 of 8 samples are faulty: ")
    assert [str(path) in message for path in dataset.images] == [False] + [True] * 5 + [
        False,
        False,
    ]
    assert "and 2 more" in message


def test_a_typo_in_corrupt(tmp_path):
    message = refusal(write_pairs(tmp_path, 1), corrupt="ignore")
    assert message == 'corrupt is "fail" or "skip", not \'ignore\'; correct it.'


@pytest.mark.parametrize(
    ("patience", "progress", "shown"),
    [(0, True, True), (0, False, False), (60, True, False)],
)
def test_a_progress_bar_when_it_takes_long(
    tmp_path, monkeypatch, capsys, patience, progress, shown
):
    monkeypatch.setattr(examining, "_PATIENCE", patience)
    monkeypatch.setattr("keras_lraspp.progress._FIRST_LINE", 0.0)  # in a pipe
    check_dataset(write_pairs(tmp_path, 3), progress=progress)
    assert ("checking tiny train" in capsys.readouterr().err) == shown


def two_splits(root, values=(0, 1, 2, 3, 4), **changes):
    """A training and a validation set, their labels of these values by turns."""
    splits = [write_pairs(root / name, 3, **changes) for name in ("train", "val")]
    for path in (path for split in splits for path in split.labels):
        save(path, np.resize(values, (6, 8)).astype(np.uint8))
    return splits


def test_a_sound_training_passes_without_a_word(tmp_path, recwarn):
    splits = two_splits(tmp_path)
    assert check_training_data(*splits) == (*splits,)
    assert not warned.texts(recwarn)


ABSURD = {
    "masks of 0 and 255": (
        (0, 255),
        {"classes": generic_class_set(2)},
        "{0: 0, 255: 1}",
    ),
    "all ignored": ((255,), {}, "the split train have the ignore label 255"),
    "one class": ((2,), {}, "that count are of class 2 "),
    "soft edges": (
        (*38 * [0], 20, 60, 99, 130, 200, *5 * [255]),
        {"classes": generic_class_set(2)},
        "anti-aliasing",
    ),
    "from 1 to N": ((1, 2, 3, 4, 5), {}, "count from 1: set label_lookup={1: 0, "),
}


@pytest.mark.parametrize("case", ABSURD)
def test_row_59_absurd_labels_are_refused_with_their_mend(case, tmp_path):
    values, changes, message = ABSURD[case]
    with pytest.raises(InputError) as caught:
        check_training_data(*two_splits(tmp_path, values, **changes))
    assert message in str(caught.value)


def test_row_59_a_class_that_only_validation_has(tmp_path):
    training_set, validation_set = two_splits(tmp_path)
    for path in training_set.labels:
        save(path, np.resize([0, 1, 3], (6, 8)).astype(np.uint8))
    with pytest.warns(UserWarning) as caught:
        check_training_data(training_set, validation_set)
    assert warned.texts(caught) == [
        "The training set has no pixel of 2 of 5 classes: class 2 (2), class 4 (4); "
        "the validation set has pixels of class 2, class 4."
    ]


@pytest.mark.parametrize("way", ["the same file", "a link", "a hard link"])
def test_row_59_images_in_both_splits(way, tmp_path):
    training_set, validation_set = two_splits(tmp_path)
    shared = training_set.images[1]
    if way != "the same file":
        shared = tmp_path / "other.png"
        link = shared.symlink_to if way == "a link" else shared.hardlink_to
        link(training_set.images[1])
    images = (*validation_set.images[:2], shared)
    validation_set = dataclasses.replace(validation_set, images=images)
    with pytest.warns(UserWarning, match="1 of 3 images of the validation set are in"):
        check_training_data(training_set, validation_set)


def test_palettes_that_differ_are_warned_of(tmp_path):
    dataset = write_pairs(tmp_path, 3, classes=generic_class_set(2))
    tables = ([0, 0, 0, 128, 0, 0], [0, 0, 0, 128, 0, 0, 9, 9, 9], [0, 0, 0, 0, 128, 0])
    for path, table in zip(dataset.labels, tables, strict=True):
        image = Image.fromarray(classes(6, 8, num_classes=2), "P")
        image.putpalette(table)
        image.save(path)
    with pytest.warns(UserWarning) as caught:
        check_dataset(dataset)
    assert warned.texts(caught) == [
        "Palettes of label files differ: 1 is the colour (128, 0, 0) in "
        f"{dataset.labels[0]} and (0, 128, 0) in {dataset.labels[2]}. The indices are "
        "read as classes; if colours are meant, say what they mean with color_map = "
        "[(red, green, blue, class), ...]."
    ]
