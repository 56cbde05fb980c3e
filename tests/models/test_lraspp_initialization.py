"""Initial weights for a short training from scratch."""

import keras
import numpy as np
import pytest

from keras_lraspp import LRASPP, MobileNetV3
from keras_lraspp.models.lraspp import initialize_for_scratch

pytestmark = pytest.mark.backends


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return LRASPP(5, "small", initialization="scratch")


def test_kernels_have_the_limits_of_glorot_and_bengio(model):
    for name, fan_in, fan_out in (
        ("block_9_expand_conv", 96, 576),
        ("block_9_depthwise_conv", 25 * 576, 25),  # as Keras counts it
        ("block_9_se_squeeze", 576, 144),
        ("head_value_conv", 96, 128),
    ):
        layers = model if name.startswith("head") else model.backbone
        kernel = layers.get_layer(name).get_weights()[0]
        limit = np.sqrt(6 / (fan_in + fan_out))
        assert 0.98 * limit < np.abs(kernel).max() <= limit * (1 + 1e-6), name
        assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)


def test_equal_shapes_get_other_kernels(model):
    first, second = (
        model.backbone.get_layer(f"block_{block}_expand_conv").get_weights()[0]
        for block in (9, 10)
    )
    assert first.shape == second.shape
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_residual_blocks_start_as_the_identity():
    backbone = MobileNetV3("small")
    initialize_for_scratch(backbone)
    # Blocks of the small network whose stride is 1 and whose width stays.
    residual = {2, 4, 5, 7, 9, 10}
    for index in range(11):
        gamma = backbone.get_layer(f"block_{index}_project_bn").get_weights()[0]
        assert set(gamma) == {0.0 if index in residual else 1.0}
    blocks = keras.Model(
        backbone.input,
        [backbone.get_layer(name).output for name in ("block_9_add", "block_10_add")],
    )
    before, after = blocks.predict_on_batch(np.full((1, 64, 64, 3), 200.0))
    np.testing.assert_array_equal(before, after)


def test_a_seed_gives_the_same_weights_and_a_file_does_not_draw_again(model):
    keras.utils.set_random_seed(0)
    again = LRASPP(5, "small", initialization="scratch")
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert "initialization" not in model.get_config()


def test_another_initialization_is_refused():
    with pytest.raises(ValueError, match='"reference" or "scratch", not .zeros.'):
        LRASPP(initialization="zeros")
