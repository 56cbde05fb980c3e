"""The SavedModel against arithmetic in whole numbers, and what faults leave behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from harness import reference
from harness.image_files import encoded
from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.served import ServedModel
from keras_lraspp.classes import generic_class_set
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.export.parity import ParityError, check_agreement
from keras_lraspp.export.saved_model import export_saved_model

VARIANT = "small_os32_global"


def save(model, folder, **arguments):
    classes = generic_class_set(model.output_shape[-1])
    return export_saved_model(model, folder, classes=classes, **arguments).path


def serve(folder):
    loaded = tf.saved_model.load(str(folder))

    def labels(images):
        assert loaded  # its signatures hold no reference to it
        return loaded.signatures["serving_default"](image=tf.constant(images))["labels"]

    return loaded.signatures["serving_default"], labels


def reference_case():
    """An image of an odd size, and PaddleSeg's labels of it."""
    wanted = reference.expected("reference_forward.npz", VARIANT)
    height, width = wanted["size"]
    assert wanted["argmax"].shape == (1, height, width)
    return reference.image(height, width), wanted["argmax"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network with the reference's weights: its report, as the server has it."""
    classes = generic_class_set(19)
    return export_saved_model(
        reference.model(VARIANT),
        tmp_path_factory.mktemp("served"),
        classes=classes,
        variant=VARIANT,
    )


def test_images_of_any_size_to_labels(tmp_path):
    model = pixel_model()
    folder = save(model, tmp_path / "served", version=7)
    assert folder == tmp_path / "served" / "7"
    assert [path.name for path in folder.parent.iterdir()] == ["7"]
    signature, labels_of = serve(folder)
    (image,) = signature.structured_input_signature[1].values()
    assert (image.name, image.dtype, image.shape.as_list()) == (
        "image",
        tf.uint8,
        [None, None, None, 3],
    )
    for shape in [(1, 1, 1), (3, 17, 40), (1, 64, 9)]:
        images = random_images(*shape)
        labels = labels_of(images)
        assert labels.dtype == tf.int32
        np.testing.assert_array_equal(labels, expected_labels(model, images))


def test_a_fixed_size(tmp_path):
    model = pixel_model()
    signature, labels_of = serve(save(model, tmp_path, size=(24, 32)))
    (image,) = signature.structured_input_signature[1].values()
    assert image.shape.as_list() == [None, 24, 32, 3]
    images = random_images(2, 24, 32)
    np.testing.assert_array_equal(labels_of(images), expected_labels(model, images))


def test_the_reference_network_as_the_server_runs_it(exported):
    """Against PaddleSeg's own labels."""
    served = ServedModel(exported.path)
    image, labels = reference_case()
    found = served("serving_default", image=image)["labels"]
    assert np.mean(found == labels) >= 0.999
    content = [encoded(one, "PNG") for one in image]
    found = served("serve_bytes", image_bytes=content)["labels"]
    assert np.mean(found == labels) >= 0.999


def test_the_reference_network_in_openvino(exported):
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    model = core.read_model(exported.path)
    # Its processors may calculate with half the bits otherwise.
    run = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    image, labels = reference_case()
    (found,) = run(image).values()
    assert np.mean(found == labels) >= 0.999


def test_what_the_report_says(exported):
    assert exported.format == "saved_model" and exported.given_images == 0
    assert len(set(exported.sizes)) == 2
    assert all(side % 2 for size in exported.sizes for side in size)
    assert exported.agreement >= 0.999
    assert 0 < exported.max_logit_difference < 1e-4 * exported.largest_logit


def test_batch_norm_is_folded_and_the_weights_are_there_once(exported):
    content = (exported.path / "saved_model.pb").read_bytes()
    proto = saved_model_pb2.SavedModel.FromString(content)
    nodes = [
        node.op
        for function in proto.meta_graphs[0].graph_def.library.function
        for node in function.node_def
    ]
    assert "Conv2D" in nodes
    assert not {"FusedBatchNormV3", "Rsqrt", "ReadVariableOp"} & set(nodes)
    parameters = sum(
        np.prod(shape)
        for name, shape in reference.names(VARIANT).items()
        if not name.endswith(("_mean", "_variance"))
    )
    assert 0.9 < len(content) / (4 * parameters) < 1.2


def test_classes_and_colours_are_in_the_assets(exported):
    entries = json.loads((exported.path / "assets/keras_lraspp.json").read_text())
    classes = generic_class_set(19)
    assert json.loads(entries["classes"]) == list(classes.names)
    assert json.loads(entries["palette"]) == [list(row) for row in classes.palette]
    assert entries["variant"] == VARIANT
    graph = tf.Graph()
    with tf.compat.v1.Session(graph=graph) as session, graph.as_default():
        # As the server: it tells the graph where the assets are.
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(exported.path))
    (asset,) = meta.asset_file_def
    assert asset.filename == "keras_lraspp.json"


def test_the_requests_to_warm_up_with_run_in_a_session(exported):
    path = exported.path / "assets.extra/tf_serving_warmup_requests"
    served, seen = ServedModel(exported.path), []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        name = request.model_spec.signature_name
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        assert served(name, **inputs)
        seen.append(name)
    assert seen == ["serving_default", "serve_bytes", "serve_png"]


def test_tensors_of_another_type_are_refused(exported):
    # The server compares with the SignatureDef; TensorFlow itself refuses them, too.
    row = ServedModel(exported.path).signatures["serving_default"].inputs["image"]
    assert row.dtype == tf.uint8.as_datatype_enum
    assert [side.size for side in row.tensor_shape.dim] == [-1, -1, -1, 3]
    signature = tf.saved_model.load(str(exported.path)).signatures["serving_default"]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="expected to be a? ?uint8"
    ):
        signature(image=tf.zeros((1, 4, 4, 3)))


def test_other_users_may_read_it(tmp_path):
    usual = tmp_path / "usual"
    usual.mkdir()
    folder = save(pixel_model(), tmp_path / "served")
    assert folder.stat().st_mode == usual.stat().st_mode


def test_a_version_is_only_replaced_on_demand(tmp_path):
    images = random_images(1, 12, 12)
    first, second = pixel_model(seed=1), pixel_model(seed=2)
    folder = save(first, tmp_path)
    (folder / "assets.extra/stale").write_text("")
    with pytest.raises(InputError, match="1 is there already.*--overwrite"):
        save(second, tmp_path)
    np.testing.assert_array_equal(
        serve(folder)[1](images), expected_labels(first, images)
    )
    save(second, tmp_path, overwrite=True)
    np.testing.assert_array_equal(
        serve(folder)[1](images), expected_labels(second, images)
    )
    assert not (folder / "assets.extra/stale").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


class _Drifts(keras.layers.Layer):
    def call(self, inputs):
        return inputs if tf.executing_eagerly() else -inputs


def test_a_model_that_drifts_leaves_nothing(tmp_path):
    base = pixel_model()
    model = keras.Model(base.input, _Drifts()(base.output))
    with pytest.raises(ParityError, match="nothing was exported") as caught:
        save(model, tmp_path)
    assert f"for {tmp_path / '1'} " in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_drift_of_the_bytes_signatures_alone_is_seen(tmp_path, monkeypatch):
    from keras_lraspp.export import saved_model as signatures

    decode = signatures._decode_image
    monkeypatch.setattr(
        signatures, "_decode_image", lambda *given: 255 - decode(*given)
    )
    with pytest.raises(ParityError, match="signature serve_bytes"):
        save(pixel_model(), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_fault_while_writing_keeps_what_was_there(tmp_path, monkeypatch, fault):
    model = pixel_model(seed=1)
    folder = save(model, tmp_path)

    def half(module, path, signatures):
        tf.io.gfile.makedirs(path)
        (tmp_path / "seen").write_text(" ".join(p.name for p in tmp_path.iterdir()))
        raise fault

    monkeypatch.setattr(tf.saved_model, "save", half)
    with pytest.raises((StorageError, KeyboardInterrupt)) as caught:
        save(pixel_model(seed=2), tmp_path, overwrite=True)
    if isinstance(fault, OSError):
        assert "No space left" in str(caught.value)
    others = (tmp_path / "seen").read_text().split()
    assert sorted(name.startswith(".tmp-") for name in others) == [False, True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "seen"]
    images = random_images(1, 8, 8)
    np.testing.assert_array_equal(
        serve(folder)[1](images), expected_labels(model, images)
    )


KILLED = """
    import os, signal, sys
    import keras_lraspp.export.saved_model as saved_model
    from harness.pixel_model import pixel_model
    from keras_lraspp.classes import generic_class_set

    def kill(*arguments):
        os.kill(os.getpid(), signal.SIGKILL)

    saved_model.put_in_place = kill  # the last step, all is written
    saved_model.export_saved_model(
        pixel_model(), sys.argv[1], classes=generic_class_set(5)
    )
"""


def test_killed_midway_no_version_is_to_be_seen(tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".tmp-")
    assert (left / "1/saved_model.pb").is_file()  # it was on its way


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        save(pixel_model(), tmp_path / "file")


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"version": 0}, "version"),
        ({"version": "1"}, "version"),
        ({"size": (12,)}, "size"),
        ({"size": (384, 512)}, "384.*385"),
        ({"size": (4096, 4097)}, "16777216 pixels"),
    ],
)
def test_bad_arguments(tmp_path, arguments, said):
    model = pixel_model()
    model.smallest_side = 385
    with pytest.raises(InputError, match=said):
        save(model, tmp_path, **arguments)


def test_classes_that_are_not_the_models(tmp_path):
    with pytest.raises(InputError, match="5 classes, but 4"):
        export_saved_model(pixel_model(), tmp_path, classes=generic_class_set(4))


def test_a_fixed_model_has_its_own_size(tmp_path):
    model = pixel_model(input_shape=(16, 20, 3))
    with pytest.raises(InputError, match=r"\(16, 20\)"):
        save(model, tmp_path, size=(20, 16))
    signature, _ = serve(save(model, tmp_path))
    (image,) = signature.structured_input_signature[1].values()
    assert image.shape.as_list() == [None, 16, 20, 3]


def test_another_backend_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND=tensorflow"):
        save(pixel_model(), tmp_path)


def test_agreement_is_the_share_of_equal_labels():
    labels = np.zeros((1, 100, 100), np.int32)
    other = labels.copy()
    other[0, 0, :10] = 1
    assert check_agreement(labels, other, "It") == pytest.approx(0.999)
    other[0, 0, 10] = 1
    with pytest.raises(ParityError, match="99.89%"):
        check_agreement(labels, other, "It")
    with pytest.raises(ParityError, match=r"\(1, 50, 100\)"):
        check_agreement(labels, other[:, :50], "It")
