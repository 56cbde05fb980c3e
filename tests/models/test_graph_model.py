"""Saved networks keep what was set on them, as a stock functional model does."""

import copy
import pickle

import keras
import numpy as np
import pytest

from harness import reference
from harness.documents import python_blocks, with_python
from keras_lraspp import LRASPP, MobileNetV3
from keras_lraspp.errors import InputError
from keras_lraspp.losses import CrossEntropy
from keras_lraspp.metrics import MeanIoU

pytestmark = [pytest.mark.backends, pytest.mark.usefixtures("few_blocks")]

SMALLEST = {"num_classes": 3, "backbone": "small", "width": 0.35, "output_stride": 32}
NAMES = ("road", "sky", "car")


@pytest.fixture(scope="module")
def pixels():
    return reference.image(32, 40)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return LRASPP(**SMALLEST, initialization="scratch")


@pytest.fixture(scope="module")
def exact(network, pixels):
    return logits_of(network, pixels)


def logits_of(model, pixels):
    if keras.backend.backend() == "jax":  # op by op it takes a minute
        return model.predict_on_batch(pixels)
    return keras.ops.convert_to_numpy(model(pixels))


def same(ours, theirs):
    """Whether weights, and how layers compute, are the same."""
    pairs = zip(ours.get_weights(), theirs.get_weights(), strict=True)
    equal = all(np.array_equal(a, b) for a, b in pairs)
    return equal and settings_of(ours) == settings_of(theirs)


def again(model, path):
    model.save(path)
    return keras.models.load_model(path)


def layers_of(model):
    for layer in model.layers:
        yield from layers_of(layer) if isinstance(layer, keras.Model) else (layer,)


def settings_of(model):
    """What Keras saves of each layer, but the names of classes of models."""
    return {layer.name: layer.get_config() for layer in layers_of(model)}


def change(model):
    """What people do before a fine-tuning."""
    backbone = model.get_layer("backbone")
    backbone.trainable = False
    backbone.get_layer("block_3_project_conv").trainable = True
    model.get_layer("head_mix_conv").trainable = False
    model.get_layer("head_classes_conv").dtype_policy = "mixed_bfloat16"
    model.get_layer("head_value_conv").kernel_regularizer = keras.regularizers.L2(0.1)
    backbone.get_layer("block_2_expand_bn").momentum = 0.75
    model.compile(
        keras.optimizers.SGD(0.125, momentum=0.5), CrossEntropy(7), [MeanIoU(3, 7)]
    )
    model.optimizer.build(model.trainable_variables)
    for number, variable in enumerate(model.optimizer.variables[2:], 2):
        variable.assign(keras.ops.full(variable.shape, number, variable.dtype))
    return model


def test_a_file_keeps_what_that_of_a_stock_functional_model_keeps(tmp_path):
    ours = LRASPP(**SMALLEST)
    stock = keras.models.clone_model(
        ours,
        clone_function=lambda layer: type(layer).from_config(layer.get_config()),
        recursive=True,
    )
    assert (
        type(stock)
        is type(stock.get_layer("backbone"))
        is type(keras.Model(stock.input, stock.output))
    )
    stock.set_weights(ours.get_weights())
    loaded = []
    for name, model in (("ours", ours), ("stock", stock)):
        loaded.append(again(change(model), tmp_path / f"{name}.keras"))
        loaded[-1].save(tmp_path / f"{name}_again.keras")
    ours, theirs = loaded
    assert isinstance(ours, LRASPP) and isinstance(ours.backbone, MobileNetV3)
    assert settings_of(ours) == settings_of(theirs)
    assert not ours.backbone.trainable and not theirs.get_layer("backbone").trainable
    kernel = ours.get_layer("head_value_conv").get_weights()[0]
    for model in (*loaded, keras.models.load_model(tmp_path / "ours_again.keras")):
        assert float(sum(model.losses)) == pytest.approx(0.1 * (kernel**2).sum(), 1e-5)
        assert float(model.optimizer.learning_rate) == 0.125
        # After the step and the rate, a momentum for each that is trained.
        variables = map(keras.ops.convert_to_numpy, model.optimizer.variables)
        values = [float(value.ravel()[0]) for value in variables]
        assert values[2:] == [float(i) for i in range(2, len(values))]
        assert len(values) == 2 + len(ours.trainable_variables)
        assert model.loss.ignore_label == 7
    trained = {v.path.split("/")[0] for v in ours.trainable_variables}
    assert trained == {v.path.split("/")[0] for v in theirs.trainable_variables}
    assert "head_mix_conv" not in trained and "stem_conv" not in trained


def test_a_network_as_built_has_no_settings(network):
    assert network.get_config()["layer_settings"] == {}
    assert network.get_config()["dtype"] == "float32"
    one = LRASPP(**SMALLEST, layer_settings={"head_mix_conv": {"trainable": False}})
    assert not one.get_layer("head_mix_conv").trainable
    assert one.layer_settings == {"head_mix_conv": {"trainable": False}}
    with pytest.raises(InputError, match="names 'head_mix', but there is no such"):
        LRASPP(**SMALLEST, layer_settings={"head_mix": {"trainable": False}})


def bits(kind):
    return {"bfloat16": 8, "float16": 11}[kind.removeprefix("mixed_")]


def map_of_policies():
    policies = keras.dtype_policies.DTypePolicyMap(default_policy="float32")
    policies["head_mix_conv"] = keras.DTypePolicy("mixed_bfloat16")
    return policies


@pytest.mark.parametrize("kind", ["mixed_bfloat16", "float16", "bfloat16"])
def test_a_policy_of_its_own_in_numbers(network, exact, pixels, tmp_path, kind):
    if kind == "float16" and keras.backend.backend() == "jax":
        pytest.skip("XLA compiles for half a minute, as it does for bfloat16")
    policy = keras.DTypePolicy(kind) if kind == "float16" else kind
    half = LRASPP(**SMALLEST, dtype=policy, classes=NAMES)
    half.set_weights(network.get_weights())
    kernel = half.get_layer("head_mix_conv").kernel
    stored = "float32" if kind.startswith("mixed") else kind
    assert (keras.backend.standardize_dtype(kernel.dtype)) == stored
    logits = logits_of(half, pixels)
    assert logits.dtype == "float32"
    error = np.linalg.norm(logits - exact) / np.linalg.norm(exact)
    # Above a hundredth of a rounding, below what 40 layers of it add up to.
    assert 2.0 ** -(bits(kind) + 6) < error < 16 * 2.0 ** -bits(kind)

    half.save(tmp_path / "half.keras")
    outer = keras.Sequential([keras.Input((None, None, 3)), half])
    others = {
        "load": keras.models.load_model(tmp_path / "half.keras"),
        "from_preset": LRASPP.from_preset(tmp_path / "half.keras"),
        "inside": again(outer, tmp_path / "outer.keras").layers[0],
    }
    for name, other in others.items():
        assert other.dtype_policy.name == kind, name
        assert other.classes.names == NAMES and same(other, half), name
    clone = keras.models.clone_model(half)
    assert clone.get_layer("head_mix_conv").dtype_policy.name == kind
    full = LRASPP.from_preset(tmp_path / "half.keras", dtype="float32")
    assert full.get_layer("head_mix_conv").compute_dtype == "float32"


def test_a_policy_of_its_own_goes_before_the_global_one(network, tmp_path):
    network.save(tmp_path / "full.keras")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert LRASPP(**SMALLEST, dtype="float32").layers[2].compute_dtype == "float32"
        assert LRASPP(**SMALLEST).dtype_policy.name == "mixed_bfloat16"
        path = tmp_path / "full.keras"
        assert LRASPP.from_preset(path).dtype_policy.name == "mixed_bfloat16"
        assert keras.models.load_model(path).dtype_policy.name == "float32"
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    mixed = LRASPP(**SMALLEST, dtype=map_of_policies())
    for model in (mixed, again(mixed, tmp_path / "map.keras")):
        assert model.get_layer("head_mix_conv").compute_dtype == "bfloat16"
        assert model.get_layer("head_value_conv").compute_dtype == "float32"


def test_classes_are_saved_and_copied(network, tmp_path):
    network.classes = NAMES
    others = {
        "keras": again(network, tmp_path / "a.keras"),
        "h5": again(network, tmp_path / "a.h5"),
        "from_preset": again(
            LRASPP.from_preset(tmp_path / "a.keras"), tmp_path / "b.keras"
        ),
        "pickle": pickle.loads(pickle.dumps(network)),
        "deepcopy": copy.deepcopy(network),
    }
    for name, other in others.items():
        assert type(other) is LRASPP and other.classes == network.classes, name
        assert same(other, network), name
    as_data = keras.saving.serialize_keras_object(network)
    assert keras.saving.deserialize_keras_object(as_data).classes.names == NAMES
    with pytest.raises(InputError, match="names 2 classes, but the network has 3"):
        network.classes = ["road", "sky"]
    network.classes = None
    assert again(network, tmp_path / "c.keras").classes is None


def test_a_subclass_with_an_argument_of_its_own(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Mine(LRASPP):
        def __init__(self, extra=1, **kwargs):
            super().__init__(**kwargs)
            self.extra = extra

        def get_config(self):
            return {**super().get_config(), "extra": self.extra}

    mine = Mine(extra=5, **SMALLEST)
    mine.backbone.trainable = False
    mine = again(mine, tmp_path / "mine.keras")
    assert type(mine) is Mine and mine.extra == 5 and not mine.backbone.trainable
    with pytest.raises(TypeError, match="LRASPP has no argument 'extras'"):
        Mine(extras=5)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch has the modes")
def test_train_and_eval_of_pytorch_say_that_they_change_nothing(network, recwarn):
    import torch

    with pytest.warns(UserWarning, match="change nothing in lraspp.*training=True"):
        network.eval()
    outer = torch.nn.Sequential(network)
    with pytest.warns(UserWarning, match="change nothing in lraspp"):
        outer.train()
    recwarn.clear()
    network.compile("sgd", CrossEntropy())
    network.evaluate(np.zeros((1, 32, 32, 3)), np.zeros((1, 32, 32)), verbose=0)
    assert not [row for row in recwarn if "change nothing" in str(row.message)]


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="a loop of PyTorch")
def test_the_loop_of_the_documents_moves_every_weight():
    (page,) = (page for page in with_python() if page.stem == "training")
    (block,) = (b for b in python_blocks(page) if b.code.startswith("import torch"))
    names = {}
    exec(block.code, names)
    assert names["predicted"].shape == (2, 64, 64)
    assert np.isfinite(float(names["loss"].detach()))
    model = names["model"]
    drawn = LRASPP(**SMALLEST).backbone.get_layer("stem_bn").get_weights()
    moved = model.backbone.get_layer("stem_bn").get_weights()
    assert all(np.any(a != b) for a, b in zip(drawn, moved, strict=True))
