"""The built program of `examples/cpp` against the reference's own labels."""

import os
import re
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import reference
from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.trained_like import trained_like
from keras_lraspp.classes import CLASS_SETS, generic_class_set
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.export.runtimes import open_exported
from keras_lraspp.visualize import overlay

pytestmark = pytest.mark.cpp

VARIANT = "small_os32_global"
CITYSCAPES = CLASS_SETS["cityscapes"]


def run(*arguments):
    """Calls the program; returns exit code, stdout and stderr."""
    program = os.environ["LRASPP_SEGMENT"]
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def network():
    return reference.model(VARIANT)


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    """A folder with the network as ONNX file, and an image of an odd size as PNG."""
    folder = tmp_path_factory.mktemp("cpp")
    export_onnx(network, folder / "model.onnx", classes=CITYSCAPES)
    Image.fromarray(_image()[0]).save(folder / "image.png")
    return folder


def _image():
    height, width = reference.expected("reference_forward.npz", VARIANT)["size"]
    return reference.image(height, width)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_labels_are_those_of_paddleseg_and_of_keras(files, network, tmp_path):
    labels = tmp_path / "labels.png"
    code, said, wrong = run(
        files / "model.onnx", files / "image.png", f"--labels={labels}", "--repeat=2"
    )
    assert (code, wrong) == (0, "")
    found = pixels(labels)
    wanted = reference.expected("reference_forward.npz", VARIANT)["argmax"][0]
    assert found.dtype == np.uint8 and found.shape == wanted.shape
    assert np.mean(found == wanted) >= 0.999
    ours = np.asarray(network(_image())).argmax(-1)[0]
    assert np.mean(found == ours) >= 0.999
    # What it prints: the share of each class by name, and the time.
    shares = dict(
        reversed(line.strip().split(" %  ")) for line in said.splitlines()[:-1]
    )
    expected = {
        CITYSCAPES.names[label]: 100 * np.mean(found == label)
        for label in np.unique(found)
    }
    assert {name: float(share) for name, share in shares.items()} == pytest.approx(
        expected, abs=0.006
    )
    assert "ms per image, median of 2" in said


def test_the_overlay(files, tmp_path):
    labels, picture = tmp_path / "labels.png", tmp_path / "overlay.png"
    flags = (f"--labels={labels}", f"--overlay={picture}", "--opacity=0.25")
    assert run(files / "model.onnx", files / "image.png", *flags)[0] == 0
    expected = overlay(
        _image()[0], pixels(labels), CITYSCAPES.palette, 0.25, borders=False
    )
    gap = np.abs(pixels(picture).astype(int) - expected.astype(int))
    assert gap.max() <= 1  # the rounding of halves


@pytest.mark.parametrize("kind", ["JPEG", "L", "RGBA"])
def test_kinds_of_images(tmp_path, kind):
    """A model of single pixels: what it sees is what Pillow reads."""
    model = pixel_model(7)
    export_onnx(model, tmp_path / "model.onnx", classes=generic_class_set(7))
    image, path = Image.fromarray(random_images(33, 18)), tmp_path / "image.png"
    if kind == "JPEG":
        path = path.with_suffix(".jpg")
        image.save(path, quality=98, subsampling=0)
    else:
        image.convert(kind).save(path)
    labels = tmp_path / "labels.png"
    assert run(tmp_path / "model.onnx", path, f"--labels={labels}")[0] == 0
    expected = expected_labels(model, np.asarray(Image.open(path).convert("RGB")))
    agreement = np.mean(pixels(labels) == expected)
    assert agreement == 1


@pytest.fixture
def fixed(tmp_path):
    path = tmp_path / "fixed.onnx"
    export_onnx(pixel_model(5), path, size=(12, 16), classes=generic_class_set(5))
    Image.fromarray(random_images(12, 16)).save(tmp_path / "fits.png")
    return path


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_network_of_a_fixed_size(tmp_path, precision):
    images, path = random_images(2, 64, 96), tmp_path / "model.onnx"
    export_onnx(
        trained_like(output_stride=32),
        path,
        size=(64, 96),
        precision=precision,
        representative=images,
        classes=generic_class_set(5),
    )
    Image.fromarray(images[0]).save(tmp_path / "image.png")
    labels = tmp_path / "labels.png"
    assert run(path, tmp_path / "image.png", f"--labels={labels}")[0] == 0
    found = open_exported(path).labels(images[:1])[0]
    np.testing.assert_array_equal(pixels(labels), found)


def test_a_fixed_size(fixed, files, tmp_path):
    labels = tmp_path / "labels.png"
    assert run(fixed, tmp_path / "fits.png", f"--labels={labels}")[0] == 0
    expected = expected_labels(pixel_model(5), random_images(12, 16))
    np.testing.assert_array_equal(pixels(labels), expected)
    code, _, said = run(fixed, files / "image.png", f"--labels={tmp_path / 'no.png'}")
    assert code == 2 and "exported for 12x16" in said
    assert not (tmp_path / "no.png").exists()


def test_what_cannot_be_read(files, tmp_path):
    """Each wrong file as model and as image: one sentence and exit code 2."""
    model, image, cut = files / "model.onnx", files / "image.png", tmp_path / "cut.png"
    cut.write_bytes(image.read_bytes()[:3000])
    page, empty, loop = tmp_path / "page", tmp_path / "empty", tmp_path / "loop"
    page.write_text("<html>")
    empty.write_bytes(b"")
    loop.symlink_to(loop)
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "huge", "wb") as huge:
        huge.truncate(2**31)
    for path, match in (
        (tmp_path / "none", "There is no file"),
        (tmp_path / "huge", "2147483648 bytes; give a file of 1 to"),
        (empty, "has 0 bytes; give a file"),
        (loop, "Cannot look at"),
        (tmp_path, "is a folder, pipe or device"),
        (tmp_path / "pipe", "is a folder, pipe or device"),
        ("/dev/zero", "is a folder, pipe or device"),
    ):
        for arguments in ((path, image), (model, path)):
            code, _, said = run(*arguments)
            assert code == 2 and match in said and str(path) in said, said
            assert said.count("\n") == 1
    for arguments, match in (
        ((model, page), "is not a JPEG or PNG image"),
        ((model, cut), "is damaged (it is cut off)"),
        ((page, image), "is no model for ONNX Runtime"),
        ((cut, image), "is no model for ONNX Runtime"),
    ):
        code, _, said = run(*arguments)
        assert code == 2 and match in said, said


def test_a_bomb_is_refused_by_its_header(files, tmp_path):
    content = bytearray((files / "image.png").read_bytes())
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.png").write_bytes(content)
    code, _, said = run(files / "model.onnx", tmp_path / "bomb.png")
    assert code == 2 and "bomb.png" in said


def test_small_files_of_huge_images_take_no_memory(files, tmp_path):
    for kind in ("png", "jpg"):
        path = tmp_path / f"small.{kind}"
        Image.new("RGB", (8, 8)).save(path)
        content = bytearray(path.read_bytes())
        if kind == "png":
            chunk = b"IHDR" + (8000).to_bytes(4, "big") * 2 + content[24:29]
            content[12:33] = chunk + zlib.crc32(chunk).to_bytes(4, "big")
        else:
            at = content.index(b"\xff\xc0") + 5
            content[at : at + 4] = (8000).to_bytes(2, "big") * 2
        path.write_bytes(content)
        code, _, said = run(files / "model.onnx", path)
        assert code == 2 and "claims 8000x8000 pixels in too few bytes" in said


def test_a_jpeg_of_thousands_of_scans(files, tmp_path):
    path = tmp_path / "scans.jpg"
    Image.new("RGB", (4096, 4096)).save(path, progressive=True)
    content = path.read_bytes()
    start = content.rindex(b"\xff\xda")
    path.write_bytes(content[:start] + 1000 * content[start:-2] + content[-2:])
    code, _, said = run(files / "model.onnx", path)
    assert code == 2 and "scans" in said


def test_models_that_do_more_than_compute(files, tmp_path):
    import onnx

    def loop(model):
        model.graph.node.add(op_type="Loop")

    def hidden(model):
        branch = model.graph.node.add(op_type="If").attribute.add()
        branch.g.node.add(op_type="Scan")

    def external(model):
        model.graph.initializer[0].external_data.add(key="location", value="/dev/zero")

    def foreign(model):
        model.graph.node.add(op_type="Conv", domain="evil")

    def function(model):
        model.functions.add(name="f")

    for change, match in (
        (loop, "the operation  Loop"),
        (hidden, "the operation  Scan"),
        (external, "data in another file"),
        (foreign, "the operation evil Conv"),
        (function, "functions of its own"),
    ):
        model = onnx.load(files / "model.onnx")
        change(model)
        onnx.save(model, tmp_path / "a.onnx")
        code, _, said = run(tmp_path / "a.onnx", files / "image.png")
        assert code == 2 and f"a.onnx is refused: it has {match}" in said, said


@pytest.mark.parametrize(
    "key, text",
    [
        ("palette", "[[0, 0, 256], [1, 1, 1]]"),
        ("palette", "[[0, 0, 1e300], [1, 1, 1]]"),
        ("palette", "[[0, 0, 0, 0], [1, 1, 1]]"),
        ("palette", "[" * 100_000),
        ("palette", "[[0, 0, 0]]"),
        ("classes", '{"a": 1}'),
        ("classes", '["a", "\\u001b[2J"]'),
        ("classes", "[]"),
    ],
)
def test_metadata_of_a_stranger(files, tmp_path, key, text):
    import onnx

    model = onnx.load(files / "model.onnx")
    entries = {"classes": '["a", "b"]', "palette": "[[0, 0, 0], [1, 1, 1]]", key: text}
    onnx.helper.set_model_props(model, entries)
    onnx.save(model, tmp_path / "a.onnx")
    code, _, said = run(tmp_path / "a.onnx", files / "image.png")
    assert code == 2 and "a.onnx" in said and said.count("\n") == 1, said


def test_labels_that_are_no_class(files, tmp_path):
    import onnx

    model = onnx.load(files / "model.onnx")
    entries = {"classes": '["a", "b"]', "palette": "[[0, 0, 0], [1, 1, 1]]"}
    onnx.helper.set_model_props(model, entries)
    onnx.save(model, tmp_path / "a.onnx")
    code, _, said = run(tmp_path / "a.onnx", files / "image.png")
    assert code == 2 and re.search(r"labels from \d+ to \d+ of 2 classes", said), said


def test_models_of_another_interface(files, tmp_path):
    nameless = tmp_path / "nameless.onnx"
    export_onnx(pixel_model(5), nameless)
    code, _, said = run(nameless, files / "image.png")
    assert code == 2 and "there is no `classes`" in said
    scores = tmp_path / "scores.onnx"
    classes = generic_class_set(5)
    export_onnx(pixel_model(5), scores, outputs=("logits",), classes=classes)
    code, _, said = run(scores, files / "image.png")
    assert code == 2 and "does not take `image` and return `labels`" in said
    four = tmp_path / "four.onnx"
    export_onnx(pixel_model(5, input_shape=(None, None, 4)), four, classes=classes)
    code, _, said = run(four, files / "image.png")
    assert code == 2 and "four.onnx takes 4-channel images, but this" in said


@pytest.mark.parametrize(
    "flag", ["--colour=red", "--opacity=2", "--opacity=", "--threads=1.5", "third"]
)
def test_bad_arguments(files, flag):
    code, _, said = run(files / "model.onnx", files / "image.png", flag)
    assert code == 2 and flag.partition("=")[0] in said


def test_too_few_arguments():
    code, _, said = run("model.onnx")
    assert code == 2 and "usage: lraspp_segment" in said


@pytest.mark.parametrize("flag", ["--labels", "--overlay"])
def test_what_cannot_be_written(files, tmp_path, flag):
    output = tmp_path / "none" / "out.png"
    code, _, said = run(files / "model.onnx", files / "image.png", f"{flag}={output}")
    assert code == 3 and f"Cannot write {output}" in said
