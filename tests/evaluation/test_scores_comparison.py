"""The paired difference of two models, against draws by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from harness.pixel_model import pixel_model
from harness.tiny import SMALLEST
from keras_lraspp.classes import ClassSet, generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.evaluate import load_scored_models
from keras_lraspp.evaluation.scores import comparison_scores, comparison_text
from keras_lraspp.inference.tta import SINGLE_PASS
from keras_lraspp.metrics import ImageConfusion

pytestmark = pytest.mark.usefixtures("few_blocks")

CLASSES = ClassSet(("road", "sky", "ghost"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)))


def counted(labels, accuracy, seed):
    """Counts of a model that is right on a share of the pixels."""
    rng, confusion = np.random.default_rng(seed), ImageConfusion(3)
    guesses = np.where(rng.random(labels.shape) < accuracy, labels, 1 - labels)
    confusion.update(labels, guesses)
    return confusion, guesses


@pytest.fixture
def two():
    labels = np.random.default_rng(0).integers(0, 2, (12, 9, 9))
    return labels, counted(labels, 0.9, 1), counted(labels, 0.8, 2)


def miou(labels, guesses):
    pairs = [(labels == label, guesses == label) for label in (0, 1)]
    return np.mean([(t & g).sum() / (t | g).sum() for t, g in pairs])


def test_the_difference_and_its_interval(two):
    labels, (ours, our_guesses), (theirs, their_guesses) = two
    found = comparison_scores(ours, theirs, CLASSES, "omit")
    assert found["miou"] == pytest.approx(miou(labels, their_guesses))
    difference = miou(labels, our_guesses) - miou(labels, their_guesses)
    assert found["difference"] == pytest.approx(difference)
    assert found["class_iou_difference"]["ghost"] is None

    rng, drawn, roads = np.random.default_rng(5), [], []
    for _ in range(1000):  # other draws than those of the function
        chosen = rng.integers(0, 12, 12)
        road = labels[chosen] == 0
        pair = [(road, guess[chosen] == 0) for guess in (our_guesses, their_guesses)]
        roads.append(np.subtract(*((t & g).sum() / (t | g).sum() for t, g in pair)))
        drawn.append(
            miou(labels[chosen], our_guesses[chosen])
            - miou(labels[chosen], their_guesses[chosen])
        )
    expected = np.quantile(drawn, [0.025, 0.975])
    np.testing.assert_allclose(found["interval"], expected, atol=0.006)
    road = np.quantile(roads, [0.025, 0.975])
    np.testing.assert_allclose(found["class_iou_interval"]["road"], road, atol=0.006)
    assert found["class_iou_interval"]["ghost"] is None
    assert found["interval"][0] > 0
    said = comparison_text({**found, "weights": "other.keras"})
    assert "which excludes 0" in said and "other.keras" in said
    assert f"{difference:+.4f}" in said


def test_a_model_against_itself(two):
    _, (ours, _), _ = two
    found = comparison_scores(ours, ours, CLASSES, "omit")
    assert found["difference"] == 0 and found["interval"] == [0, 0]
    assert "which includes 0" in comparison_text({**found, "weights": "same.keras"})


def test_nothing_that_counts():
    empty = ImageConfusion(3)
    empty.update(np.full((2, 3, 3), 255), np.zeros((2, 3, 3), int))
    found = comparison_scores(empty, empty, CLASSES, "omit")
    assert found["miou"] is found["difference"] is found["interval"] is None
    assert "undefined" in comparison_text({**found, "weights": "other.keras"})


def loaded(tmp_path, other):
    SMALLEST(num_classes=3).save(tmp_path / "ours.keras")
    other.save(tmp_path / "other.keras")
    return load_scored_models(
        SMALLEST,
        tmp_path / "ours.keras",
        SimpleNamespace(name="toy", classes=generic_class_set(3), num_classes=3),
        SINGLE_PASS,
        compare=tmp_path / "other.keras",
    )


def test_another_variant_is_compared_too(tmp_path):
    other = SMALLEST(num_classes=3, head_filters=16)
    scored = loaded(tmp_path, other)
    image = np.random.default_rng(0).integers(0, 256, (1, 40, 50, 3), np.uint8)
    _, theirs = scored.predict(image)
    expected = np.asarray(other(image, training=False)).argmax(-1)
    assert np.mean(theirs == expected) > 0.99


@pytest.mark.parametrize("build", [lambda: SMALLEST(num_classes=4), pixel_model])
def test_weights_that_cannot_be_compared(tmp_path, build):
    with pytest.raises(InputError, match="other.keras"):
        loaded(tmp_path, build())
