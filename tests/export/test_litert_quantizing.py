"""Int8 files that LiteRT refuses, or is ended by, and how they come not to be."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from harness.pixel_model import random_images
from keras_lraspp.export import litert, litert_quantizing
from keras_lraspp.export.litert import export_litert
from keras_lraspp.export.litert_quantizing import within_limits
from keras_lraspp.export.parity import ParityError

SIZE = (16, 24)
NOISE = random_images(1, *SIZE)
BRIGHT = 255 - NOISE // 2


@pytest.fixture(scope="module")
def model():
    """A network whose gate has channels that are 0 on noise, not on a bright image."""
    keras.utils.set_random_seed(10)
    image = keras.Input((*SIZE, 3))
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(image)
    squeeze = keras.layers.Conv2D(2, 1, activation="relu")
    gate = keras.layers.Conv2D(8, 1, activation="sigmoid", bias_initializer="uniform")
    gate = gate(squeeze(pooled))
    squeeze.set_weights([np.full((1, 1, 3, 2), 0.1), np.array([-50, -55])])
    values = keras.layers.Conv2D(8, 1, activation="relu")(image)
    return keras.Model(image, keras.layers.Conv2D(4, 1)(values * gate))


def export(model, path):
    return export_litert(
        model,
        path,
        size=SIZE,
        precision="int8",
        representative=NOISE,
        overwrite=True,
    )


@pytest.fixture(scope="module")
def beyond(model, tmp_path_factory):
    """The content as the converter writes it, and what is said of it."""
    path, made = tmp_path_factory.mktemp("int8") / "a.tflite", []
    path.write_bytes(b"kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(litert, "within_limits", lambda one: made.append(one) or one)
        with pytest.raises(ParityError) as caught:
            export(model, path)
    assert path.read_bytes() == b"kept"
    return made[0], str(caught.value)


def labels(content, image, kernels=OpResolverType.AUTO):
    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=kernels
    )
    return interpreter.get_signature_runner()(image=image)["labels"]


def test_what_litert_refuses_is_said(beyond):
    assert "LiteRT cannot run the int8 file for " in beyond[1]
    assert "XNNPACK" in beyond[1] and "give other representative images" in beyond[1]


def test_smaller_steps_give_the_same_labels(beyond, model, tmp_path):
    path = tmp_path / "a.tflite"
    export(model, path)
    for image in (NOISE, BRIGHT):
        # LiteRT's plain kernels have no such limit.
        expected = labels(beyond[0], image, OpResolverType.BUILTIN_REF)
        np.testing.assert_array_equal(labels(path.read_bytes(), image), expected)
        assert len(np.unique(expected)) > 1


def test_what_is_within_the_limits_stays(beyond):
    content = within_limits(beyond[0])
    assert content != beyond[0]
    assert within_limits(content) == content


def test_a_file_that_ends_the_process(beyond, model, tmp_path, monkeypatch):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"kept")
    monkeypatch.setattr(litert, "_convert", lambda *_: beyond[0])
    monkeypatch.setattr(litert_quantizing, "_TRIAL", ("-c", "import os; os.abort()"))
    with pytest.raises(ParityError, match=r"int8 file .* \(the process ended with -6"):
        export(model, path)
    assert path.read_bytes() == b"kept" and len(list(tmp_path.iterdir())) == 1
