"""The page on fine-tuning, made small: what it says of freezing and rates is so."""

import keras
import numpy as np
import pytest
from PIL import Image

from harness.documents import ROOT, at_its_lines, python_blocks
from harness.stand_ins import published_tensors, with_few_blocks
from keras_lraspp import LRASPP

pytestmark = pytest.mark.backends

PAGE = ROOT / "docs/fine_tuning.md"
SMALLER = {
    "CROP = (192, 384)": "CROP = (32, 64)",
    "EPOCHS = 10": "EPOCHS = 2",
    "train_scenes=24": "height=64, width=96, train_scenes=4",
    "val_scenes=24": "val_scenes=2",
}


def backbone_weights(model):
    """Kernels of convolutions and running statistics of the backbone, copied."""
    groups = {"kernel": [], "moving_mean": []}
    for weight in model.backbone.weights:
        if weight.name in groups:
            groups[weight.name].append(keras.ops.convert_to_numpy(weight).copy())
    return groups


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """What the page's names are at its end, and the backbone after each block."""
    backbones = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        with_few_blocks(patch)
        fetch = "keras_lraspp.models.presets.fetch"
        patch.setattr(fetch, lambda published, check: published_tensors())
        names = {}
        for block in python_blocks(PAGE):
            code = at_its_lines(block)
            for large, small in SMALLER.items():
                code = code.replace(large, small)
            exec(compile(code, PAGE.name, "exec"), names)
            if "model" in names:
                backbones.append(backbone_weights(names["model"]))
        names["overlay"] = np.asarray(Image.open("output/overlay.png"))
        names["rows"] = open("output/fine_tuning.csv").read().splitlines()
        yield names, backbones
    keras.utils.clear_session()


def same(ours, theirs):
    return [np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)]


def test_the_page_is_as_the_test_makes_it_small():
    text = PAGE.read_text()
    assert all(text.count(large) == 1 for large in SMALLER)


def test_a_frozen_backbone_keeps_weights_and_statistics(stages):
    _, (loaded, head_trained, *_) = stages
    assert all(same(loaded["kernel"], head_trained["kernel"]))
    assert all(same(loaded["moving_mean"], head_trained["moving_mean"]))


def test_then_the_kernels_move_and_the_statistics_stay(stages):
    names, (loaded, *_, last) = stages
    assert not any(same(loaded["kernel"], last["kernel"]))
    assert all(same(loaded["moving_mean"], last["moving_mean"]))
    head = names["model"].get_layer("head_value_bn").moving_mean
    assert keras.ops.max(keras.ops.abs(head)) > 0


def test_masks_are_flipped_with_their_images(stages):
    names, _ = stages
    image = np.zeros((8, 4, 6, 3), "uint8")
    image[:, :, :2] = 255
    label = (image[..., 0] // 255).astype("uint8")
    to_tensor = names["tf"].constant
    flipped, masks = names["augment"](to_tensor(image), to_tensor(label))
    flipped, masks = np.asarray(flipped), np.asarray(masks)
    np.testing.assert_array_equal(masks == 1, flipped[..., 0] > 100)
    assert masks.dtype == np.uint8 and flipped.min() >= 0 and flipped.max() <= 255


def test_a_tenth_of_the_rate_is_a_tenth_of_the_way(stages):
    names, _ = stages
    factors = np.array(names["factors"])
    backbone = len(names["model"].backbone.trainable_variables)
    assert (factors == 0.1).sum() == backbone and (factors == 1).sum() > 0
    variables = [keras.Variable([1.0, 2.0]) for _ in range(2)]
    optimizer = names["ScaledSGD"]([0.1, 1.0], learning_rate=0.5, momentum=0.9)
    optimizer.build(variables)
    for gradient in ([1.0, -2.0], [0.5, 3.0]):
        optimizer.apply([keras.ops.array(gradient)] * 2)
    # Velocities -0.5 g1, then -0.9 * 0.5 g1 - 0.5 g2; the sum of both is the way.
    way = -0.5 * (1.9 * np.array([1.0, -2.0]) + np.array([0.5, 3.0]))
    for variable, factor in zip(variables, (0.1, 1.0), strict=True):
        moved = keras.ops.convert_to_numpy(variable) - [1.0, 2.0]
        np.testing.assert_allclose(moved, factor * way, rtol=1e-5)


def test_the_file_is_a_network_of_the_named_classes(stages):
    names, _ = stages
    assert names["segmenter"].classes.names == tuple(names["NAMES"])
    assert isinstance(names["segmenter"].model, LRASPP)
    assert names["overlay"].shape[0] > 64 and names["overlay"].shape[1] >= 96
    assert len(names["rows"]) == 3 and "val_miou" in names["rows"][0]
    resumed = keras.models.load_model(names["best"])
    assert resumed.optimizer.factors == names["factors"]
    assert names["half"].compute_dtype == "bfloat16"
