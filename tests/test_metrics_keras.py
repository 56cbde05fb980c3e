"""The Keras metric equals the confusion matrix, alone and inside compile and fit."""

import keras
import numpy as np
import pytest

import keras_lraspp
from harness.children import run_program
from keras_lraspp.errors import InputError
from keras_lraspp.metrics import ConfusionMatrix, MeanIoU

CLASSES = 5

pytestmark = pytest.mark.backends


def draw(seed=0, ignored=255):
    rng = np.random.default_rng(seed)
    labels = rng.choice([*range(CLASSES - 1), ignored], (2, 6, 7)).astype("uint8")
    logits = rng.normal(size=(2, 6, 7, CLASSES)).astype("float32")
    logits[..., -1] = -9  # class 4 is absent
    return labels, logits


def counted(batches, ignored=255):
    confusion = ConfusionMatrix(CLASSES, ignored)
    for labels, logits in batches:
        confusion.update(labels, np.asarray(logits).argmax(-1))
    return confusion


@pytest.mark.parametrize("ignored", [255, 2])
def test_counts_and_result_are_those_of_the_confusion_matrix(ignored):
    metric = MeanIoU(CLASSES, ignore_label=ignored)
    batches = [draw(seed, ignored) for seed in range(3)]
    for batch in batches:
        metric.update_state(*batch)
    expected = counted(batches, ignored)
    counts = keras.ops.convert_to_numpy(metric.total_cm)
    assert np.issubdtype(counts.dtype, np.integer)
    assert counts.tolist() == expected.counts.tolist()
    assert float(metric.result()) == pytest.approx(expected.miou(), abs=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_no_ignored_label_and_labels_with_a_last_axis():
    labels, logits = draw()
    labels[labels == 255] = 0
    metric = MeanIoU(CLASSES, ignore_label=None)
    metric.update_state(labels[..., None], logits)
    expected = counted([(labels, logits)], None).miou()
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_counts_stay_whole_beyond_float32():
    """2**24 + 1 pixels of a class, which float32 cannot count."""
    metric = MeanIoU(2)
    metric.total_cm.assign(np.array([[2**24, 0], [0, 2**24]]))
    metric.update_state(np.array([0]), np.array([[1.0, 0.0]]))
    counts = keras.ops.convert_to_numpy(metric.total_cm)
    assert counts.tolist() == [[2**24 + 1, 0], [0, 2**24]]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_inside_compile_and_fit(policy):
    """The weights stand still, so the epoch's score is that of the predictions."""
    keras.config.set_dtype_policy(policy)
    try:
        pixels = keras.Input((6, 7, CLASSES))
        kernel = np.eye(CLASSES)[None, None]
        outputs = keras.layers.Conv2D(
            CLASSES, 1, kernel_initializer=lambda *_, **__: kernel, use_bias=False
        )(pixels)
        model = keras.Model(pixels, outputs)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255),
        metrics=[MeanIoU(CLASSES)],
    )
    batches = [draw(seed) for seed in range(4)]
    labels, images = (np.concatenate(part) for part in zip(*batches, strict=True))
    history = model.fit(
        images,
        labels,
        batch_size=4,
        epochs=2,
        verbose=0,
        validation_data=(images[:4], labels[:4]),
    ).history
    found = keras.ops.convert_to_numpy(
        keras.ops.cast(model.predict(images, verbose=0), "float32")
    )
    expected = counted([(labels, found)]).miou()
    assert 0.05 < expected < 0.5
    assert history["miou"] == pytest.approx([expected] * 2, abs=1e-6)
    part = counted([(labels[:4], found[:4])]).miou()
    assert history["val_miou"] == pytest.approx([part] * 2, abs=1e-6)


def test_it_is_exported_and_serializable():
    assert keras_lraspp.metrics.MeanIoU is MeanIoU
    assert keras_lraspp.metrics.ConfusionMatrix is ConfusionMatrix
    config = keras.metrics.serialize(MeanIoU(7, ignore_label=3, name="score"))
    assert config["registered_name"] == "keras_lraspp>MeanIoU"
    again = keras.metrics.deserialize(config)
    assert type(again) is MeanIoU
    assert (again.num_classes, again.ignore_class, again.name) == (7, 3, "score")


PROGRAM = """
    import json, sys
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    import keras
    from keras_lraspp.metrics import MeanIoU
    from keras_lraspp.devices import all_devices

    data = np.load(sys.argv[1])
    with all_devices(["CPU:0", "CPU:1"]) as count:
        model = keras.Sequential([keras.Input((5, 6, 4)), keras.layers.Rescaling(2.0)])
        loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=255)
        model.compile(loss=loss, metrics=[MeanIoU(4)], jit_compile=False)
        pairs = tf.data.Dataset.from_tensor_slices((data["logits"], data["labels"]))
        found = model.evaluate(pairs.batch(4), verbose=0, return_dict=True)
    print(json.dumps({"count": count, **found}))
"""


def test_two_devices_give_the_score_of_the_whole(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 255], (8, 5, 6)).astype("uint8")
    logits = rng.normal(size=(8, 5, 6, 4)).astype("float32")
    np.savez(tmp_path / "data.npz", labels=labels, logits=logits)
    found = run_program(PROGRAM, tmp_path / "data.npz")
    whole = ConfusionMatrix(4)
    whole.update(labels, logits.argmax(-1))
    assert found["count"] == 2
    assert found["miou"] == pytest.approx(whole.miou(), abs=1e-6)


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_another_number_of_channels_is_refused(channels):
    labels, logits = draw()
    logits = np.concatenate([logits, logits], -1)[..., :channels]
    with pytest.raises(InputError, match=f"miou counts 5 .* returns {channels} chan"):
        MeanIoU(CLASSES).update_state(labels, logits)
