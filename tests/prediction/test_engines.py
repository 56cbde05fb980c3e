"""Engines: ONNX Runtime and LiteRT give the labels that Keras does."""

import pickle

import numpy as np
import pytest

from harness.pixel_model import pixel_model, random_images
from harness.trained_like import trained_like
from keras_lraspp import Segmenter
from keras_lraspp.errors import InputError, MissingPackageError, StorageError
from keras_lraspp.export.runtimes import ExportedModel
from keras_lraspp.inference import InferenceOptions, label_function
from keras_lraspp.prediction import engines
from keras_lraspp.prediction.engines import (
    RuntimePredictor,
    engine_file,
    with_engine,
)
from keras_lraspp.prediction.predictors import KerasPredictor


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_export(monkeypatch):
    """Fails if a network is exported."""
    monkeypatch.setattr(engines, "_exported", lambda *_: pytest.fail("exported"))


@pytest.fixture(scope="module")
def network():
    return trained_like()


def kept(home):
    return sorted((home / "keras_lraspp/engines").iterdir())


@pytest.mark.parametrize("engine", ["onnx", "litert"])
def test_the_export_is_made_once_and_gives_the_labels_of_keras(
    engine, network, home, monkeypatch
):
    images = random_images(1, 70, 90)
    expected = label_function(network)(images)
    predictor = with_engine(KerasPredictor(network), engine)
    with monkeypatch.context() as patch:  # not by Keras
        patch.setattr(predictor, "_by_keras", None)
        assert (predictor.labels(images) == expected).mean() > 0.999
    with monkeypatch.context() as patch:  # a large image is for Keras
        patch.setattr(engines, "LARGE_IMAGE", 70 * 90 - 1)
        patch.setattr(ExportedModel, "labels", None)
        np.testing.assert_array_equal(predictor.labels(images), expected)
    (path,) = kept(home)
    written = path.stat().st_mtime_ns
    again = Segmenter(network, engine=engine)
    assert (again(images[0]) == expected[0]).mean() > 0.999
    assert (kept(home), path.stat().st_mtime_ns) == ([path], written)
    assert isinstance(again.predictor, RuntimePredictor)
    # Keras has the scores, and the sentence for what no network takes.
    soft = again.probabilities(images[0])
    np.testing.assert_array_equal(soft.argmax(-1), expected[0])
    for wrong in (np.zeros((1, 8, 8, 4), np.uint8), np.zeros((1, 8, 8, 3)), images[0]):
        with pytest.raises(InputError, match="uint8"):
            predictor.labels(wrong)
    assert kept(home) == [path]


def test_litert_has_a_file_for_each_of_four_sizes_and_keras_the_rest(home):
    predictor = RuntimePredictor(pixel_model(seed=3), "litert")
    by_keras = label_function(predictor.model)
    for side in (10, 11, 12, 13, 14, 10):
        images = random_images(2, side, 9)
        np.testing.assert_array_equal(predictor.labels(images), by_keras(images))
    assert len(kept(home)) == 4
    assert {path.suffix for path in kept(home)} == {".tflite"}


def test_other_weights_classes_or_sizes_have_another_file():
    one, other = pixel_model(seed=1), pixel_model(seed=2)
    assert engine_file(one) != engine_file(other)
    assert engine_file(one) == engine_file(one)
    assert engine_file(one) != engine_file(pixel_model(4, seed=1))
    files = {engine_file(one, "litert", sides) for sides in ((8, 9), (9, 8), (8, 9))}
    assert len(files) == 2


@pytest.mark.parametrize(
    ("options", "images"), [({}, 29), ({"flip": True}, 99), ({"scales": (2,)}, 99)]
)
def test_auto_leaves_to_keras_what_would_not_pay(no_export, options, images):
    predictor = KerasPredictor(pixel_model(), InferenceOptions(**options))
    assert with_engine(predictor, "auto", images) is predictor


def test_auto_takes_a_file_that_is_there_for_few_images(capsys):
    predictor = KerasPredictor(pixel_model())
    with_engine(predictor, "onnx")
    assert isinstance(with_engine(predictor, "auto", 1), RuntimePredictor)
    assert capsys.readouterr().err == ""


def test_auto_falls_back_to_keras_and_onnx_says_why(monkeypatch, capsys):
    def fail(*_):
        raise InputError("other labels")

    monkeypatch.setattr(engines, "_exported", fail)
    predictor = KerasPredictor(pixel_model())
    assert with_engine(predictor, "auto", 99) is predictor
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError, match="other labels"):
        with_engine(predictor, "onnx", 99)


@pytest.mark.parametrize("engine", ["onnx", "litert"])
def test_a_folder_that_cannot_be_made_is_said_and_auto_does_without(engine, home):
    (home / "keras_lraspp").write_text("a file")
    predictor = KerasPredictor(pixel_model())
    with pytest.raises(StorageError, match="Cannot write .*keras_lraspp/engines"):
        with_engine(predictor, engine).labels(random_images(1, 8, 8))
    assert with_engine(predictor, "auto", 99) is predictor


@pytest.mark.parametrize("engine", ["onnx", "litert"])
def test_a_runtime_takes_one_pass_only(no_export, engine):
    for given in ({"options": InferenceOptions(flip=True)}, {"from_logits": True}):
        predictor = KerasPredictor(pixel_model(), **given)
        with pytest.raises(InputError, match="sees each image once; leave out flip"):
            with_engine(predictor, engine, 1)


@pytest.mark.parametrize("engine", ["onnx", "litert"])
def test_a_package_that_is_missing_is_named(engine, monkeypatch):
    def missing(*_, **__):
        raise ModuleNotFoundError("No module named 'tf2onnx'", name="tf2onnx")

    monkeypatch.setattr(f"keras_lraspp.export.{engine}.export_{engine}", missing)
    with pytest.raises(MissingPackageError, match=f"engine {engine} needs .* tf2onnx"):
        Segmenter(pixel_model(), engine=engine)(random_images(1, 8, 8)[0])


def test_an_engine_that_is_none_is_refused():
    with pytest.raises(InputError, match="auto, keras, onnx, litert, not 'tensorrt'"):
        Segmenter(pixel_model(), engine="tensorrt")


def test_a_segmenter_with_an_engine_can_be_pickled():
    segmenter = Segmenter(pixel_model(), engine="onnx")
    image = random_images(1, 40, 50)[0]
    again = pickle.loads(pickle.dumps(segmenter))
    np.testing.assert_array_equal(again(image), segmenter(image))
