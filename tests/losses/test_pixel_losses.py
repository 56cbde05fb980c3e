"""The losses against the recipe written out in NumPy, in float64."""

from pathlib import Path

import keras
import numpy as np
import pytest

from harness.losses import CLASSES, batch, gradient
from keras_lraspp.losses import CrossEntropy, OhemCrossEntropy

pytestmark = pytest.mark.backends

# What the reference itself computed; too large for the tree.
REFERENCE = Path(__file__).parents[3] / "shared/reference/ohem_loss.npz"


def numpy_loss(logits, labels, threshold=0.7, min_kept=None):
    """Loss and number of kept pixels; `min_kept=None` is plain cross entropy."""
    logits = logits.astype("float64").reshape(-1, logits.shape[-1])
    labels = labels.ravel().astype(int)
    valid = labels != 255
    shifted = logits - logits.max(-1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    losses = -log_softmax[np.arange(labels.size), np.where(valid, labels, 0)]
    kept = valid
    if min_kept is not None and valid.sum() > min_kept:
        confidence = np.where(valid, np.exp(-losses), 2.0)
        limit = max(np.sort(confidence)[min_kept - 1], threshold)
        kept = valid & (confidence < limit)
    return (losses * kept).sum() / (kept.sum() + 1e-5 * labels.size), kept.sum()


CASES = {
    "many hard pixels: the threshold rules": (0.0, 50, 0.1),
    "few hard pixels: the K-th smallest rules": (6.0, 300, 0.1),
    "K is all there is": (2.0, 384, 0.0),
    "fewer valid pixels than K": (6.0, 300, 0.5),
    "a single pixel": (6.0, 2, 0.1),
}


@pytest.mark.parametrize("case", CASES)
def test_ohem_keeps_the_hard_pixels(case):
    sharpness, min_kept, ignored = CASES[case]
    logits, labels = batch(3, sharpness, ignored)
    wanted, kept = numpy_loss(logits, labels, min_kept=min_kept)
    assert 0 < kept <= (labels != 255).sum()
    loss = OhemCrossEntropy(min_kept=min_kept)(labels, logits)
    assert float(loss) == pytest.approx(wanted, rel=1e-5)


def test_the_cases_differ():
    """The table above reaches each branch: all pixels, threshold, K-th smallest."""
    kept = {}
    for case, (sharpness, min_kept, ignored) in CASES.items():
        logits, labels = batch(3, sharpness, ignored)
        everything = (labels != 255).sum()
        kept[case] = numpy_loss(logits, labels, min_kept=min_kept)[1] / everything
    shares = list(kept.values())
    assert 0.5 < shares[0] < 1  # beyond K = 50, below p = 0.7
    assert shares[1] == pytest.approx(299 / (batch(3, 6.0)[1] != 255).sum())
    assert shares[3] == 1


def test_cross_entropy_is_the_mean_over_valid_pixels():
    logits, labels = batch(4, 1.0)
    wanted, _ = numpy_loss(logits, labels)
    assert float(CrossEntropy()(labels, logits)) == pytest.approx(wanted, rel=1e-5)
    keras_loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=255
    )
    # The guard against 0 / 0 is 1e-5 of all pixels.
    keras_value = float(keras_loss(labels.astype("int32"), logits))
    assert float(CrossEntropy()(labels, logits)) == pytest.approx(keras_value, rel=2e-5)


def test_without_an_ignore_label_255_is_a_class():
    logits = np.random.default_rng(0).normal(size=(1, 4, 4, 256)).astype("float32")
    labels = np.full((1, 4, 4), 255, "uint8")
    wanted = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert float(CrossEntropy(ignore_label=None)(labels, logits)) == pytest.approx(
        float(wanted(labels, logits)), rel=2e-5
    )


@pytest.mark.parametrize("min_kept", [384, 385, 130_000])
def test_a_graph_may_have_fewer_pixels_than_are_kept(min_kept):
    logits, labels = batch(3, 6.0)
    assert labels.size == 384
    value, _ = gradient(
        OhemCrossEntropy(min_kept=min_kept), logits, labels, eager=False
    )
    wanted, _ = numpy_loss(logits, labels, min_kept=min_kept)
    assert value == pytest.approx(wanted, rel=1e-5)


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference's files are away")
@pytest.mark.parametrize("case", range(5))
def test_ohem_is_the_reference(case):
    with np.load(REFERENCE) as arrays:
        logits, labels, min_kept, loss, norm, kept = (
            arrays[f"{name}{case}"]
            for name in ("logits", "labels", "min_kept", "loss", "grad_norm", "kept")
        )
    by_numpy = numpy_loss(logits, labels, min_kept=int(min_kept))
    assert by_numpy == (pytest.approx(float(loss), rel=1e-5), kept)
    value, ours = gradient(
        OhemCrossEntropy(min_kept=int(min_kept)), logits, labels, eager=False
    )
    assert value == pytest.approx(float(loss), rel=1e-5)
    assert np.linalg.norm(ours.astype("float64")) == pytest.approx(norm, rel=1e-4)
    assert (np.abs(ours).sum(-1) > 0).sum() == kept


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_the_kept_pixels(case):
    """None flows through the choice, and none into the pixels that are left out."""
    sharpness, min_kept, ignored = CASES[case]
    logits, labels = batch(3, sharpness, ignored)
    _, ours = gradient(OhemCrossEntropy(min_kept=min_kept), logits, labels, eager=False)
    _, kept = numpy_loss(logits, labels, min_kept=min_kept)
    chosen = np.abs(ours).sum(-1) > 0
    assert chosen.sum() == kept
    probabilities = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities /= probabilities.sum(-1, keepdims=True)
    exact = probabilities - np.eye(CLASSES)[np.where(labels == 255, 0, labels)]
    exact = exact[chosen] / (kept + 1e-5 * labels.size)
    np.testing.assert_allclose(ours[chosen], exact, rtol=1e-4, atol=1e-8)
    norm = np.linalg.norm(exact)
    assert np.linalg.norm(ours) == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize("loss", [CrossEntropy(), OhemCrossEntropy(min_kept=10)])
def test_a_batch_without_a_valid_pixel_has_loss_zero(loss):
    logits, labels = batch(6, 0.0)
    value, change = gradient(loss, logits, np.full_like(labels, 255), eager=False)
    assert value == 0
    np.testing.assert_array_equal(change, 0)


@pytest.mark.parametrize("loss", [CrossEntropy(7), OhemCrossEntropy(0.6, 99, None)])
def test_the_config_makes_the_same_loss(loss):
    again = type(loss).from_config(loss.get_config())
    assert again.get_config() == loss.get_config()
