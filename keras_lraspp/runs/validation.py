"""Validation during training: the score, the pictures, the best model."""

import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import keras
import numpy as np

from keras_lraspp.data import evaluation_batches
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.inference.labels import label_function
from keras_lraspp.inference.overlay import overlay
from keras_lraspp.runs.evaluate import evaluate_model
from keras_lraspp.runs.precision import precision_policy
from keras_lraspp.runs.saving import save_network
from keras_lraspp.training.journal import Journal
from keras_lraspp.training.metrics import ConfusionMatrix
from keras_lraspp.training.watchdogs import StopSignal


class Validation:
    """Scores the network on the validation set, given the step; see `Milestones`.

    Args:
        network: The model in training.
        dataset: The validation set.
        journal: Gets mIoU, pixel accuracy and pictures.
        batch_size: Images per evaluation step.
        stop: Breaks an evaluation off when a signal has come.
        pictures: How many images are shown (image, truth, prediction).
    """

    def __init__(
        self,
        network: keras.Model,
        dataset: Dataset,
        journal: Journal,
        batch_size: int,
        stop: StopSignal,
        pictures: int = 3,
    ):
        self.dataset = dataset
        self.journal = journal
        self.stop = stop
        self.pictures = pictures
        self.predict = label_function(network)
        self.batches = evaluation_batches(dataset, batch_size=batch_size)

    def __call__(self, step: int) -> float | None:
        """Returns the mIoU in 0..1, or `None` if a signal broke it off."""
        started = time.perf_counter()
        confusion = ConfusionMatrix(self.dataset.num_classes, self.dataset.ignore_label)
        batches = takewhile(lambda _: self.stop.received is None, self.batches)
        evaluate_model(self.predict, batches, confusion)
        if self.stop.received is not None:
            return None
        scores = {
            "miou": confusion.miou(),
            "pixel_accuracy": confusion.pixel_accuracy(),
        }
        self.journal.scalars(step, scores)
        for index, picture in enumerate(self._pictures()):
            self.journal.picture(step, f"validation_{index}", picture)
        print(
            f"iteration {step}  validation mIoU {scores['miou']:.4f}  pixel accuracy "
            f"{scores['pixel_accuracy']:.4f}  ({time.perf_counter() - started:.1f} s)"
        )
        return scores["miou"]

    def _pictures(self) -> Iterator[np.ndarray]:
        """Yields image, truth and prediction side by side, uint8 RGB."""
        palette = self.dataset.classes.palette
        for images, labels in self.batches.unbatch().batch(1).take(self.pictures):
            image, truth = images.numpy()[0], labels.numpy()[0]
            guess = self.predict(images.numpy())[0]
            painted = [overlay(image, mask, palette) for mask in (truth, guess)]
            yield np.concatenate([image, *painted], axis=1)


class BestModel:
    """Saves the network without its optimizer, in float32, with its classes' names.

    Args:
        path: The `.keras` file to write.
        dataset: Whose classes the network predicts.
    """

    def __init__(self, path: Path, dataset: Dataset):
        self.path = path
        self.dataset = dataset
        self._copy = None  # built once: building takes longer than saving

    def __call__(self, network: keras.Model, step: int, miou: float) -> Path:
        """Writes the file crash-safely and returns its path."""
        if self._copy is None:
            self._copy = _float32_copy(network)
        self._copy.set_weights(network.get_weights())
        return save_network(
            self._copy,
            self.path,
            self.dataset.classes,
            dataset=self.dataset.name,
            miou=miou,
            step=step,
        )


def _float32_copy(network: keras.Model) -> keras.Model:
    with precision_policy("float32"):
        return type(network).from_config(network.get_config())
