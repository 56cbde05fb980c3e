"""What concerns one image is that image's error, and the rest is done."""

import contextlib
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path

import pytest
from PIL import Image

from harness.pixel_model import pixel_model, random_images
from keras_lraspp.errors import InputError
from keras_lraspp.prediction.inputs import find_images
from keras_lraspp.prediction.outputs import image_jobs
from keras_lraspp.prediction.predict import predict
from keras_lraspp.prediction.segmenter import Segmenter


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "best.keras"
    pixel_model(2, seed=3).save(path)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def run(weights, source, target="out", **arguments):
    arguments = {"outputs": ["labels"], **arguments}
    return predict(
        model=lambda num_classes: pixel_model(num_classes, seed=99),
        weights=weights,
        input_path=source,
        output_dir=target,
        classes=2,
        **arguments,
    )


def put(*paths):
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random_images(6, 8, seed=1)).save(path, "PNG")


@contextlib.contextmanager
def odd_files(folder):
    """Yields what may bear an image's name, and what is said of it."""
    os.mkfifo(folder / "pipe.png")
    os.symlink("itself.png", folder / "itself.png")
    os.symlink("nowhere", folder / "broken.png")
    os.symlink("/dev/zero", folder / "device.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder.relative_to(Path.cwd()) / "socket.png"))
        yield {
            "pipe.png": "is a pipe, not a file",
            "itself.png": "Too many levels of symbolic links",
            "broken.png": "No such file",
            "device.png": "is a device, not a file",
            "socket.png": "is a socket, not a file",
        }


def test_odd_files_in_a_folder_or_list(weights, folder, capsys):
    put(folder / "good.png", folder / "sub" / "better.png")
    with odd_files(folder) as said:
        Path("list.txt").write_text(
            "\n".join(f"in/{name}" for name in [*said, "good.png", "sub/better.png"])
            + f"\n/\nin/{'a' * 300}.png\n{'in/' * 2000}a.png\nin/sub\n"
        )
        for source, count in [("in", 5), ("in/**", 5), ("list.txt", 9)]:
            with pytest.raises(InputError, match=f"^{count} of {count + 2} images fai"):
                run(weights, source, f"{source[-4:]}-out")
            lines = capsys.readouterr().err.splitlines()
            for name, reason in said.items():
                assert any(name in line and reason in line for line in lines), name
            made = {path.name for path in Path(f"{source[-4:]}-out").rglob("*.png")}
            assert made == {"good_labels.png", "better_labels.png"}


def test_odd_files_by_themselves(weights, folder):
    with odd_files(folder) as said:
        for name, reason in said.items():
            for suffix in (".png", ".txt", ".mp4"):
                path = folder / Path(name).with_suffix(suffix)
                if suffix != ".png":
                    os.rename(folder / name, path)
                if name == "itself.png":
                    path.unlink()
                    os.symlink(path.name, path)
                with pytest.raises(InputError, match=reason):
                    run(weights, path)
                if suffix != ".png":
                    os.rename(path, folder / name)


def test_names_that_are_odd_or_taken(weights, folder, capfd):
    long = "l" * 250 + ".png"
    put(folder / long, folder / "line\nfeed\x1b[0m.png", folder / "taken.png")
    put(
        os.path.join(os.fsencode(folder), b"latin-\xe9.png").decode(
            errors="surrogateescape"
        )
    )
    put("out/taken_labels.png/inside.png")
    with pytest.raises(InputError, match="^2 of 4 images failed"):
        run(weights, folder)
    said = [line for line in capfd.readouterr().err.splitlines() if "Cannot" in line]
    assert len(said) == 2
    assert "_labels.png: File name too long. Choose a shorter name." in said[0]
    assert said[1].endswith(
        "taken_labels.png: Is a directory. Move the folder of that name away."
    )
    assert {*os.listdir(b"out")} == {
        b"line\nfeed\x1b[0m_labels.png",
        b"latin-\xe9_labels.png",
        b"taken_labels.png",
    }


def test_a_message_is_one_line(weights, folder, capfd):
    put(folder / "good.png")
    (folder / "bad\nerror: \x1b[2J.png").write_bytes(b"")
    with pytest.raises(InputError, match="^1 of 2 images"):
        run(weights, folder)
    assert r"in/bad\nerror: \x1b[2J.png is not an image" in capfd.readouterr().err


def test_no_two_results_have_one_name(folder):
    names = ["a.png", "a.jpg", "a.png.png", "a.png.png.bmp", "b.png", "b", "sub/a.png"]
    images = [folder / name for name in names]
    jobs = image_jobs(folder, images, Path("out"), ["labels"])
    assert [str(job.labels.relative_to("out")) for job in jobs] == [
        "a.png_labels.png",
        "a.jpg_labels.png",
        "a.png.png_labels.png",
        "a.png.png.bmp_labels.png",
        "b.png_labels.png",
        "b_labels.png",
        "sub/a_labels.png",
    ]


def test_links_to_their_own_folder_end(folder):
    put(folder / "sub" / "a.png")
    for name in "xyz":
        os.symlink("..", folder / "sub" / name)
    for source in (folder, folder / "**", folder / "**" / "*.png"):
        found = find_images(source, Path("out"))
        assert found == (folder, [folder / "sub" / "a.png"])


@pytest.mark.parametrize("pattern", ["in/a**/*.png", "in/**b.png"])
def test_patterns_that_are_none(folder, pattern):
    with pytest.raises(InputError, match="pattern|No image matches"):
        find_images(Path(pattern), Path("out"))


@pytest.fixture
def nobody():
    """Becomes a user to whom permissions apply; yields a folder of theirs."""
    root = not os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        if root:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)


def test_what_may_not_be_read(weights, nobody, capsys):
    put(nobody / "in" / "good.png", nobody / "in" / "shut.png", nobody / "in/sub/a.png")
    shutil.copy(nobody / "in" / "good.png", nobody / "in" / "z.png")
    (nobody / "in" / "shut.png").chmod(0)
    (nobody / "in" / "sub").chmod(0)
    images = find_images(nobody / "in", nobody / "out")
    assert [path.name for path in images.paths] == [
        "good.png",
        "shut.png",
        "sub",
        "z.png",
    ]
    with pytest.raises(InputError, match="Cannot read .*in/sub: Permission denied"):
        find_images(nobody / "in" / "sub", nobody / "out")


def test_a_long_list_of_which_nothing_is_there(folder):
    names = [f"{index % 100}/{index}.png" for index in range(100_000)]
    (folder / "list.txt").write_text("\n".join(names))
    says = (
        "^None of the 100000 images in .*list.txt exists: .*0/0.png.* 99995 more; corr"
    )
    started = time.process_time()
    with pytest.raises(InputError, match=says):
        find_images(folder / "list.txt", Path("out"))
    assert time.process_time() - started < 20  # half a second


def test_an_image_that_does_not_fit_in_the_memory(weights, folder, capsys, monkeypatch):
    put(folder / "a.png", folder / "z.png")
    Image.fromarray(random_images(9, 8, seed=1)).save(folder / "large.png")
    Image.fromarray(random_images(9, 9, seed=1)).save(folder / "large_too.png")
    segment, write = Segmenter.__call__, Image.Image.save

    def short_of_memory(self, pixels):
        if pixels.shape == (9, 8, 3):
            raise MemoryError
        return segment(self, pixels)

    def save_small(self, *arguments, **options):
        if self.size == (9, 9):
            raise MemoryError
        write(self, *arguments, **options)

    monkeypatch.setattr(Segmenter, "__call__", short_of_memory)
    monkeypatch.setattr(Image.Image, "save", save_small)
    with pytest.raises(InputError, match="^2 of 4 images failed.* other 2 are in out"):
        run(weights, folder)
    said = capsys.readouterr().err
    for name in ("large", "large_too"):
        assert f"in/{name}.png: it does not fit in the memory; cut it" in said
    assert sorted(os.listdir("out")) == ["a_labels.png", "z_labels.png"]


def test_the_most_pixels(weights, folder, capsys):
    put(folder / "a.png")
    Image.fromarray(random_images(9, 8, seed=1)).save(folder / "large.png")
    with pytest.raises(InputError, match="^1 of 2 images"):
        run(weights, folder, max_pixels=71)
    assert "large.png claims 8x9 pixels, more than the limit of 71" in (
        capsys.readouterr().err
    )
    run(weights, folder, max_pixels=72)
    for wrong in (0, -1, True, 2**70):
        with pytest.raises(InputError, match="predict.max_pixels is a"):
            run(weights, folder, max_pixels=wrong)
