"""LiteRT files: their operators, and what LiteRT makes of them."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.trained_like import trained_like
from keras_lraspp.classes import ClassSet, generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.export.litert import export_litert
from keras_lraspp.export.parity import ParityError, draw_image
from keras_lraspp.export.runtimes import read_entries
from keras_lraspp.models.mobilenet_v3 import BLOCKS

SIZE = (64, 96)
CLASSES = ClassSet(("a", "b", "c", "é", "e"), generic_class_set(5).palette)


def scores(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def operators(path):
    return operators_in(Interpreter(str(path)))


def operators_in(interpreter):
    names = interpreter._get_ops_details()
    return Counter(operator["op_name"] for operator in names)


@pytest.fixture(scope="module")
def model():
    return trained_like(output_stride=8, seed=4)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """Makes a file of each precision once."""
    folder, made = tmp_path_factory.mktemp("litert"), {}

    def export(precision, outputs=("labels",)):
        if precision not in made:
            path = folder / f"{precision}.tflite"
            report = export_litert(
                model,
                path,
                size=SIZE,
                precision=precision,
                representative=random_images(3, *SIZE),
                outputs=outputs,
                classes=CLASSES,
                variant="tiny",
                images=[draw_image(40, 30)[0]],
            )
            made[precision] = path, report
        return made[precision]

    return export


@pytest.mark.parametrize("resized", [False, True])
@pytest.mark.parametrize(
    "shape",
    [(), (64, 3), (64, 96, 3), (1, 1, 64, 96, 3), (1, 64, 96, 4), (1, 64, 96, 0)]
    + [(0, 64, 96, 3), (1, 0, 96, 3), (1, 64, 0, 3)],
)
def test_the_runtime_refuses_other_shapes(exported, shape, resized):
    interpreter = Interpreter(str(exported("float32", ("labels", "logits"))[0]))
    (given,) = interpreter.get_input_details()
    with pytest.raises((RuntimeError, ValueError)):
        if resized:
            interpreter.resize_tensor_input(given["index"], list(shape))
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], np.zeros(shape, np.uint8))
        interpreter.invoke()


def test_float32_is_the_keras_model(model, exported):
    path, report = exported("float32", ("labels", "logits"))
    run = Interpreter(str(path)).get_signature_runner()
    image = random_images(1, *SIZE, seed=4)
    found, expected = run(image=image), scores(model, image)
    atol = 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(found["logits"], expected, atol=atol)
    np.testing.assert_array_equal(found["labels"], found["logits"].argmax(-1))
    assert found["labels"].dtype == np.int32
    assert (report.path, report.format, report.precision) == (path, "litert", "float32")
    assert report.sizes == (SIZE, SIZE)
    assert report.agreement > 0.9999
    assert report.max_logit_difference < 1e-4 * report.largest_logit


def test_operators(exported):
    found = operators(exported("float32", ("labels", "logits"))[0])
    blocks = BLOCKS["small"]
    gates = sum(block.squeeze_excite for block in blocks)
    assert found["HARD_SWISH"] == 1 + 2 * sum(block.hard_swish for block in blocks)
    assert found["DEPTHWISE_CONV_2D"] == len(blocks)
    # The first block is of many pixels and few channels: its gates go into a kernel.
    assert found["BATCH_MATMUL"] == 1
    assert found["CONV_2D"] == 2 * len(blocks) + 2 * gates + 8 - 1
    assert set(found) == {
        "CAST", "SUB", "PAD", "CONV_2D", "DEPTHWISE_CONV_2D", "HARD_SWISH", "MEAN",
        "MUL", "ADD", "LOGISTIC", "RESIZE_BILINEAR", "ARG_MAX", "RESHAPE",
        "BATCH_MATMUL",
    }  # fmt: skip


def test_the_file_says_what_it_is(exported):
    path, _ = exported("float32", ("labels", "logits"))
    assert read_entries(path.read_bytes()) == {
        "num_classes": "5",
        "smallest_side": "1",
        "variant": "tiny",
        "classes": '["a", "b", "c", "é", "e"]',
        "palette": "[[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]",
    }


@pytest.mark.slow  # `.ci/run` runs it
def test_smaller_weights(exported):
    sizes = {}
    for precision in ("float32", "float16", "dynamic"):
        path, report = exported(precision)
        assert "SPACE_TO_BATCH_ND" not in operators(path)
        sizes[precision] = path.stat().st_size
        # Rounding moves boundaries; a constant label agrees on four fifths.
        assert report.agreement > {"dynamic": 0.97}.get(precision, 0.999)
    assert sizes["float16"] < 0.6 * sizes["float32"]
    assert sizes["dynamic"] < 0.45 * sizes["float32"]


def test_eight_bits(model, exported):
    path, report = exported("int8")
    assert set(operators(path)) - {"QUANTIZE"} <= {
        "SUB", "PAD", "CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "MUL", "ADD", "LOGISTIC",
        "RESIZE_BILINEAR", "ARG_MAX",
    }  # fmt: skip
    interpreter = Interpreter(str(path))
    (given,) = interpreter.get_input_details()
    # Pixels go in as they are.
    assert (given["dtype"], given["quantization"]) == (np.uint8, (1.0, 0))
    image = draw_image(*SIZE)
    labels = interpreter.get_signature_runner()(image=image)["labels"]
    assert np.mean(labels == scores(model, image).argmax(-1)) > 0.9
    # XNNPACK takes all between the pixels and the largest score in one piece.
    assert operators_in(interpreter)["DELEGATE"] == 1
    assert report.max_logit_difference is None
    assert report.precision == "int8"


def test_another_keras_model(tmp_path):
    model, path = pixel_model(), tmp_path / "a.tflite"
    export_litert(model, path, size=(12, 20))
    images = random_images(1, 12, 20)
    labels = Interpreter(str(path)).get_signature_runner()(image=images)["labels"]
    np.testing.assert_array_equal(labels, expected_labels(model, images))


def test_bad_arguments(tmp_path):
    model, path = pixel_model(), tmp_path / "a.tflite"
    path.write_bytes(b"kept")
    for arguments, match in [
        ({"size": (8, 8)}, "a.tflite is there already"),
        ({}, "for one size; give size"),
        ({"size": (8, 8), "precision": "int4"}, "precision is one of"),
        ({"size": (8, 8), "precision": "int8"}, "needs representative images"),
        ({"size": (8, 8), "outputs": ("labels", "labels")}, "each once"),
    ]:
        with pytest.raises(InputError, match=match):
            export_litert(model, path, **arguments)
    assert path.read_bytes() == b"kept"


class _Drifts(keras.layers.Layer):
    def call(self, inputs):
        return inputs if tf.executing_eagerly() else -inputs


def test_a_file_that_drifts_is_not_written(tmp_path):
    base = pixel_model()
    model = keras.Model(base.input, _Drifts()(base.output))
    with pytest.raises(ParityError, match="nothing was exported"):
        export_litert(model, tmp_path / "a.tflite", size=(24, 24))
    assert not list(tmp_path.iterdir())
