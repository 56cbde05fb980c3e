"""A network and its classes, from a model, a name or a file."""

import numpy as np
import pytest

from harness import reference
from harness.paddle import write_pdparams
from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.stand_ins import with_few_blocks
from keras_lraspp import LRASPP, Segmenter
from keras_lraspp.classes import CLASS_SETS, ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.export.litert import export_litert
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.export.saved_model import export_saved_model
from keras_lraspp.inference import InferenceOptions
from keras_lraspp.inference.tta import SINGLE_PASS
from keras_lraspp.models.keras_file import save_network
from keras_lraspp.prediction.predictors import is_exported, open_predictor

CLASSES = ClassSet(("cat", "dog"), ((1, 2, 3), (4, 5, 6)))
FLIP = InferenceOptions(flip=True)


def tiny(num_classes=2):
    return LRASPP(num_classes, "small", 0.35, 32)


def test_a_model_is_used_as_it_is():
    model = pixel_model(4)
    predictor, classes = open_predictor(model, FLIP)
    assert predictor.model is model and classes is None
    assert (predictor.num_classes, predictor.smallest_side) == (4, 1)
    assert predictor.options is FLIP


def test_a_keras_file_of_a_training_and_another(tmp_path, monkeypatch):
    with_few_blocks(monkeypatch)
    model, path = tiny(), tmp_path / "best.keras"
    save_network(model, path, CLASSES)
    predictor, classes = open_predictor(path, FLIP)
    assert classes == CLASSES
    assert predictor.options is FLIP
    loaded = predictor.model.get_weights()
    for ours, theirs in zip(model.get_weights(), loaded, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other = tiny()
    other.save(path)
    assert open_predictor(str(path)).classes is None
    other.classes = CLASSES.names
    other.save(path)
    assert open_predictor(path).classes.names == CLASSES.names


def test_a_name_means_cityscapes(monkeypatch):
    asked = []

    def from_preset(*args, **kwargs):
        asked.append((args, kwargs))
        return tiny(19)

    monkeypatch.setattr(LRASPP, "from_preset", from_preset)
    _, classes = open_predictor("os8_global_cityscapes")
    assert classes is CLASS_SETS["cityscapes"]
    assert asked == [(("os8_global_cityscapes",), {"variant": None})]


def test_weights_of_paddleseg(tmp_path):
    tensors = reference.state_dict("small_os8_global")
    path = write_pdparams(tmp_path / "model.pdparams", tensors)
    with pytest.raises(InputError, match="say which with variant="):
        open_predictor(path)
    predictor, classes = open_predictor(path, variant="small_os32_global")
    assert classes is CLASS_SETS["cityscapes"]
    assert predictor.model.backbone.output_stride == 32


def test_what_names_no_network(tmp_path):
    with pytest.raises(InputError, match="no preset or file .nowhere.keras."):
        open_predictor("nowhere.keras")
    (tmp_path / "model.weights.h5").write_bytes(b"\x89HDF")
    with pytest.raises(InputError, match="is no preset"):
        open_predictor(tmp_path / "model.weights.h5")
    with pytest.raises(InputError, match="keras.Model, .* not ndarray"):
        open_predictor(np.zeros(3))


class Constant:
    """A runtime of its own."""

    num_classes, smallest_side, options = 2, 1, FLIP

    def labels(self, images):
        return np.ones(images.shape[:3], np.uint8)

    def probabilities(self, images):
        return np.full((*images.shape[:3], 2), 0.5, np.float32)


def test_another_runtime_brings_its_own_options():
    constant = Constant()
    for options in (SINGLE_PASS, FLIP):
        assert open_predictor(constant, options) == (constant, None)
    with pytest.raises(InputError, match="Constant has its own options"):
        open_predictor(constant, InferenceOptions(scales=(0.5,)))


SIZE = (20, 30)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model, and the file of it in each format."""
    folder, model = tmp_path_factory.mktemp("exported"), pixel_model(2, seed=3)
    with_scores = {"classes": CLASSES, "outputs": ("labels", "logits")}
    return model, {
        "saved_model": export_saved_model(model, folder, classes=CLASSES).path,
        "onnx": export_onnx(model, folder / "a.onnx", **with_scores).path,
        "litert": export_litert(
            model, folder / "a.tflite", size=SIZE, **with_scores
        ).path,
    }


@pytest.mark.parametrize("kind", ["saved_model", "onnx", "litert"])
def test_an_exported_file_in_a_segmenter(exported, kind):
    model, path = exported[0], exported[1][kind]
    segmenter = Segmenter(path)
    assert segmenter.classes == CLASSES and segmenter.model is None
    assert segmenter.options == SINGLE_PASS
    images = random_images(2, *SIZE)
    labels = segmenter(images)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected_labels(model, images))
    scores = Segmenter(model).probabilities(images)
    np.testing.assert_allclose(segmenter.probabilities(images), scores, atol=1e-5)
    overlay = Segmenter(model, CLASSES).overlay(images[0], legend=True)
    np.testing.assert_array_equal(segmenter.overlay(images[0], legend=True), overlay)
    with pytest.raises(InputError, match="sees the image once"):
        Segmenter(path, flip=True)
    with pytest.raises(InputError, match="2 classes, but 3 are named"):
        Segmenter(path, 3)


def test_a_fixed_size_is_said(exported):
    with pytest.raises(InputError, match="21x30.*20x30"):
        Segmenter(exported[1]["litert"])(random_images(21, 30))


def test_files_that_are_no_exports(tmp_path):
    assert is_exported("a.onnx") and is_exported("a.tflite")
    assert not is_exported("a.keras") and not is_exported(tmp_path)
    with pytest.raises(InputError, match="none.onnx"):
        Segmenter(tmp_path / "none.onnx")
    for name in ("bad.onnx", "bad.tflite"):
        (tmp_path / name).write_bytes(b"<html>" * 9)
        with pytest.raises(InputError, match="export the model again"):
            Segmenter(tmp_path / name)


def test_an_export_without_scores_has_no_probabilities(tmp_path):
    path = export_onnx(pixel_model(2), tmp_path / "a.onnx").path
    segmenter = Segmenter(path)
    assert segmenter.classes.names == ("class 0", "class 1")
    with pytest.raises(InputError, match="--outputs=labels,"):
        segmenter.probabilities(random_images(*SIZE))


def test_an_export_that_does_not_count_its_classes(tmp_path):
    import onnx

    path = export_onnx(pixel_model(2), tmp_path / "a.onnx").path
    proto = onnx.load(path)
    del proto.metadata_props[:]
    onnx.save(proto, path)
    with pytest.raises(InputError, match="does not say how many classes"):
        Segmenter(path)
