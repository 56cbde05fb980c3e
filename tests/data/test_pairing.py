"""Images and labels: missing ones, and lists out of step."""

from pathlib import Path

import pytest

from harness import warned
from harness.image_files import noise, save
from keras_lraspp.data.pairing import (
    check_names,
    find_listed,
    keep_labelled,
    pair_folders,
    read_names,
)
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


@pytest.mark.parametrize(
    ("label", "suffix", "words"),
    [
        ("a.jpg", "", "a.png, but there is a.jpg: labels are .png, .bmp, .tif, .tiff,"),
        ("a.npy", "", "a.png, but there is a.npy: labels are"),
        ("a.tif", ".tif", "but there is a.tif: a suffix stands before the extension"),
        ("ab.jpg", "", "a.png)"),
    ],
)
def test_a_label_of_another_kind_is_named(tmp_path, label, suffix, words):
    save(tmp_path / "images/a.png", noise(4, 4))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / label).touch()
    with pytest.raises(InputError) as caught:
        pair_folders(tmp_path / "images", tmp_path / "labels", label_suffix=suffix)
    assert words in str(caught.value)


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


NAMES = {
    "dots": (["IMG_1.2", "IMG_1.3"], "IMG_1.2\nIMG_1.3\n"),
    "blanks": (["my photo", "b"], "my photo\n b \n"),
    "blanks and dots": (["v1.0 final"], "v1.0 final\r\n"),
    "pairs": (["a.b"], "JPEGImages/a.b.jpg SegmentationClass/a.b.png\n"),
    "with a mark, as VOC's Main": (["2007_000032"], "2007_000032 -1\n"),
    "extensions": (["a", "b"], "a.JPG\nb.png\n"),
    "backslashes": (["a"], "JPEGImages\\\\a.jpg\n"),
    "a byte order mark": (["a"], "\ufeffa\n"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_in_a_list_are_whole(case, tmp_path):
    names, text = NAMES[case]
    for name in names:
        save(tmp_path / f"images/{name}.jpg", noise(1, 1))
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    assert read_names(tmp_path / "list.txt", tmp_path / "images", ".jpg") == names


LISTED = ["/a.png", "images\\b.png", '"a.png"', "'a.png'", "u\u0308.png", "\u00e9.png"]


@pytest.mark.parametrize("text", LISTED)
def test_files_are_found_as_other_systems_list_them(text, tmp_path):
    for name in ("a.png", "images/b.png", "\u00fc.png", "e\u0301.png"):
        save(tmp_path / name, noise(1, 1))
    found = find_listed(tmp_path, text)
    assert found.is_file() and found.is_relative_to(tmp_path)


def test_what_is_there_is_taken_as_it_is_listed(tmp_path):
    for name in ('"a.png"', "a.png", "b\\\\c.png"):
        (tmp_path / name).touch()
        assert find_listed(tmp_path, name) == tmp_path / name
    assert find_listed(tmp_path, "none.png") == tmp_path / "none.png"


def test_linked_folders_are_followed(tmp_path):
    for kind in ("images", "labels"):
        save(tmp_path / f"elsewhere/{kind}/far.png", noise(1, 1))
        save(tmp_path / f"{kind}/near.png", noise(1, 1))
        (tmp_path / f"{kind}/linked").symlink_to(tmp_path / f"elsewhere/{kind}")
        (tmp_path / f"{kind}/self").symlink_to(tmp_path / kind)
        (tmp_path / f"elsewhere/{kind}/back").symlink_to(tmp_path / kind)
    images, labels = pair_folders(tmp_path / "images", tmp_path / "labels")
    names = ["linked/far.png", "near.png"]
    assert [
        path.relative_to(tmp_path / "images").as_posix() for path in images
    ] == names
    assert [
        path.relative_to(tmp_path / "labels").as_posix() for path in labels
    ] == names


def test_files_of_other_kinds_are_counted(tmp_path):
    for name in ("a.png", "b.heic", "c.HEIC", "d.avif", "README"):
        save(tmp_path / "images/a.png", noise(1, 1))
        (tmp_path / "images" / name).touch()
    with pytest.warns(UserWarning) as caught:
        pair_folders(tmp_path / "images", None)
    assert warned.texts(caught) == [
        f"Files of other kinds in {tmp_path}/images are left out: 2 .heic, 1 .avif, "
        "1 no extension."
    ]


def test_a_suffix_is_no_pattern(tmp_path):
    for name in ("1[rgb]", "2[rgb]", "3r"):
        save(tmp_path / f"images/{name}.png", noise(1, 1))
    images, _ = pair_folders(tmp_path / "images", None, image_suffix="[rgb]")
    assert [path.stem for path in images] == ["1[rgb]", "2[rgb]"]
