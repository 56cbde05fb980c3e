"""Each loss as a configuration names it, and as the run then calls it."""

import keras
import numpy as np
import pytest

from harness import tiny
from keras_lraspp import config, training
from keras_lraspp.errors import InputError

# What the documentation shows: bindings, and the configuration of the loss they make.
CONFIGURED = {
    "CrossEntropy": (["CrossEntropy.class_weights = [0.5, 1.0, 2.0]"], [0.5, 1, 2]),
    "OhemCrossEntropy": (
        [
            "OhemCrossEntropy.min_kept = 50",
            "OhemCrossEntropy.class_weights = (1, 2, 3)",
        ],
        [1, 2, 3],
    ),
    "FocalLoss": (
        ["FocalLoss.gamma = 1.5", "FocalLoss.class_weights = [1, 1, 2]"],
        [1, 1, 2],
    ),
    "DiceLoss": (["DiceLoss.per_image = True"], None),
    "LovaszSoftmax": (['LovaszSoftmax.classes = "all"'], None),
    "CombinedLoss": (
        [
            "CombinedLoss.losses = [@CrossEntropy, @hard/OhemCrossEntropy, @DiceLoss]",
            "CombinedLoss.weights = [1.0, 0.5, 0.25]",
            "hard/OhemCrossEntropy.min_kept = 7",
        ],
        None,
    ),
}


def configured(bindings, ignore_label=255):
    config.load_config([], bindings)
    return config.gin.get_bindings("train")["loss"](ignore_label=ignore_label)


def test_every_loss_is_here():
    assert {*CONFIGURED} == {*training.LOSSES}


@pytest.mark.parametrize("name", CONFIGURED)
def test_a_tiny_network_trains_with_it(name):
    bindings, class_weights = CONFIGURED[name]
    loss = configured([f"train.loss = @{name}", *bindings], ignore_label=9)
    assert type(loss).__name__ == name
    assert loss.ignore_label == 9
    assert loss.get_config().get("class_weights") == class_weights
    keras.utils.set_random_seed(0)
    network = tiny.network(num_classes=3)
    network.compile(keras.optimizers.Adam(0.01), loss)
    labels = (
        np.random.default_rng(0).integers(0, 3, (2, 4, 4)).repeat(4, 1).repeat(4, 2)
    )
    images = (80 * labels[..., None] + np.zeros(3)).astype("uint8")
    labels[:, :2] = 9
    values = [network.train_on_batch(images, labels) for _ in range(20)]
    assert values[-1] < values[0]


def test_the_combination_hands_its_label_on():
    bindings, _ = CONFIGURED["CombinedLoss"]
    loss = configured(["train.loss = @CombinedLoss", *bindings], ignore_label=None)
    assert [part.ignore_label for part in loss.losses] == [None] * 3
    assert [type(part).__name__ for part in loss.losses][1] == "OhemCrossEntropy"
    assert loss.losses[1].min_kept == 7
    assert "min_kept = 7" in config.operative_config()


@pytest.mark.parametrize(
    "losses, more, sentence",
    [
        ("[]", "", "CombinedLoss.losses is empty; give it @CrossEntropy."),
        (
            "[@DiceLoss]",
            "CombinedLoss.weights = [1, 2]",
            "CombinedLoss.weights has 2 numbers for 1 losses; give one for each.",
        ),
        (
            "@DiceLoss",
            "",
            "CombinedLoss.losses is a list such as [@CrossEntropy, @DiceLoss].",
        ),
        (
            "[@CrossEntropy]",
            "CrossEntropy.class_weights = [-1]",
            "CrossEntropy.class_weights is a list of finite numbers, none below 0 and "
            "not all 0, not [-1].",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(losses, more, sentence):
    bindings = ["train.loss = @CombinedLoss", f"CombinedLoss.losses = {losses}", more]
    with pytest.raises(InputError) as caught:
        configured(bindings)
    assert str(caught.value).splitlines()[0] == sentence
