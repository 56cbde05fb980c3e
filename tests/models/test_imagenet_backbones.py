"""Backbones of keras.applications and torchvision, trained on ImageNet."""

import keras
import numpy as np
import pytest
from keras.src.applications import mobilenet_v3 as applications

from harness import reference
from keras_lraspp import LRASPP, MobileNetV3, import_weights
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.models.tensor_names import reference_tensors
from keras_lraspp.weights import write_pytorch
from keras_lraspp.weights.published import find_backbone

pytestmark = pytest.mark.backends

SIZE = (64, 96)
# The layers of Keras's network whose outputs are the taps at strides 4, 8 and 16.
TAPS = {
    "large": ("expanded_conv_2_add", "expanded_conv_5_add", "expanded_conv_11_add"),
    "small": ("expanded_conv_project_bn", "expanded_conv_2_add", "expanded_conv_7_add"),
}


def shaken(variant, width):
    """Keras's own network, with random weights and statistics."""
    build = getattr(applications, f"MobileNetV3{variant.capitalize()}")
    network = build((*SIZE, 3), alpha=width, include_top=False, weights=None)
    random = reference.generator(f"{variant}{width}")
    for variable in network.weights:
        value = np.array(variable)
        if variable.name == "moving_variance":
            value = random.uniform(0.75, 1.25, value.shape)
        elif value.ndim == 1:
            value = value + random.normal(0, 0.1, value.shape)
        variable.assign(value)
    return network


@pytest.fixture
def downloaded(tmp_path, monkeypatch):
    """Returns Keras's network, whose weights are what `get_file` downloads."""

    def publish(variant, width=1.0):
        network, file = shaken(variant, width), tmp_path / f"{variant}.weights.h5"
        network.save_weights(file)

        def get_file(name, address, **kwargs):
            assert (
                name == f"weights_mobilenet_v3_{variant}_224_{width}_float_no_top_v2.h5"
            )
            return str(file)

        monkeypatch.setattr(applications.file_utils, "get_file", get_file)
        return network

    return publish


def image():
    return reference.image(*SIZE)


@pytest.mark.parametrize(("variant", "width"), [("small", 1.0), ("large", 0.75)])
def test_features_are_those_of_keras_applications(downloaded, variant, width):
    network = downloaded(variant, width)
    outputs = [network.get_layer(name).output for name in TAPS[variant]]
    theirs = keras.Model(network.input, [*outputs, network.output])
    model = MobileNetV3(variant, width, family="tensorflow")
    report = import_weights(model, "imagenet")
    assert len(report.loaded) == len(network.weights) == len(model.weights)
    assert str(report) == f"{len(report.loaded)} tensors loaded"
    wanted, found = theirs(image()), model(image())[1:]
    for ours, expected in zip(found, wanted, strict=True):
        ours, expected = np.array(ours), np.array(expected)
        assert np.abs(ours - expected).max() < 1e-4 * np.abs(expected).max()


def stem(model):
    """What a network's first layers make of the image."""
    activation = model.get_layer("stem_activation").output
    return np.array(keras.Model(model.input, activation)(image()))


@pytest.mark.parametrize("family", ["fastseg", "mmseg"])
def test_pixels_that_are_normalized_otherwise(downloaded, family):
    downloaded("small")
    first = [MobileNetV3("small", family=name) for name in ("tensorflow", family)]
    for model in first:
        import_weights(model, "imagenet")
    wanted, found = map(stem, first)
    error = np.abs(found - wanted) / np.abs(wanted).max()
    assert error[:, 1:-1, 1:-1].max() < 1e-5
    assert error.max() > 1e-2  # at the border zeros stand for other means


def test_the_family_is_that_of_the_weights(downloaded):
    network = downloaded("small")
    model = LRASPP(3, "small", backbone_weights="imagenet")
    assert model.family == model.backbone.family == "tensorflow"
    kernel = network.get_layer("expanded_conv_9_expand").kernel
    np.testing.assert_array_equal(
        model.backbone.get_layer("block_9_expand_conv").kernel, kernel
    )
    with pytest.warns(UserWarning, match="imagenet is for 3-channel .* adapted to 1"):
        grey = LRASPP(
            3, "small", backbone_weights="imagenet", input_shape=(None, None, 1)
        )
    np.testing.assert_allclose(
        np.array(grey.backbone.get_layer("stem_conv").kernel)[:, :, 0],
        np.array(network.get_layer("conv").kernel).sum(2),
        rtol=1e-4,
        atol=1e-6,
    )


def test_networks_that_the_weights_are_not_for(monkeypatch):
    with pytest.raises(InputError, match="imagenet are of .* 'tensorflow', this one"):
        import_weights(MobileNetV3("small"), "imagenet")
    with pytest.raises(InputError, match="those for it, which are imagenet_torch"):
        import_weights(MobileNetV3("small", family="torchvision"), "imagenet")
    with pytest.raises(InputError, match="imagenet for the small .* width 0.5"):
        import_weights(MobileNetV3("small", 0.5, family="tensorflow"), "imagenet")

    def get_file(*args, **kwargs):
        raise Exception("URL fetch failure on https://storage: 404")

    monkeypatch.setattr(applications.file_utils, "get_file", get_file)
    with pytest.raises(
        StorageError, match="URL fetch failure .* backbone_weights=None"
    ):
        LRASPP(3, "small", backbone_weights="imagenet")


def test_the_backbone_of_torchvision(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    row = find_backbone("imagenet_torchvision", "small")
    backbone = MobileNetV3("small", family="torchvision")
    tensors = {
        row.name.replace("backbone.", "features."): reference.tensor(
            row.name, row.shape
        )
        for row in reference_tensors(backbone)
    }
    tensors["classifier.0.weight"] = np.ones((8, 16), "float32")
    row.published.cached.parent.mkdir(parents=True)
    write_pytorch(tensors, row.published.cached)
    # As if it were the file whose digest begins with the digits in its name.
    monkeypatch.setattr(type(row.published), "digits", "")
    import_weights(backbone, "imagenet_torchvision")
    for row in reference_tensors(backbone):
        value = row.value({row.name: reference.tensor(row.name, row.shape)})
        np.testing.assert_array_equal(row.variable, value)
