"""Several options at once against NumPy, and against one after the other."""

from functools import partial

import numpy as np
import pytest

from harness.pixel_model import random_images
from harness.scoring import averaged, conv_logits, conv_model
from keras_lraspp.errors import InputError
from keras_lraspp.inference.functions import nested_label_function
from keras_lraspp.inference.tta import InferenceOptions

pytestmark = pytest.mark.backends

NESTED = [
    {},
    {"flip": True},
    {"flip": True, "scales": (0.75, 1.0, 1.25)},
    {"scales": (0.75,)},
]


def test_each_row_is_what_its_options_say():
    model = conv_model()
    labels_of = nested_label_function(
        model, [InferenceOptions(**row) for row in NESTED]
    )
    for shape in [(2, 10, 14), (1, 7, 21)]:
        images = random_images(*shape)
        found = labels_of(images)
        assert found.shape == (4, *shape) and found.dtype == np.uint8
        for labels, options in zip(found, NESTED, strict=True):
            expected = averaged(partial(conv_logits, model), images, **options)
            best_two = np.sort(expected, axis=-1)[..., -2:]
            clear = best_two[..., 1] - best_two[..., 0] > 1e-3
            assert clear.mean() > 0.8
            np.testing.assert_array_equal(labels[clear], expected.argmax(-1)[clear])


def test_six_passes_not_nine(monkeypatch):
    passes = []

    def summed(network, images, options):
        passes.append(options.scales)
        return network.forward(images)

    monkeypatch.setattr("keras_lraspp.inference.functions.summed_logits", summed)
    rows = [InferenceOptions(**row) for row in NESTED[:3]]
    nested_label_function(conv_model(), rows)(random_images(1, 8, 8))
    assert sorted(passes) == sorted([(0.75,), (1.0,), (1.25,)] * 2)


def test_a_size_that_one_of_them_cannot_take():
    model = conv_model()
    model.smallest_side = 10
    labels_of = nested_label_function(
        model, [InferenceOptions(), InferenceOptions(scales=(0.5,))]
    )
    assert labels_of(random_images(1, 20, 24)).shape == (2, 1, 20, 24)
    with pytest.raises(InputError, match="smallest side is 10"):
        labels_of(random_images(1, 12, 24))
