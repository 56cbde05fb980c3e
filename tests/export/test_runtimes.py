"""Exported files behind their one interface."""

import numpy as np
import pytest
import tensorflow as tf

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp.classes import ClassSet, generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.export.litert import export_litert
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.export.runtimes import (
    open_exported,
    open_litert,
    open_onnx,
    open_saved_model,
)
from keras_lraspp.export.saved_model import export_saved_model

CLASSES = ClassSet(("a", "b", "c", "d", "e"), generic_class_set(5).palette)
SIZE = (12, 20)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same model in three formats."""
    model, folder = pixel_model(), tmp_path_factory.mktemp("files")
    about = {"classes": CLASSES, "variant": "tiny"}
    both = ("labels", "logits")
    export_onnx(model, folder / "a.onnx", outputs=both, **about)
    export_litert(model, folder / "a.tflite", size=SIZE, outputs=both, **about)
    export_saved_model(model, folder / "served", size=SIZE, **about)
    return {
        "onnx": folder / "a.onnx",
        "litert": folder / "a.tflite",
        "saved_model": folder / "served" / "1",
    }


@pytest.mark.parametrize("name", ["onnx", "litert", "saved_model"])
def test_one_interface(files, name):
    opened = open_exported(files[name], threads=1)
    assert opened.num_classes == 5
    assert opened.classes == CLASSES
    assert opened.variant == "tiny"
    assert opened.smallest_side == 1
    assert opened.size == (None if name == "onnx" else SIZE)
    model, images = pixel_model(), random_images(2, *SIZE)
    labels = opened.labels(images)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected_labels(model, images))
    logits = opened.logits(images)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(logits, images @ kernel[0, 0] + bias, atol=1e-3)
    probabilities = opened.probabilities(images)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(
        np.log(probabilities[..., 0] + 1e-30) - np.log(probabilities[..., 1] + 1e-30),
        np.clip(logits[..., 0] - logits[..., 1], -69, 69),
        atol=75,
    )


@pytest.mark.parametrize("name", ["onnx", "litert", "saved_model"])
def test_images_that_do_not_fit(files, name):
    opened = open_exported(files[name])
    for images in (
        random_images(1, *SIZE)[0],
        random_images(1, *SIZE).astype("float32"),
        random_images(1, *SIZE)[..., :1],
        random_images(1, *SIZE)[:, :0],
    ):
        with pytest.raises(InputError, match=r"Images are uint8 \(batch"):
            opened.labels(images)
    if name != "onnx":
        with pytest.raises(InputError, match="9x20.*exported for 12x20"):
            opened.labels(random_images(1, 9, 20))


def test_without_scores_and_metadata(tmp_path):
    model, path = pixel_model(), tmp_path / "a.onnx"
    export_onnx(model, path)
    opened = open_onnx(path)
    assert (opened.classes, opened.variant, opened.num_classes) == (None, None, 5)
    with pytest.raises(InputError, match="no output logits, only labels"):
        opened.logits(random_images(1, 4, 4))
    with pytest.raises(InputError, match="no output probabilities"):
        opened.probabilities(random_images(1, 4, 4))


def test_scores_alone_give_labels(tmp_path):
    model, path = pixel_model(), tmp_path / "a.onnx"
    export_onnx(model, path, outputs=["probabilities"])
    images = random_images(1, 9, 7)
    found = open_onnx(path).labels(images)
    assert np.mean(found == expected_labels(model, images)) > 0.95


def test_an_assertion_in_a_saved_model_is_one_printable_sentence(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
    def labels(image):
        check = tf.debugging.Assert(tf.shape(image)[1] < 99, ["\x1b[2J99 is high"])
        with tf.control_dependencies([check]):
            return {"labels": tf.zeros(tf.shape(image)[:3], tf.int32)}

    tf.saved_model.save(tf.Module(), str(tmp_path), {"serving_default": labels})
    opened = open_saved_model(tmp_path)
    assert opened.labels(random_images(1, 98, 4)).shape == (1, 98, 4)
    says = r"99x4 \(assertion failed: \[.*99 is high\]\); try"
    with pytest.raises(InputError, match=says) as refused:
        opened.labels(random_images(1, 99, 4))
    assert str(refused.value).isprintable()


def test_what_is_no_exported_file(tmp_path):
    damaged = tmp_path / "a.onnx"
    damaged.write_bytes(b"not a model" * 20)
    other = tmp_path / "a.tflite"
    other.write_bytes(damaged.read_bytes())
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 99)
    for open_file, path, match in [
        (open_onnx, damaged, "a.onnx is not an ONNX file"),
        (open_litert, other, "a.tflite is not a LiteRT file"),
        (open_saved_model, tmp_path, "is not a SavedModel"),
        (open_onnx, tmp_path / "none.onnx", "There is no file"),
        (open_exported, tmp_path / "a.keras", "is no exported model"),
    ]:
        with pytest.raises(InputError, match=match):
            open_file(path)
