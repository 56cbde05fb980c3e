"""Images and labels: missing ones, and lists out of step."""

from pathlib import Path

import pytest

from keras_lraspp.data.pairing import check_names, keep_labelled
from keras_lraspp.errors import InputError, abbreviate

IMAGES = [Path(f"image/{number}.png") for number in range(9)]
LABELS = [Path(f"label/{number}.png") for number in range(9)]


def test_row_2_images_without_label_are_counted_and_five_are_listed():
    with pytest.raises(InputError) as caught:
        keep_labelled(IMAGES, LABELS, exists={LABELS[0], LABELS[4]}.__contains__)
    message = str(caught.value)
    assert message.startswith("7 of 9 images have no label: ")
    listed = [str(image) in message for image in IMAGES]
    assert listed == [False, True, True, True, False, True, True, False, False]
    assert "and 2 more" in message and f"expected e.g. {LABELS[1]}" in message
    assert 'set missing_label="skip"' in message


def test_row_2_images_without_label_are_left_out_where_asked():
    with pytest.warns(UserWarning, match="7 of 9 images have no label.*left out"):
        kept = keep_labelled(
            IMAGES,
            LABELS,
            exists={LABELS[0], LABELS[4]}.__contains__,
            missing_label="skip",
        )
    assert kept == ((IMAGES[0], IMAGES[4]), (LABELS[0], LABELS[4]))


def test_row_2_not_all_are_left_out():
    with pytest.raises(InputError, match="9 of 9 images have no label"):
        keep_labelled(IMAGES, LABELS, exists=lambda _: False, missing_label="skip")


def test_a_typo_in_missing_label():
    with pytest.raises(InputError, match='"fail" or "skip", not \'skp\''):
        keep_labelled([], [], missing_label="skp")


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ("ab", "a, b"),
        ("abcde", "a, b, c, d, e"),
        ("abcdefg", "a, b, c, d, e and 2 more"),
    ],
)
def test_some(items, text):
    assert abbreviate(items) == text


AGREEING = {
    "the same names": ("a b c", "a b c"),
    "Cityscapes": (
        "x_000_leftImg8bit x_001_leftImg8bit",
        "x_000_gtFine_labelTrainIds x_001_gtFine_labelTrainIds",
    ),
    "CamVid": ("0001TP_6690 0006R0_f1", "0001TP_6690_L 0006R0_f1_L"),
    "a word in front": ("img_1 img_10 img_11", "mask_1 mask_10 mask_11"),
    "one pair": ("night", "shadows"),
    "all the same": ("image image", "label label"),
}


@pytest.mark.parametrize("case", AGREEING)
def test_names_that_agree(case):
    images, labels = ([Path(f"{n}.png") for n in s.split()] for s in AGREEING[case])
    check_names(images, labels, Path("train.txt"))


@pytest.mark.parametrize("case", [*AGREEING][:4])
def test_row_12_shuffled_names_are_found(case):
    images, labels = ([Path(f"{n}.png") for n in s.split()] for s in AGREEING[case])
    labels = labels[1:] + labels[:1]
    with pytest.raises(InputError) as caught:
        check_names(images, labels, Path("train.txt"))
    message = str(caught.value)
    assert f"of {len(images)} pairs in train.txt" in message
    assert "may be shuffled: correct it, or set FileList.match_names=False" in message
    assert f"{images[-1].name} with {labels[-1].name}" in message


def test_row_12_a_name_inside_another_one_is_not_its_own():
    images = [Path(f"{number}.png") for number in (1, 12, 3)]
    labels = [Path(f"{number}_L.png") for number in (12, 1, 3)]
    with pytest.raises(InputError, match="2 of 3 .*: 1.png with 12_L.png, 12.png"):
        check_names(images, labels, Path("train.txt"))
