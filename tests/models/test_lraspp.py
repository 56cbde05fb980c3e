"""LRASPP against the reference's own logits, and its initial weights."""

import keras
import numpy as np
import pytest

from harness import reference
from keras_lraspp import LRASPP, MobileNetV3
from keras_lraspp.losses import CrossEntropy
from keras_lraspp.models.lraspp import initialize_for_scratch

pytestmark = pytest.mark.backends


SMALLEST = {"backbone": "small", "width": 0.35, "output_stride": 32}


@pytest.fixture
def pixels():
    return reference.image(33, 47, batch=2)


@pytest.fixture(scope="module", params=[*reference.VARIANTS, *reference.PEERS])
def published(request):
    """A variant of a reference, and our network with its weights."""
    return request.param, reference.model(request.param)


def test_logits_equal_the_reference(published):
    variant, model = published
    wanted = reference.expected("reference_forward.npz", variant)
    height, width = wanted["size"]
    logits = model.predict_on_batch(reference.image(height, width))
    step = int(wanted["stride"])
    seen = logits[:, ::step, ::step]
    error = np.linalg.norm(seen - wanted["logits"]) / np.linalg.norm(wanted["logits"])
    assert error < 1e-4
    step = -(-height // wanted["argmax"].shape[1])
    agreement = logits.argmax(-1)[:, ::step, ::step] == wanted["argmax"]
    assert agreement.mean() >= 0.9995


def test_parameters_are_the_reference_less_three_biases_of_paddleseg(published):
    variant, model = published
    statistics = ("._mean", "._variance", ".running_mean", ".running_var")
    counted = sum(
        int(np.prod(shape))
        for name, shape in reference.names(variant).items()
        if not name.endswith(statistics)
    )
    ours = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert ours == counted - (3 * 128 if model.family == "paddleseg" else 0)


def test_uint8_and_float_pixels_give_the_same_float32_logits(pixels):
    model = LRASPP(num_classes=5, **SMALLEST)
    logits = [
        model.predict_on_batch(pixels.astype(dtype)) for dtype in ("uint8", "float32")
    ]
    assert logits[0].shape == (2, 33, 47, 5)
    assert logits[0].dtype == "float32"
    np.testing.assert_array_equal(*logits)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_float32_logits(policy, pixels):
    keras.utils.set_random_seed(0)
    exact = LRASPP(num_classes=5, **SMALLEST)
    keras.config.set_dtype_policy(policy)
    try:
        mixed = LRASPP(num_classes=5, **SMALLEST)
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(exact.get_weights())
    assert mixed.get_layer("head_mix_conv").compute_dtype == policy[6:]
    logits = [model.predict_on_batch(pixels) for model in (exact, mixed)]
    assert logits[1].dtype == "float32"
    error = np.linalg.norm(logits[0] - logits[1]) / np.linalg.norm(logits[0])
    assert error < (0.01 if policy == "mixed_float16" else 0.06)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="slow elsewhere")
@pytest.mark.parametrize("policy", ["bfloat16", "float16"])
def test_weights_in_half_precision_are_trained(policy, pixels):
    keras.utils.set_random_seed(0)
    model = LRASPP(3, **SMALLEST, dtype=policy, initialization="scratch")
    model.compile(keras.optimizers.SGD(0.05), CrossEntropy(), run_eagerly=True)
    labels = pixels[..., 0] // 86
    losses = [float(model.train_on_batch(pixels, labels)) for _ in range(4)]
    assert np.isfinite(losses).all() and losses[-1] < 0.97 * losses[0]
    assert {weight.dtype for weight in model.weights} == {policy}


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (8, 400)])
def test_odd_sizes_come_out_as_they_went_in(size):
    model = LRASPP(num_classes=3, **SMALLEST)
    logits = model.predict_on_batch(np.zeros((1, *size, 3), "uint8"))
    assert logits.shape == (1, *size, 3)


def test_one_step_reaches_every_weight(pixels):
    keras.utils.set_random_seed(0)
    model = LRASPP(num_classes=4, **SMALLEST)
    for layer in model.backbone.layers:
        if layer.name.endswith("se_squeeze"):  # it may have two units, both dead
            layer.bias.assign(np.ones(layer.bias.shape))
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=keras.backend.backend() == "jax",  # op by op JAX takes a minute
    )
    before = [np.array(weight) for weight in model.get_weights()]
    labels = np.arange(2 * 33 * 47).reshape(2, 33, 47) % 4
    assert np.isfinite(model.train_on_batch(pixels, labels))
    changed = [
        np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True)
    ]
    unchanged = [w.path for w, c in zip(model.weights, changed, strict=True) if not c]
    assert unchanged == []


def test_a_keras_file_comes_back_whole(tmp_path, pixels):
    model = LRASPP(num_classes=7, output_stride=16, backbone="small", width=0.35)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again, LRASPP)
    assert again.get_config() == model.get_config()
    np.testing.assert_allclose(
        *(network.predict_on_batch(pixels) for network in (model, again)), rtol=1e-6
    )


def test_the_large_kernel_says_its_smallest_side():
    model = LRASPP(pooling="large_kernel", backbone="small", width=0.35)
    assert model.smallest_side == 385
    assert LRASPP(**SMALLEST).smallest_side == 1
    with pytest.raises(ValueError, match="at least 385 pixels"):
        model(np.zeros((1, 384, 500, 3), "uint8"))
    logits = model.predict_on_batch(np.zeros((1, 385, 386, 3), "uint8"))
    assert logits.shape == (1, 385, 386, 19)
    with pytest.raises(ValueError, match="at least 385 pixels"):
        LRASPP(pooling="large_kernel", input_shape=(256, 512, 3))


def test_unknown_arguments_are_refused():
    with pytest.raises(ValueError, match="pooling"):
        LRASPP(pooling="local")
    with pytest.raises(ValueError, match="num_classes"):
        LRASPP(num_classes=0)


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


def test_networks_with_a_sum_of_logits_start_so_too():
    model = LRASPP(3, "small", 0.35, family="torchvision", initialization="scratch")
    gamma = model.backbone.get_layer("block_10_project_bn").get_weights()[0]
    assert set(gamma) == {0.0}


def test_a_seed_gives_the_same_weights_and_a_file_does_not_draw_again(model):
    keras.utils.set_random_seed(0)
    again = LRASPP(5, "small", initialization="scratch")
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert "initialization" not in model.get_config()


def test_another_initialization_is_refused():
    with pytest.raises(ValueError, match="one of 'reference', 'scratch', not 'zeros'"):
        LRASPP(initialization="zeros")
