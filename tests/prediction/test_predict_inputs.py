"""Which images are found by a name, a folder, a pattern, a list."""

import os
from pathlib import Path

import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.prediction.inputs import find_images, find_inputs, is_video

TREE = ["b.png", "a/x.JPG", "a/deep/y.webp", "a/notes.txt", ".hidden.png", "c/.z.png"]


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for name in TREE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def names(images):
    return [str(path.relative_to(images.root)) for path in images.paths]


OUT = Path("elsewhere")


def test_a_file_whatever_its_name(photos):
    odd = photos / "photo.raw"
    odd.write_bytes(b"")
    assert find_images(odd, OUT) == (photos, [odd])


def test_a_folder_with_all_below(photos):
    images = find_images(photos, OUT)
    assert images.root == photos
    assert names(images) == ["a/deep/y.webp", "a/x.JPG", "b.png"]


def test_results_inside_the_folder_are_not_its_images(photos):
    results = photos / "results"
    results.mkdir()
    (results / "b_color.png").write_bytes(b"")
    assert len(find_images(photos, OUT).paths) == 4
    assert len(find_images(photos, results).paths) == 3
    assert len(find_images(photos / "**" / "*", results).paths) == 3


@pytest.mark.parametrize(
    ("pattern", "root", "expected"),
    [
        ("photos/**/*.[jJ][pP]*", "photos", ["a/x.JPG"]),
        ("photos/**", "photos", ["a/deep/y.webp", "a/x.JPG", "b.png"]),
        ("photos/*.png", "photos", ["b.png"]),
        ("photos/a/*/?.webp", "photos/a", ["deep/y.webp"]),
        ("*/b.png", ".", ["photos/b.png"]),
    ],
)
def test_a_pattern(photos, monkeypatch, pattern, root, expected):
    monkeypatch.chdir(photos.parent)
    for prefix in (Path(), photos.parent):
        images = find_images(prefix / pattern, OUT)
        assert images.root == prefix / root
        assert names(images) == expected


def test_a_file_may_be_named_like_a_pattern(photos):
    (photos / "[1].png").write_bytes(b"")
    assert find_images(photos / "[1].png", OUT).paths == [photos / "[1].png"]


def test_a_list_keeps_its_order(photos):
    lines = ["# two images", "", "  a/x.JPG  ", str(photos / "b.png"), "a/../b.png"]
    (photos / "list.txt").write_bytes(
        "\r\n".join(["\ufeff" + lines[0], *lines]).encode()
    )
    images = find_images(photos / "list.txt", OUT)
    assert images == (photos, [photos / "a/x.JPG", photos / "b.png"])


def test_the_root_of_a_list_holds_all_its_images(photos, monkeypatch):
    monkeypatch.chdir(photos)
    Path("a/list.txt").write_text("deep/y.webp\ndeep/gone.png\n")
    assert find_images(Path("a/list.txt"), OUT).root == photos / "a/deep"
    Path("a/list.txt").write_text("deep/y.webp\n../b.png\n")
    images = find_images(Path("a/list.txt"), OUT)
    assert (images.root, names(images)) == (photos, ["a/deep/y.webp", "b.png"])


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"# nothing\n\n", "names no image"), (b"\xff\xfe.png", "is not UTF-8 text")],
)
def test_lists_that_are_none(tmp_path, content, said):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match=f"list.txt {said}"):
        find_images(tmp_path / "list.txt", OUT)


def test_nothing_found(photos):
    with pytest.raises(InputError, match=r"No image matches .*\*\.raw; .*Quote"):
        find_images(photos / "*.raw", OUT)
    with pytest.raises(InputError, match="no image, folder or video .*gone.png; check"):
        find_images(photos / "gone.png", OUT)
    os.mkdir(photos / "empty")
    with pytest.raises(InputError, match=r"no image in .*empty or below; .*webp\.$"):
        find_images(photos / "empty", OUT)
    (photos / "empty" / "drive.MP4").write_bytes(b"")
    with pytest.raises(InputError, match="named itself, as .*drive.MP4"):
        find_images(photos / "empty", OUT)


def test_videos_are_known_by_their_name():
    assert is_video(Path("a/Drive.MP4")) and is_video(Path("a.webm"))
    assert not is_video(Path("mp4")) and not is_video(Path("a.gif"))


def test_several_inputs_have_the_lowest_folder_of_all(photos, monkeypatch):
    monkeypatch.chdir(photos)
    (photos / "list.txt").write_text("b.png\na/x.JPG\n")
    images, videos = find_inputs(["a/deep", "list.txt", photos / "b.png"], OUT)
    assert images.root == photos and videos == []
    found = [path.relative_to(photos).as_posix() for path in images.paths]
    assert found == ["a/deep/y.webp", "b.png", "a/x.JPG"]


def test_one_input_is_named_as_it_was(photos, monkeypatch):
    monkeypatch.chdir(photos)
    for given in ("b.png", ["b.png"], [Path("b.png")]):
        images, videos = find_inputs(given, OUT)
        assert images == (Path(), [Path("b.png")]) and not videos


def test_videos_beside_images(photos):
    (photos / "drive.mp4").write_bytes(b"")
    (photos / "folder.mp4").mkdir()
    (photos / "folder.mp4" / "z.png").write_bytes(b"")
    given = [
        photos / name for name in ("drive.mp4", "b.png", "folder.mp4", "drive.mp4")
    ]
    images, videos = find_inputs(given, OUT)
    assert [path.name for path in images.paths] == ["b.png", "z.png"]
    assert videos == [photos / "drive.mp4"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["-"], "Nothing is read from the standard input; .* or ./- for"),
        (["b.png", "-"], "standard input"),
        ([], "nothing to segment"),
        (["b.png", "gone.png"], "no image, folder or video gone.png"),
    ],
)
def test_inputs_that_are_none(photos, monkeypatch, given, said):
    monkeypatch.chdir(photos)
    with pytest.raises(InputError, match=said):
        find_inputs(given, OUT)
