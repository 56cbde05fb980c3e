"""The engine of the predict command: ONNX Runtime gives the labels that Keras does."""

import numpy as np
import pytest

from harness.pixel_model import pixel_model, random_images
from harness.trained_like import trained_like
from keras_lraspp.errors import InputError
from keras_lraspp.inference import InferenceOptions, label_function
from keras_lraspp.inference.tta import SINGLE_PASS
from keras_lraspp.prediction import engines
from keras_lraspp.prediction.engines import OnnxPredictor, engine_file, with_engine


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_export(monkeypatch):
    """Fails if a network is exported."""
    monkeypatch.setattr(engines, "_exported", lambda _: pytest.fail("exported"))


def test_the_export_is_made_once_and_gives_the_labels_of_keras(capsys, monkeypatch):
    model, images = trained_like(), random_images(1, 70, 90)
    predictor = with_engine(model, "onnx", SINGLE_PASS, 1)
    assert str(engine_file(model)) in capsys.readouterr().err
    expected = label_function(model)(images)
    assert (predictor.labels(images) == expected).mean() > 0.999
    with monkeypatch.context() as patch:  # a large image is for Keras
        patch.setattr(engines, "LARGE_IMAGE", 70 * 90 - 1)
        patch.setattr("keras_lraspp.export.runtimes.ExportedModel.labels", None)
        np.testing.assert_array_equal(predictor.labels(images), expected)
    written = engine_file(model).stat().st_mtime_ns
    assert isinstance(with_engine(model, "auto", SINGLE_PASS, 1), OnnxPredictor)
    assert engine_file(model).stat().st_mtime_ns == written


def test_other_weights_or_classes_have_another_file():
    one, other = pixel_model(seed=1), pixel_model(seed=2)
    assert engine_file(one) != engine_file(other)
    assert engine_file(one) == engine_file(one)
    assert engine_file(one) != engine_file(pixel_model(4, seed=1))


@pytest.mark.parametrize(
    ("options", "images"), [({}, 29), ({"flip": True}, 99), ({"scales": (2,)}, 99)]
)
def test_auto_leaves_to_keras_what_would_not_pay(no_export, options, images):
    model = pixel_model()
    assert with_engine(model, "auto", InferenceOptions(**options), images) is model


def test_auto_falls_back_to_keras_and_onnx_says_why(monkeypatch, capsys):
    def fail(_):
        raise InputError("other labels")

    monkeypatch.setattr(engines, "_exported", fail)
    model = pixel_model()
    assert with_engine(model, "auto", SINGLE_PASS, 99) is model
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError, match="other labels"):
        with_engine(model, "onnx", SINGLE_PASS, 99)


def test_onnx_takes_one_pass_only(no_export):
    with pytest.raises(InputError, match="sees each image once; leave out flip"):
        with_engine(pixel_model(), "onnx", InferenceOptions(flip=True), 1)
