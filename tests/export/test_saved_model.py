"""The SavedModel against arithmetic in whole numbers, and what faults leave behind."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp import LRASPP
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.export.parity import ParityError, check_agreement, check_image
from keras_lraspp.export.saved_model import export_saved_model


def serve(folder):
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    return signature, lambda images: signature(image=tf.constant(images))["labels"]


def test_images_of_any_size_to_labels(tmp_path):
    model = pixel_model()
    folder = export_saved_model(model, tmp_path / "served", version=7)
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
    signature, labels_of = serve(export_saved_model(model, tmp_path, size=(24, 32)))
    (image,) = signature.structured_input_signature[1].values()
    assert image.shape.as_list() == [None, 24, 32, 3]
    images = random_images(2, 24, 32)
    np.testing.assert_array_equal(labels_of(images), expected_labels(model, images))


def test_a_network_at_an_odd_size(tmp_path):
    model = LRASPP(4, "small", 0.35, output_stride=32, head_filters=16)
    _, labels_of = serve(export_saved_model(model, tmp_path))
    images = check_image(45, 71)
    expected = keras.ops.convert_to_numpy(model(images, training=False)).argmax(-1)
    assert np.mean(labels_of(images).numpy() == expected) > 0.999


def test_other_users_may_read_it(tmp_path):
    usual = tmp_path / "usual"
    usual.mkdir()
    folder = export_saved_model(pixel_model(), tmp_path / "served")
    assert folder.stat().st_mode == usual.stat().st_mode


def test_a_version_is_only_replaced_on_demand(tmp_path):
    images = random_images(1, 12, 12)
    first, second = pixel_model(seed=1), pixel_model(seed=2)
    folder = export_saved_model(first, tmp_path)
    (folder / "assets.extra").mkdir()
    with pytest.raises(InputError, match="1 is there already.*--overwrite"):
        export_saved_model(second, tmp_path)
    np.testing.assert_array_equal(
        serve(folder)[1](images), expected_labels(first, images)
    )
    export_saved_model(second, tmp_path, overwrite=True)
    np.testing.assert_array_equal(
        serve(folder)[1](images), expected_labels(second, images)
    )
    assert not (folder / "assets.extra").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


class _Drifts(keras.layers.Layer):
    def call(self, inputs):
        return inputs if tf.executing_eagerly() else -inputs


def test_a_model_that_drifts_leaves_nothing(tmp_path):
    base = pixel_model()
    model = keras.Model(base.input, _Drifts()(base.output))
    with pytest.raises(ParityError, match="nothing was exported"):
        export_saved_model(model, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_fault_while_writing_keeps_what_was_there(tmp_path, monkeypatch, fault):
    model = pixel_model(seed=1)
    folder = export_saved_model(model, tmp_path)

    def half(module, path, signatures):
        tf.io.gfile.makedirs(path)
        (tmp_path / "seen").write_text(" ".join(p.name for p in tmp_path.iterdir()))
        raise fault

    monkeypatch.setattr(tf.saved_model, "save", half)
    with pytest.raises((StorageError, KeyboardInterrupt)) as caught:
        export_saved_model(pixel_model(seed=2), tmp_path, overwrite=True)
    if isinstance(fault, OSError):
        assert "No space left" in str(caught.value)
    others = (tmp_path / "seen").read_text().split()
    assert sorted(name.startswith(".tmp-") for name in others) == [False, True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "seen"]
    images = random_images(1, 8, 8)
    np.testing.assert_array_equal(
        serve(folder)[1](images), expected_labels(model, images)
    )


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        export_saved_model(pixel_model(), tmp_path / "file")


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"version": 0}, "version"),
        ({"version": "1"}, "version"),
        ({"size": (12,)}, "size"),
        ({"size": (384, 512)}, "384.*385"),
    ],
)
def test_bad_arguments(tmp_path, arguments, said):
    model = pixel_model()
    model.smallest_side = 385
    with pytest.raises(InputError, match=said):
        export_saved_model(model, tmp_path, **arguments)


def test_a_fixed_model_has_its_own_size(tmp_path):
    model = pixel_model(input_shape=(16, 20, 3))
    with pytest.raises(InputError, match=r"\(16, 20\)"):
        export_saved_model(model, tmp_path, size=(20, 16))
    signature, _ = serve(export_saved_model(model, tmp_path))
    (image,) = signature.structured_input_signature[1].values()
    assert image.shape.as_list() == [None, 16, 20, 3]


def test_another_backend_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND=tensorflow"):
        export_saved_model(pixel_model(), tmp_path)


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
