"""SGD against its three lines in NumPy, and the reference's eight steps."""

import keras
import numpy as np
import pytest

from harness import reference
from keras_lraspp import LRASPP
from keras_lraspp.losses import OhemCrossEntropy
from keras_lraspp.models.tensor_names import reference_tensors
from keras_lraspp.training.optimizer import SGD, exclude_backbone_batch_norm
from keras_lraspp.training.schedule import WarmupPolynomial


@pytest.mark.backends
def test_momentum_is_free_of_the_rate_and_l2_is_coupled():
    rates = [0.1, 0.3, 0.05]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0, 1], rates)
    weights = keras.Variable(np.array([1.0, -2.0], "float32"))
    spared = keras.Variable(np.array([1.0, -2.0], "float32"))
    optimizer = SGD(schedule, momentum=0.9, l2=0.1)
    optimizer.exclude_from_weight_decay(var_list=[spared])
    optimizer.build([weights, spared])
    gradients = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")

    wanted = np.array([[1.0, -2.0], [1.0, -2.0]])
    momentum = np.zeros((2, 2))
    for rate, gradient in zip(rates, gradients, strict=True):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)] * 2)
        momentum = 0.9 * momentum + gradient + np.array([[0.1], [0]]) * wanted
        wanted = wanted - rate * momentum
    ours = [keras.ops.convert_to_numpy(variable) for variable in (weights, spared)]
    np.testing.assert_allclose(ours, wanted, rtol=1e-5)


@pytest.mark.backends
@pytest.mark.parametrize("turned", ["weights", "gradient", "both"])
def test_how_tensors_lie_in_memory_changes_nothing(turned):
    wanted = np.array([[1.0, 2.0, -3.0], [4.0, -5.0, 6.0]], "float32").T
    gradient = np.array([[0.5, 7.0], [1.5, -2.0], [3.0, 0.25]], "float32")
    weights = keras.Variable(
        wanted if turned != "gradient" else np.ascontiguousarray(wanted)
    )
    given = keras.ops.convert_to_tensor(gradient)
    if turned != "weights":
        given = keras.ops.transpose(keras.ops.convert_to_tensor(gradient.T))
    optimizer = SGD(0.1, momentum=0.9, l2=0.1)
    optimizer.build([weights])
    momentum = np.zeros((3, 2))
    for _ in range(2):
        optimizer.apply([given])
        momentum = 0.9 * momentum + gradient + 0.1 * wanted
        wanted = wanted - 0.1 * momentum
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weights), wanted, rtol=1e-5)


@pytest.mark.backends
def test_only_the_backbone_batch_norms_are_spared():
    model = LRASPP(backbone="small", width=0.35)
    optimizer = SGD()
    exclude_backbone_batch_norm(optimizer, model)
    optimizer.build(model.trainable_variables)
    spared = {
        variable.path
        for variable in model.trainable_variables
        if not optimizer._use_weight_decay(variable)
    }
    scales = [
        row.variable.path
        for row in reference_tensors(model)
        if row.name.startswith("backbone.") and ".bn." in row.name
    ]
    assert spared == {path for path in scales if path.endswith(("gamma", "beta"))}


@pytest.mark.backends
def test_the_config_makes_the_same_optimizer():
    config = SGD(0.1, momentum=0.8, l2=0.01).get_config()
    assert SGD.from_config(config).get_config() == config


def trainer(variant, wanted):
    model = reference.model(variant)
    schedule = WarmupPolynomial(0.02, 43, warmup_steps=3, warmup_rate=1e-4)
    optimizer = SGD(schedule)
    exclude_backbone_batch_norm(optimizer, model)
    loss = OhemCrossEntropy(min_kept=int(wanted["min_kept"]))
    jit = keras.backend.backend() == "jax"  # XLA on TensorFlow compiles for minutes
    model.compile(optimizer, loss, jit_compile=jit)
    return model


def losses(model, wanted, steps):
    size = int(wanted["height"]), int(wanted["width"]), int(wanted["batch"])
    for step in range(steps):
        model.reset_metrics()
        pair = (
            reference.image(*size, f"step{step}"),
            reference.labels(*size, f"step{step}"),
        )
        yield float(model.train_on_batch(*pair))


@pytest.mark.backends
@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="it takes eight steps, see below"
)
def test_three_steps_equal_the_reference():
    """So few that JAX and PyTorch can take them too."""
    wanted = reference.expected("reference_training.npz", "os32_global")
    seen = list(losses(trainer("os32_global", wanted), wanted, 3))
    assert seen == pytest.approx(wanted["losses"][:3].tolist(), rel=1e-4)


@pytest.mark.parametrize(
    "variant",
    ["os32_global", pytest.param("os8_large_kernel", marks=pytest.mark.slow)],
)
def test_eight_steps_equal_the_reference(variant):
    """Pins momentum, coupled L2, its exclusions, batch norm and the schedule."""
    wanted = reference.expected("reference_training.npz", variant)
    model = trainer(variant, wanted)
    seen = list(losses(model, wanted, 8))
    assert seen[:4] == pytest.approx(wanted["losses"][:4].tolist(), rel=1e-4)
    assert seen == pytest.approx(wanted["losses"].tolist(), rel=2e-3)

    rows = {row.name: row for row in reference_tensors(model)}
    finals = {key[6:]: value for key, value in wanted.items() if key[:6] == "final:"}
    assert len(finals) == 9
    for name, value in finals.items():
        row = rows[name]
        ours = keras.ops.convert_to_numpy(row.variable)
        bias = {}
        if row.minus:
            # The reference's bias only decays: gradient 0, L2 with momentum.
            bias[row.minus] = decayed(
                reference.tensor(row.minus, value.shape), wanted["lrs"]
            )
        theirs = row._replace(axes=row.axes).value({name: value, **bias})
        error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        assert error < 1e-2, name


def decayed(bias, rates):
    momentum = np.zeros_like(bias)
    for rate in rates:
        momentum = 0.9 * momentum + 5e-4 * bias
        bias = bias - rate * momentum
    return bias
