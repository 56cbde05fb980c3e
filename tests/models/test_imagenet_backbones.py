"""Backbones of keras.applications and torchvision, trained on ImageNet."""

import functools

import keras
import numpy as np
import pytest
from keras.src.applications import mobilenet_v3 as applications

from harness import reference
from harness.stand_ins import with_few_blocks
from keras_lraspp import LRASPP, MobileNetV3, import_weights
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.models.tensor_names import reference_tensors
from keras_lraspp.weights import write_pytorch
from keras_lraspp.weights.published import find_backbone

SIZE = (64, 96)
# The layers of Keras's network whose outputs are the taps at strides 4, 8 and 16.
TAPS = {
    "large": ("expanded_conv_2_add", "expanded_conv_5_add", "expanded_conv_11_add"),
    "small": ("expanded_conv_project_bn", "expanded_conv_2_add", "expanded_conv_7_add"),
}


@functools.cache
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


def taps(network, variant):
    """Keras's own features at strides 2 to 32."""
    first = network.get_layer("expanded_conv_1_expand").input  # large: of block 0
    if variant == "small":  # there of the first convolution
        first = network.get_layer("expanded_conv_depthwise_pad").input
    outputs = [first, *(network.get_layer(name).output for name in TAPS[variant])]
    return keras.Model(network.input, [*outputs, network.output])


@pytest.fixture
def downloaded(tmp_path, monkeypatch):
    """Returns Keras's network, whose weights are what `get_file` downloads."""

    def publish(variant, width=1.0):
        network, file = shaken(variant, width), tmp_path / f"{variant}.weights.h5"
        network.save_weights(file)
        name = f"weights_mobilenet_v3_{variant}_224_{width}_float_no_top_v2.h5"

        def get_file(asked, address, **kwargs):
            assert asked == name
            return str(file)

        monkeypatch.setattr(applications.file_utils, "get_file", get_file)
        return network

    return publish


def image():
    return reference.image(*SIZE)


@pytest.mark.parametrize(("variant", "width"), [("small", 1.0), ("large", 0.75)])
def test_features_are_those_of_keras_applications(downloaded, variant, width):
    network = downloaded(variant, width)
    model = MobileNetV3(variant, width, family="tensorflow")
    report = import_weights(model, "imagenet")
    assert len(report.loaded) == len(network.weights) == len(model.weights)
    assert str(report) == f"{len(report.loaded)} tensors loaded"
    wanted, found = taps(network, variant)(image()), model(image())
    for ours, theirs in zip(found, wanted, strict=True):
        ours, theirs = map(keras.ops.convert_to_numpy, (ours, theirs))
        assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


def stem(model):
    """What a network's first layers make of the image."""
    activation = model.get_layer("stem_activation").output
    return keras.ops.convert_to_numpy(keras.Model(model.input, activation)(image()))


def test_pixels_that_are_normalized_otherwise(downloaded):
    downloaded("small")
    first = [MobileNetV3("small", family=name) for name in ("tensorflow", "fastseg")]
    for model in first:
        import_weights(model, "imagenet")
    wanted, found = map(stem, first)
    error = np.abs(found - wanted) / np.abs(wanted).max()
    assert error[:, 1:-1, 1:-1].max() < 1e-5
    assert error.max() > 1e-2  # at the border zeros stand for other means


@pytest.mark.backends
def test_the_family_is_that_of_the_weights(downloaded):
    network = downloaded("small")
    model = LRASPP(3, "small", backbone_weights="imagenet")
    assert model.family == model.backbone.family == "tensorflow"
    kernel = network.get_layer("expanded_conv_9_expand").kernel
    ours = model.backbone.get_layer("block_9_expand_conv").kernel
    np.testing.assert_array_equal(ours, kernel)


@pytest.mark.backends
def test_grey_images_of_another_family(downloaded):
    network = downloaded("small")
    grey = MobileNetV3("small", family="mmseg", input_shape=(None, None, 1))
    with pytest.warns(UserWarning, match="imagenet is for 3-channel .* adapted to 1"):
        import_weights(grey, "imagenet")
    deviation = (58.395 + 57.12 + 57.375) / 3
    wanted = np.array(network.get_layer("conv").kernel).sum(2) * deviation / 127.5
    found = np.array(grey.get_layer("stem_conv").kernel)[:, :, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_networks_that_the_weights_are_not_for(monkeypatch):
    with_few_blocks(monkeypatch)
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
        import_weights(MobileNetV3("small", family="tensorflow"), "imagenet")


def test_the_backbone_of_torchvision(tmp_path, monkeypatch):
    with_few_blocks(monkeypatch)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    published = find_backbone("imagenet_torchvision", "small").published
    # As if the file had the digest whose first digits are in its name.
    monkeypatch.setattr(type(published), "digits", "")
    backbone = MobileNetV3("small", family="torchvision")
    shapes = {row.name: row.shape for row in reference_tensors(backbone)}
    tensors = {name: reference.tensor(name, shape) for name, shape in shapes.items()}
    file = {name.replace("backbone.", "features."): tensors[name] for name in tensors}
    published.cached.parent.mkdir(parents=True)
    write_pytorch({**file, "classifier.0.weight": np.ones((8, 16))}, published.cached)
    import_weights(backbone, "imagenet_torchvision")
    for row in reference_tensors(backbone):
        np.testing.assert_array_equal(row.variable, row.value(tensors))
