"""Exports of networks for images of one, four and six channels, in their runtimes."""

import json

import numpy as np
import onnx
import pytest
import tensorflow as tf
from PIL import Image

from harness.image_files import encoded
from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.served import ServedModel
from harness.trained_like import trained_like
from keras_lraspp import LRASPP
from keras_lraspp.classes import generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.export.export import export
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.export.parity import draw_image, resize_to
from keras_lraspp.export.runtimes import open_exported
from keras_lraspp.export.saved_model import export_saved_model

CLASSES = generic_class_set(5)
SIZE = (64, 96)
ENCODED = {"serve_bytes", "serve_png"}


def of_channels(count):
    return {"input_shape": (None, None, count)}


def signatures_of(folder) -> set[str]:
    return {*tf.saved_model.load(str(folder)).signatures}


@pytest.mark.slow  # `.ci/run` runs it
def test_a_network_of_six_channels_in_all_formats(tmp_path, capsys):
    model = trained_like(output_stride=32, **of_channels(6))
    model.save(tmp_path / "best.keras")
    files = export(
        model=lambda num_classes: LRASPP.from_config(
            {**model.get_config(), "num_classes": num_classes}
        ),
        weights=tmp_path / "best.keras",
        output_dir=tmp_path / "exported",
        classes=5,
        formats=("saved_model", "onnx", "litert"),
        size=SIZE,
    )
    said = capsys.readouterr().out
    assert said.count("100.00% of the pixels") == 3
    assert "Images of 6 channels are sent as arrays: the SavedModel has no s" in said
    images = draw_image(*SIZE, channels=6)
    labels = model.predict_on_batch(images).argmax(-1)
    for path in files:
        opened = open_exported(path)
        assert (opened.channels, opened.size) == (6, SIZE)
        assert np.mean(opened.labels(images) == labels) > 0.999
        with pytest.raises(InputError, match=r"width, 6\), not uint8 \(1, 64, 96, 3\)"):
            opened.labels(images[..., :3])
        contract = path.with_name(f"{path.name}.deploy.json").read_text()
        contract = json.loads(contract)["contract"]
        names = contract.get("signatures")
        if names is not None:
            assert {*names} == {"serving_default", "logits"} == signatures_of(path)
            contract = names["serving_default"]
        shape = contract["inputs"]["image"]["shape"]
        assert shape == [1 if path.suffix == ".tflite" else None, *SIZE, 6]
        assert contract["inputs"]["image"]["content"] == "6-channel, 0 to 255"


def test_sizes_are_noted_in_a_grey_onnx_file(tmp_path):
    """tf2onnx puts a single channel first by Reshape, not by Transpose."""
    model = trained_like(output_stride=32, **of_channels(1))
    report = export_onnx(model, tmp_path / "grey.onnx")
    assert report.agreement > 0.999
    graph = onnx.load(tmp_path / "grey.onnx").graph
    assert "If" in [node.op_type for node in graph.node]  # on sizes of whole factors


@pytest.fixture(scope="module", params=[1, 4])
def served(request, tmp_path_factory):
    """A network, its channels, and its SavedModel as the server loads it."""
    channels, folder = request.param, tmp_path_factory.mktemp("served")
    model = pixel_model(**of_channels(channels))
    export_saved_model(model, folder, classes=CLASSES)
    return model, channels, ServedModel(folder / "1")


def test_files_of_one_and_four_channels(served):
    model, channels, server = served
    images = random_images(2, 9, 14, channels=channels)
    wanted = expected_labels(model, images)
    found = server("serving_default", image=images)["labels"]
    np.testing.assert_array_equal(found, wanted)
    files = [encoded(Image.fromarray(one.squeeze()), "PNG") for one in images]
    found = server("serve_bytes", image_bytes=files)["labels"]
    np.testing.assert_array_equal(found, wanted)
    with pytest.raises(tf.errors.InvalidArgumentError, match="9,14,3"):
        server.unchecked("serving_default", random_images(1, 9, 14))


def test_other_kinds_of_files(served):
    model, channels, server = served
    image = Image.fromarray(random_images(16, 24))
    files = [encoded(image, "PNG"), encoded(image, "JPEG", quality=95)]
    files += [encoded(image.convert(mode), "PNG") for mode in ("L", "LA", "P")]
    for content in files:
        if channels == 4:
            for name in ENCODED:
                with pytest.raises(tf.errors.InvalidArgumentError, match="four chann"):
                    server(name, image_bytes=[content])
            continue
        labels = server("serve_bytes", image_bytes=[content])["labels"][0]
        assert labels.shape == (16, 24)
    if channels == 1:  # a grey JPEG as it is
        content = encoded(image.convert("L"), "JPEG", quality=95)
        labels = server("serve_bytes", image_bytes=[content])["labels"][0]
        grey = tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE").numpy()
        np.testing.assert_array_equal(labels, expected_labels(model, grey))


def test_images_are_resized_channel_by_channel():
    image = random_images(10, 14, channels=4)
    image[:, :7, 3] = 0  # as alpha, it would take the colours with it
    resized = resize_to(image, (5, 7))
    assert resized.shape == (1, 5, 7, 4)
    for index in range(4):
        plane = Image.fromarray(image[..., index]).resize((7, 5), Image.BILINEAR)
        np.testing.assert_array_equal(resized[0, ..., index], plane)
    colors = Image.fromarray(image[..., :3]).resize((7, 5), Image.BILINEAR)
    np.testing.assert_array_equal(resized[0, ..., :3], colors)
