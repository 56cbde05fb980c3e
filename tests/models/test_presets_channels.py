"""Networks for grey images, four planes and more, from weights that are for RGB."""

import warnings

import keras
import numpy as np
import pytest

from harness import reference
from harness.paddle import backbone_tensors, write_pdparams
from keras_lraspp import LRASPP, MobileNetV3, import_weights
from keras_lraspp.errors import InputError
from keras_lraspp.models.importing import adapt_channels, fill
from keras_lraspp.models.summary import at_size, multiply_adds
from keras_lraspp.models.tensor_names import reference_tensors
from keras_lraspp.weights import write_pytorch

pytestmark = pytest.mark.backends

SMALLEST = {"backbone": "small", "width": 0.35, "output_stride": 32}
VARIANT = "small_x0_35_os32_global"


def of_channels(count):
    return {"input_shape": (None, None, count)}


@pytest.fixture(scope="module")
def published():
    return reference.model(VARIANT)


@pytest.fixture(scope="module", params=["pdparams", "keras"])
def file(request, published, tmp_path_factory):
    """The published weights in a file."""
    path = tmp_path_factory.mktemp("file") / f"model.{request.param}"
    if request.param == "pdparams":
        return write_pdparams(path, reference.state_dict(VARIANT))
    published.save(path)
    return path


def stem(model):
    return np.array(model.backbone.get_layer("stem_conv").kernel)


def logits(model, images):
    return model.predict_on_batch(images)


def close(ours, theirs):
    return np.abs(ours - theirs).max() <= 2e-5 * np.abs(theirs).max()


def test_a_grey_image_scores_as_the_same_one_in_rgb(file, published):
    grey = reference.image(33, 47)[..., :1]
    with pytest.warns(UserWarning, match=r"3-channel images; .* was adapted to 1\."):
        model = LRASPP.from_preset(file, **of_channels(1))
    assert model.input_shape == (None, None, None, 1)
    assert model.num_classes == 19
    wanted = logits(published, grey.repeat(3, -1))
    assert close(logits(model, grey), wanted)


def test_an_image_twice_in_six_channels_scores_as_once(file, published):
    image = reference.image(33, 47)
    with pytest.warns(UserWarning, match="adapted to 6"):
        model = LRASPP.from_preset(file, **of_channels(6))
    assert close(logits(model, np.tile(image, 2)), logits(published, image))


@pytest.mark.parametrize(("channels", "turns"), [(2, [0, 1]), (4, [0, 1, 2, 0])])
def test_kernels_are_repeated_in_turn_and_rescaled(file, published, channels, turns):
    with pytest.warns(UserWarning, match=f"adapted to {channels}"):
        model = LRASPP.from_preset(file, num_classes=5, **of_channels(channels))
    wanted = np.stack([stem(published)[:, :, i] for i in turns], 2) * 3 / channels
    np.testing.assert_allclose(stem(model), wanted, rtol=1e-6)
    others = zip(model.weights[1:-1], published.weights[1:-1], strict=True)
    assert all(np.array_equal(ours, theirs) for ours, theirs in others)


def test_the_channels_of_a_keras_file_are_kept(tmp_path):
    model = LRASPP(3, **SMALLEST, **of_channels(6))
    model.save(tmp_path / "six.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = LRASPP.from_preset(tmp_path / "six.keras")
    images = np.random.default_rng(0).integers(0, 256, (1, 33, 47, 6), "uint8")
    np.testing.assert_array_equal(logits(again, images), logits(model, images))
    with pytest.warns(UserWarning, match="six.keras is for 6-channel .* to 4"):
        four = LRASPP.from_preset(tmp_path / "six.keras", **of_channels(4))
    np.testing.assert_allclose(stem(four), stem(model)[:, :, :4] * 1.5, rtol=1e-6)


def test_a_backbone_of_other_channels(tmp_path):
    tensors = backbone_tensors(VARIANT)
    path = write_pdparams(tmp_path / "model.pdparams", tensors)
    with pytest.warns(UserWarning, match="model.pdparams is .* adapted to 1"):
        model = LRASPP(4, backbone_weights=path, **SMALLEST, **of_channels(1))
    kernel = tensors["conv.conv.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_allclose(stem(model)[:, :, 0], kernel.sum(2), rtol=1e-5)
    backbone = MobileNetV3("small", 0.35, **of_channels(6))
    with pytest.warns(UserWarning, match="adapted to 6"):
        assert import_weights(backbone, path).mismatched == ()


def test_a_kernel_of_another_kind_is_not_adapted(tmp_path):
    tensors = reference.state_dict(VARIANT)
    name = next(name for name in tensors if name.endswith("backbone.conv.conv.weight"))
    for shape in ((16, 0, 3, 3), (16, 3, 5, 5), (3,)):
        tensors[name] = np.zeros(shape, "float32")
        path = write_pdparams(tmp_path / "model.pdparams", tensors)
        with pytest.raises(InputError, match="tensors that differ: backbone.conv.conv"):
            LRASPP.from_preset(path, variant=VARIANT, **of_channels(4))


@pytest.mark.parametrize("channels", [0, 65, None])
def test_channels_out_of_range(channels):
    with pytest.raises(InputError, match=r"LRASPP\.input_shape\[2\] is"):
        LRASPP(3, **SMALLEST, **of_channels(channels))


def test_one_channel_as_three():
    kernel = np.ones((3, 3, 1, 2), "float16")
    with pytest.warns(UserWarning):
        adapted, shift = adapt_channels(kernel, 3, "The file")
    assert not shift.any()
    assert adapted.dtype == "float16"
    np.testing.assert_allclose(adapted.sum(2), 1, rtol=1e-3)


@pytest.mark.parametrize("channels", [1, 6])
def test_the_mean_and_deviation_of_each_channel(tmp_path, channels):
    """Exactly but for the border, around which are zeros that stand for the mean."""
    arguments = {"family": "torchvision", "backbone": "small", "width": 0.35}
    rgb = LRASPP(3, **arguments)
    names = {row.name: row.shape for row in reference_tensors(rgb)}
    tensors = {name: reference.tensor(name, shape) for name, shape in names.items()}
    fill(rgb, tensors, "rule")
    image = reference.image(33, 47)
    if channels == 1:
        image = image[..., :1].repeat(3, -1)
    wanted = stem_features(rgb, image)
    write_pytorch(tensors, tmp_path / "a.pth")
    rgb.save(tmp_path / "a.keras")
    for name in ("a.pth", "a.keras"):
        with pytest.warns(UserWarning, match=f"{name} is for 3-channel"):
            model = LRASPP.from_preset(tmp_path / name, **of_channels(channels))
        found = stem_features(model, np.tile(image, 2)[..., :channels])
        error = np.abs(found - wanted) / np.abs(wanted).max()
        assert error[:, 1:-1, 1:-1].max() < 2e-5


def stem_features(model, images):
    activation = model.backbone.get_layer("stem_activation").output
    found = keras.Model(model.backbone.input, activation)(images)
    return keras.ops.convert_to_numpy(found)


def test_multiply_adds_count_the_channels():
    counts = [
        multiply_adds(at_size(LRASPP(3, **SMALLEST, **of_channels(count)), 64, 96))
        for count in (1, 4)
    ]
    assert counts[1] - counts[0] == 3 * (32 * 48) * (3 * 3) * 8
