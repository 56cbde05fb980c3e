"""Every signature as the server runs it, against arithmetic in whole numbers."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from harness.image_files import encoded
from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.served import ServedModel
from keras_lraspp.classes import generic_class_set
from keras_lraspp.export.saved_model import MAX_REQUEST_PIXELS, signatures

PALETTE = generic_class_set(5).palette


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def save(model, folder, sides=(None, None)) -> ServedModel:
    def logits(images):
        return model(images, training=False)

    def labels(images):
        return tf.argmax(logits(images), -1, output_type=tf.int32)

    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    functions = signatures(labels, logits, PALETTE, sides)
    tf.saved_model.save(module, str(folder), signatures=functions)
    return ServedModel(folder)


@pytest.fixture(scope="module")
def model():
    return pixel_model()


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    return save(model, tmp_path_factory.mktemp("served"))


def test_images_to_labels_and_logits(model, served):
    images = random_images(2, 9, 14)
    labels = served("serving_default", image=images)["labels"]
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, expected_labels(model, images))
    logits = served("logits", image=images)["logits"]
    assert logits.shape == (2, 9, 14, 5) and logits.dtype == np.float32
    np.testing.assert_array_equal(logits.argmax(-1), expected_labels(model, images))


def test_the_names_are_those_of_the_contract(served):
    names = {
        name: (set(row.inputs), set(row.outputs))
        for name, row in served.signatures.items()
        if not name.startswith("__")
    }
    pngs = {"label_png_bytes", "color_png_bytes"}
    assert names == {
        "serving_default": ({"image"}, {"labels"}),
        "logits": ({"image"}, {"logits"}),
        "serve_bytes": ({"image_bytes"}, {"labels", *pngs}),
        "serve_png": ({"image_bytes"}, pngs),
    }


def test_files_of_one_size(model, served):
    images = random_images(3, 12, 10)
    found = served(
        "serve_bytes", image_bytes=[encoded(image, "PNG") for image in images]
    )
    expected = expected_labels(model, images)
    np.testing.assert_array_equal(found["labels"], expected)
    for index in range(3):
        label_png = decoded(found["label_png_bytes"][index])
        np.testing.assert_array_equal(label_png, expected[index])
        color_png = decoded(found["color_png_bytes"][index])
        np.testing.assert_array_equal(color_png, np.array(PALETTE)[expected[index]])


def test_pictures_of_any_sizes(model, served):
    images = [random_images(7, 31, seed=1), random_images(20, 3, seed=2)]
    found = served("serve_png", image_bytes=[encoded(image, "PNG") for image in images])
    assert set(found) == {"label_png_bytes", "color_png_bytes"}
    for image, label_png in zip(images, found["label_png_bytes"], strict=True):
        expected = expected_labels(model, image)
        np.testing.assert_array_equal(decoded(label_png), expected)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1"])
def test_kinds_of_png(model, served, mode):
    image = Image.fromarray(random_images(8, 8)).convert(mode)
    found = served("serve_bytes", image_bytes=[encoded(image, "PNG")])["labels"][0]
    expected = expected_labels(model, np.asarray(image.convert("RGB")))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_kinds_of_jpeg(model, served, mode):
    image = Image.fromarray(random_images(16, 24)).convert(mode)
    content = encoded(image, "JPEG", quality=95)
    found = served("serve_bytes", image_bytes=[content])["labels"][0]
    rgb = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    expected = expected_labels(model, rgb)
    assert np.mean(found == expected) > 0.99


def _claims(content: bytes, height: int, width: int) -> bytes:
    """The file with another size in its header, and the right checksum."""
    changed = bytearray(content)
    if content.startswith(b"\x89PNG"):
        changed[16:24] = struct.pack(">II", width, height)
        changed[29:33] = struct.pack(">I", zlib.crc32(bytes(changed[12:29])))
    else:
        place = content.index(b"\xff\xc0") + 5
        changed[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(changed)


_IMAGE = random_images(30, 40)
_SIDE = int(MAX_REQUEST_PIXELS**0.5) + 1
_BAD = {
    "empty": b"",
    "text": b"hello",
    "html": b"<html>" + b" " * 100,
    "PNG signature only": b"\x89PNG\r\n\x1a\n",
    "JPEG start only": b"\xff\xd8\xff\xe0",
    "cut PNG": encoded(_IMAGE, "PNG")[:300],
    "cut JPEG": encoded(_IMAGE, "JPEG")[:200],
    "GIF": encoded(_IMAGE, "GIF"),
    "PNG bomb": _claims(encoded(_IMAGE, "PNG"), _SIDE, _SIDE),
    "JPEG bomb": _claims(encoded(_IMAGE, "JPEG"), _SIDE, _SIDE),
    "PNG of no pixels": _claims(encoded(_IMAGE, "PNG"), 0, 40),
    "PNG of 2**31 rows": _claims(encoded(_IMAGE, "PNG"), 2**31, 2**31),
}


@pytest.mark.parametrize("kind", _BAD)
@pytest.mark.parametrize("signature", ["serve_bytes", "serve_png"])
def test_bad_bytes_are_the_callers_fault(model, served, signature, kind):
    with pytest.raises(tf.errors.InvalidArgumentError):
        served(signature, image_bytes=[_BAD[kind]])
    good = served(signature, image_bytes=[encoded(_IMAGE, "PNG")])  # it goes on
    label_png = decoded(good["label_png_bytes"][0])
    np.testing.assert_array_equal(label_png, expected_labels(model, _IMAGE))


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 4), np.uint8)],
    ids=["rank", "channels"],
)
def test_tensors_of_another_shape_are_refused(served, image):
    # The session refuses what the server's own check calls INVALID_ARGUMENT.
    with pytest.raises(ValueError, match="shape"):
        served("serving_default", image=image)


def test_a_fixed_size_is_said(tmp_path):
    served = save(pixel_model(), tmp_path, (12, 16))
    assert served("serve_bytes", image_bytes=[encoded(random_images(12, 16), "PNG")])
    for signature in ("serve_bytes", "serve_png"):
        with pytest.raises(tf.errors.InvalidArgumentError, match="another size"):
            served(signature, image_bytes=[encoded(random_images(16, 12), "PNG")])
    for signature in ("serving_default", "logits"):  # below Python's own check
        assert served.unchecked(signature, random_images(1, 12, 16))
        with pytest.raises(tf.errors.InvalidArgumentError, match="12,16,3"):
            served.unchecked(signature, random_images(1, 16, 12))
