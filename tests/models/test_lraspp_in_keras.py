"""LRASPP in Keras's own `fit`: its callbacks, plots of the network, KerasTuner."""

import keras
import numpy as np
import pytest

from keras_lraspp import LRASPP
from keras_lraspp.losses import CrossEntropy
from keras_lraspp.metrics import MeanIoU

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (2, 32, 32, 3), "uint8")
LABELS = RNG.integers(0, 3, (2, 32, 32), "uint8")
ALL = {"x": IMAGES, "y": LABELS, "validation_data": (IMAGES, LABELS), "verbose": 0}


def build(rate=0.5):
    model = LRASPP(3, "small", 0.35, 32)
    metrics = [MeanIoU(3)]
    model.compile(keras.optimizers.SGD(rate), CrossEntropy(), metrics=metrics)
    return model


class Interruption(keras.callbacks.Callback):
    """Ends a training in the middle; notes the epochs that it sees."""

    def __init__(self, epoch=None):
        super().__init__()
        self.epoch = epoch
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.backends
def test_callbacks_of_keras(tmp_path):
    model, best = build(), {"monitor": "val_miou", "mode": "max", "min_delta": 10}
    callbacks = keras.callbacks
    history = model.fit(
        **ALL,
        epochs=5,
        callbacks=[
            callbacks.ModelCheckpoint(tmp_path / "epoch_{epoch}.keras"),
            callbacks.ReduceLROnPlateau(factor=0.1, patience=1, **best),
            callbacks.EarlyStopping(patience=2, restore_best_weights=True, **best),
            callbacks.CSVLogger(tmp_path / "log.csv"),
        ],
    ).history
    # No epoch is better by 10: the rate falls after the second, the third is the last.
    assert history["learning_rate"] == pytest.approx([0.5, 0.5, 0.05])
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4
    assert len([*tmp_path.glob("epoch_*.keras")]) == 3
    first = LRASPP.from_preset(tmp_path / "epoch_1.keras")
    for ours, theirs in zip(first.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)

    # The same network once more, stopped and begun again.
    for interruption, epochs in (
        (Interruption(epoch=2), [0, 1, 2]),
        (Interruption(), [2]),
    ):
        backup = callbacks.BackupAndRestore(tmp_path / "backup")
        try:
            model.fit(**ALL, epochs=3, callbacks=[backup, interruption])
        except KeyboardInterrupt:
            assert interruption.epoch == 2
        assert interruption.seen == epochs


def test_a_plot_of_the_network(tmp_path):
    pytest.importorskip("pydot")
    model = LRASPP(3, "small", 0.35, 32)
    drawn = keras.utils.model_to_dot(model, show_shapes=True).to_string()
    for layer in ("backbone", "head_gate", "logits"):
        assert layer in drawn
    try:
        keras.utils.plot_model(model, tmp_path / "model.png")
    except ImportError:
        pytest.skip("Graphviz is not installed")
    assert (tmp_path / "model.png").stat().st_size


def test_keras_tuner(tmp_path):
    keras_tuner = pytest.importorskip("keras_tuner")
    tuner = keras_tuner.GridSearch(
        lambda choices: build(choices.Choice("rate", [0.0, 0.1])),
        keras_tuner.Objective("val_miou", "max"),
        directory=tmp_path,
    )
    tuner.search(**ALL, epochs=1)
    assert {row.hyperparameters["rate"] for row in tuner.oracle.trials.values()} == {
        0.0,
        0.1,
    }
    assert tuner.get_best_models()[0].num_classes == 3
