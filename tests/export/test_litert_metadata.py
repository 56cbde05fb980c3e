"""TensorFlow Lite metadata, and what MediaPipe's own client makes of it."""

import io
import json
import re
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.trained_like import trained_like
from keras_lraspp.classes import ClassSet, generic_class_set
from keras_lraspp.export.litert import export_litert
from keras_lraspp.export.litert_metadata import add_buffers, add_metadata
from keras_lraspp.export.metadata import OUTPUTS, Metadata
from keras_lraspp.export.runtimes import open_exported, read_entries

SIZE = (64, 96)
NAMES = ("Straße", " a ", "ciel bleu", " ", "e")
CLASSES = ClassSet(NAMES, generic_class_set(5).palette)
IMAGE = random_images(*SIZE, seed=4)


def entries(content):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    return {
        entry.name.decode(): bytes(model.buffers[entry.buffer].data)
        for entry in model.metadata
    }


def softmax(logits):
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Makes a file of the outputs once."""
    folder, made = tmp_path_factory.mktemp("litert"), {}

    def export(*outputs):
        if outputs not in made:
            path = made[outputs] = folder / f"{'_'.join(outputs)}.tflite"
            export_litert(
                pixel_model(), path, size=SIZE, outputs=outputs, classes=CLASSES
            )
        return made[outputs]

    return export


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_archive_has_a_name_a_line(exported, output):
    path = exported(output)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt").decode().split("\n") == [*NAMES]
    # And it is a LiteRT file as before, in the bare interpreter and in ours.
    image = IMAGE[None]
    run = Interpreter(str(path)).get_signature_runner()
    labels = run(image=image)[output]
    labels = labels if output == "labels" else labels.argmax(-1)
    np.testing.assert_array_equal(labels, expected_labels(pixel_model(), image))
    opened = open_exported(path)
    np.testing.assert_array_equal(opened.labels(image), labels)
    assert opened.classes == CLASSES


def test_the_entries_stand_beside_each_other(exported):
    content = exported("logits").read_bytes()
    found = entries(content)
    assert {"keras_lraspp", "TFLITE_METADATA"} <= set(found)
    assert found["TFLITE_METADATA"][4:8] == b"M001"
    assert json.loads(found["keras_lraspp"]) == read_entries(content)


def test_without_names_there_is_no_archive(exported):
    content = exported("logits").read_bytes()
    bare = add_metadata(add_buffers(content, {}), Metadata(5))
    assert not zipfile.is_zipfile(io.BytesIO(bare))
    assert b"labels.txt" not in entries(bare)["TFLITE_METADATA"]


def test_the_same_model_makes_the_same_file(exported):
    content = add_buffers(exported("logits").read_bytes(), {})
    first, second = (add_metadata(content, Metadata(5, 1, "a", CLASSES)) for _ in "ab")
    assert first == second


def standard(path):
    """Returns the standard's entry as MediaPipe's own readers understand it."""
    tables = pytest.importorskip(
        "mediapipe.tasks.metadata.metadata_schema_py_generated"
    )
    content = entries(path.read_bytes())["TFLITE_METADATA"]
    root = tables.ModelMetadata.GetRootAs(content, 0)
    return tables.ModelMetadataT.InitFromObj(root), tables


def test_mediapipe_reads_what_a_file_says(exported):
    model, tables = standard(exported("labels", "logits"))
    assert model.minParserVersion == b"1.5.0"
    (graph,) = model.subgraphMetadata
    (image,) = graph.inputTensorMetadata
    assert image.name == b"image"
    assert image.content.contentProperties.colorSpace == tables.ColorSpaceType.RGB
    (unit,) = image.processUnits
    # The pixels go in as they are.
    assert (unit.options.mean.tolist(), unit.options.std.tolist()) == ([0], [1])
    assert (image.stats.min.tolist(), image.stats.max.tolist()) == ([0], [255])
    labels, logits = graph.outputTensorMetadata
    assert (labels.name, logits.name) == (b"labels", b"logits")
    kinds = tables.AssociatedFileType
    for output, kind in (
        (labels, kinds.TENSOR_VALUE_LABELS),
        (logits, kinds.TENSOR_AXIS_LABELS),
    ):
        (file,) = output.associatedFiles
        assert (file.name, file.type) == (b"labels.txt", kind)
        properties = output.content.contentProperties
        assert properties.colorSpace == tables.ColorSpaceType.GRAYSCALE
    assert (logits.content.range.min, logits.content.range.max) == (1, 2)


def segment(path, image):
    """Returns category mask, confidence masks and names of MediaPipe's client."""
    mediapipe = pytest.importorskip("mediapipe")
    vision = mediapipe.tasks.vision
    options = vision.ImageSegmenterOptions(
        base_options=mediapipe.tasks.BaseOptions(model_asset_path=str(path)),
        output_category_mask=True,
        output_confidence_masks=True,
    )
    with vision.ImageSegmenter.create_from_options(options) as segmenter:
        given = mediapipe.Image(mediapipe.ImageFormat.SRGB, image)
        result = segmenter.segment(given)
        masks = [mask.numpy_view()[..., 0].copy() for mask in result.confidence_masks]
        category = result.category_mask.numpy_view()[..., 0].copy()
        return category, np.stack(masks, -1), segmenter.labels


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8"])
def test_mediapipe_segments_as_the_model_does(tmp_path, precision):
    pytest.importorskip("mediapipe")
    model, path = trained_like(output_stride=8, seed=4), tmp_path / "a.tflite"
    export_litert(
        model,
        path,
        size=SIZE,
        precision=precision,
        representative=random_images(3, *SIZE),
        outputs=("logits",),
        classes=CLASSES,
    )
    category, confidence, names = segment(path, IMAGE)
    assert names == [*NAMES]
    found = Interpreter(str(path)).get_signature_runner()(image=IMAGE[None])["logits"]
    np.testing.assert_allclose(confidence, softmax(found[0]), atol=1e-3)
    assert np.mean(category == found[0].argmax(-1)) > 0.999
    logits = keras.ops.convert_to_numpy(model(IMAGE[None], training=False))[0]
    agreement = {"dynamic": 0.97, "int8": 0.9}.get(precision, 0.999)
    assert np.mean(category == logits.argmax(-1)) > agreement
    if precision == "float32":
        np.testing.assert_allclose(confidence, softmax(logits), atol=1e-3)


def test_mediapipe_takes_probabilities_as_they_are(exported):
    category, confidence, names = segment(exported("probabilities"), IMAGE)
    model = pixel_model()
    expected = softmax(keras.ops.convert_to_numpy(model(IMAGE[None].astype("f4"))))
    np.testing.assert_allclose(confidence, expected[0], atol=1e-6)
    np.testing.assert_array_equal(category, expected_labels(model, IMAGE))
    assert names == [*NAMES]


def test_mediapipe_sees_two_classes_in_one_channel(tmp_path):
    model, path = pixel_model(1), tmp_path / "one.tflite"
    export_litert(model, path, size=SIZE, outputs=("logits",))
    category, confidence, _ = segment(path, IMAGE)
    logits = keras.ops.convert_to_numpy(model(IMAGE[None].astype("f4")))[0, ..., 0]
    assert 0 < category.mean() < 1
    np.testing.assert_array_equal(category, logits > 0)
    np.testing.assert_allclose(confidence[..., 1], 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_mediapipe_refuses_what_it_would_misread(tmp_path, exported):
    refused = [exported("labels"), exported("labels", "logits"), exported(*OUTPUTS)]
    # Of 257 classes its mask has no room for the last; of 4 channels it takes RGBA.
    for num_classes, channels in ((257, 3), (5, 1), (5, 4)):
        path = tmp_path / f"{num_classes}_{channels}.tflite"
        model = pixel_model(num_classes, input_shape=(None, None, channels))
        export_litert(model, path, size=SIZE, outputs=("logits",))
        refused.append(path)
    for path in refused:
        with pytest.raises(RuntimeError, match="Invalid activation type"):
            segment(path, IMAGE)


def test_mediapipe_takes_as_many_classes_as_a_mask_has_values(tmp_path):
    path, model = tmp_path / "a.tflite", pixel_model(256)
    export_litert(model, path, size=SIZE, outputs=("logits",))
    category, _, names = segment(path, IMAGE)
    np.testing.assert_array_equal(category, expected_labels(model, IMAGE))
    assert names == []


def test_mediapipe_by_the_lines_of_the_page(tmp_path, monkeypatch, exported):
    pytest.importorskip("mediapipe")
    page = (Path(__file__).resolve().parents[2] / "docs/export.md").read_text()
    (lines,) = re.findall(r"```python\n(import mediapipe.*?)```", page, re.S)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "output/exported"
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(exported("logits").read_bytes())
    Image.fromarray(IMAGE).save("street.png")
    found = {}
    exec(lines, found)
    assert found["names"] == [*NAMES]
    np.testing.assert_array_equal(
        found["labels"], expected_labels(pixel_model(), IMAGE)
    )
    assert found["road"].shape == SIZE
