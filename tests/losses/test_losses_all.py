"""What holds for every loss: ignored pixels, precision, configurations, learning."""

from functools import partial

import keras
import numpy as np
import pytest

from harness.losses import batch, gradient
from keras_lraspp import training
from keras_lraspp.errors import InputError
from keras_lraspp.losses import (
    CombinedLoss,
    CrossEntropy,
    DiceLoss,
    FocalLoss,
    LovaszSoftmax,
    OhemCrossEntropy,
)

pytestmark = pytest.mark.backends

WEIGHTS = [0.5, 2.0, 1.0, 3.0, 1.5]
LOSSES = {
    "cross entropy": CrossEntropy,
    "weighted OHEM": partial(OhemCrossEntropy, min_kept=100, class_weights=WEIGHTS),
    "weighted focal": partial(FocalLoss, gamma=1.5, class_weights=WEIGHTS),
    "Dice": DiceLoss,
    "Lovasz": LovaszSoftmax,
    "Lovasz per image": partial(LovaszSoftmax, per_image=True),
    "combined": partial(CombinedLoss, [OhemCrossEntropy, DiceLoss], [1, 0.5]),
}


def test_every_loss_is_here():
    made = {type(loss()).__name__ for loss in LOSSES.values()}
    assert made == {*training.LOSSES}


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


def test_ignored_pixels_make_no_difference(loss):
    logits, labels = batch(1, 1.0, ignored=0.3)
    ignored = labels == 255
    others = logits.copy()
    others[ignored] = 20 * np.random.default_rng(0).normal(size=(ignored.sum(), 5))
    value, change = gradient(loss(ignore_label=255), logits, labels)
    again, same = gradient(
        loss(ignore_label=7), others, np.where(ignored, 7, labels).astype("uint8")
    )
    assert again == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(same, change, rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(change[ignored], 0)
    assert np.abs(change[~ignored]).max() > 0


def test_without_a_valid_pixel_loss_and_gradient_are_zero(loss):
    logits, labels = batch(2, 0.0, shape=(2, 3, 4))
    value, change = gradient(loss(), logits, np.full_like(labels, 255))
    assert value == 0
    np.testing.assert_array_equal(change, 0)


def test_all_pixels_count_without_an_ignored_label(loss):
    logits, labels = batch(3, 1.0, ignored=0)
    value = float(loss(ignore_label=None)(labels, logits))
    assert value == pytest.approx(float(loss()(labels, logits)), rel=1e-6)


def test_half_precision_is_computed_in_float32(loss):
    """Float16 logits as far apart as float16 allows: finite, and as of float32."""
    logits, labels = batch(4, 1.0, shape=(2, 3, 4))
    logits = (logits * 1000).astype("float16")
    value = loss()(labels, keras.ops.convert_to_tensor(logits))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert np.isfinite(float(value))
    wanted = float(loss()(labels, logits.astype("float32")))
    assert float(value) == pytest.approx(wanted, rel=1e-6)


def test_logits_far_apart_have_finite_gradients(loss):
    logits, labels = batch(5, 0.0, shape=(2, 3, 4))
    for sign in (1, -1):
        far = sign * 500 * np.eye(5, dtype="float32")[np.minimum(labels, 4)]
        value, change = gradient(loss(), far, labels)
        assert np.isfinite(value) and np.isfinite(change).all()


def test_the_config_makes_the_same_loss(loss):
    loss = loss(ignore_label=9)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert again.ignore_label == 9
    logits, labels = batch(6, 1.0)
    labels[labels == 255] = 9
    assert float(again(labels, logits)) == float(loss(labels, logits))


def test_a_network_learns_from_it(loss):
    """Classes are brightnesses; eight steps halve the loss, at least."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (8, 8, 8))
    images = np.eye(3)[labels] + rng.normal(0, 0.2, (8, 8, 8, 3))
    labels[rng.random(labels.shape) < 0.1] = 255
    start = keras.initializers.Zeros()
    layer = keras.layers.Conv2D(5, 1, kernel_initializer=start)
    model = keras.Sequential([keras.Input((8, 8, 3)), layer])
    model.compile(keras.optimizers.Adam(0.3), loss())
    history = model.fit(images, labels, batch_size=8, epochs=8, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_one_channel_is_refused(loss):
    labels = np.zeros((1, 2, 3), "uint8")
    with pytest.raises(InputError, match="one channel.*BinaryCrossentropy"):
        loss()(labels, np.zeros((1, 2, 3, 1), "float32"))
