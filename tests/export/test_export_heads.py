"""Models of one channel, or that end in a softmax or sigmoid, in exported files."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.stand_ins import with_few_blocks
from keras_lraspp import LRASPP, Segmenter
from keras_lraspp.errors import InputError
from keras_lraspp.export.litert import export_litert
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.export.runtimes import open_exported

SIZE = (20, 30)
IMAGE = random_images(*SIZE)


def ended(layer, num_classes=3, scale=0.01):
    """A `pixel_model` of smaller logits with a layer behind it."""
    model, pixels = pixel_model(num_classes, seed=3), keras.Input((None, None, 3))
    model.set_weights([scale * value for value in model.get_weights()])
    return model, keras.Model(pixels, layer(model(pixels)))


def test_a_softmax_is_exported_once(tmp_path):
    logits, model = ended(keras.layers.Softmax())
    outputs = ("labels", "probabilities")
    expected = Segmenter(logits).probabilities(IMAGE)
    assert 0.1 < expected.max(-1).mean() < 0.99
    for path in (
        export_onnx(model, tmp_path / "a.onnx", outputs=outputs).path,
        export_litert(model, tmp_path / "a.tflite", outputs=outputs, size=SIZE).path,
    ):
        segmenter = Segmenter(path)
        np.testing.assert_allclose(segmenter.probabilities(IMAGE), expected, atol=1e-5)
        np.testing.assert_array_equal(segmenter(IMAGE), expected.argmax(-1))


@pytest.mark.parametrize("form", ["plain", "sigmoid"])
def test_one_channel_is_exported_as_two(form, tmp_path):
    model, behind = ended(keras.layers.Activation("sigmoid"), 1, scale=0.02)
    bias = -np.median(np.float32(IMAGE) @ model.get_weights()[0][0, 0])
    model.set_weights([model.get_weights()[0], np.array([bias])])
    expected = Segmenter(model)(IMAGE)
    assert 0.2 < expected.mean() < 0.8
    model = model if form == "plain" else behind
    segmenter = Segmenter(export_onnx(model, tmp_path / "a.onnx").path)
    np.testing.assert_array_equal(segmenter(IMAGE), expected)
    assert segmenter.classes.names == ("background", "foreground")


def test_a_network_of_one_channel_is_folded(tmp_path, monkeypatch):
    with_few_blocks(monkeypatch)
    # Whose logits are the sum of two layers'.
    model = LRASPP(1, family="torchvision", classes=["road"])
    rng = np.random.default_rng(0)
    for name in ("head_classes_conv", "head_skip_classes_conv"):
        for value in model.get_layer(name).weights:
            value.assign(rng.normal(size=value.shape))
    outputs = ("labels", "logits")
    path = export_onnx(model, tmp_path / "a.onnx", outputs=outputs).path
    expected = keras.ops.convert_to_numpy(model(IMAGE[None]))
    exported = open_exported(path)
    found = exported.logits(IMAGE[None])
    np.testing.assert_allclose(found[..., 1:], expected, atol=1e-3)
    assert not found[..., 0].any()
    assert b"BatchNormalization" not in path.read_bytes()


def test_a_sigmoid_over_several_channels_is_refused(tmp_path):
    _, model = ended(keras.layers.Activation("sigmoid"))
    with pytest.raises(InputError, match="sigmoid over several channels"):
        export_onnx(model, tmp_path / "a.onnx")


def test_a_foreign_file_of_one_class_is_refused(tmp_path):
    import onnx

    model = pixel_model(2)
    path = export_onnx(model, tmp_path / "a.onnx").path
    proto = onnx.load(path)
    for entry in proto.metadata_props:
        if entry.value == "2":
            entry.value = "1"
    onnx.save(proto, path)
    with pytest.raises(InputError, match="a.onnx has one class"):
        Segmenter(path)


def test_exported_files_in_threads_and_other_processes(tmp_path):
    model = pixel_model(4)
    images = [random_images(*SIZE, seed=seed) for seed in range(16)]
    path = export_litert(model, tmp_path / "a.tflite", size=SIZE).path
    segmenter = Segmenter(path)
    with ThreadPoolExecutor(4) as pool:
        for labels, image in zip(pool.map(segmenter, images), images, strict=True):
            np.testing.assert_array_equal(labels, expected_labels(model, image))
    same = pickle.loads(pickle.dumps(segmenter))
    np.testing.assert_array_equal(same(images[0]), expected_labels(model, images[0]))
    assert same.classes == segmenter.classes
