"""Validation during training: the score and the pictures."""

import time
from collections.abc import Iterator
from itertools import takewhile

import keras
import numpy as np

from keras_lraspp.data import evaluation_batches
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.evaluation.loop import evaluate_model
from keras_lraspp.inference.functions import label_function
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.run_dir.log import MetricLogger
from keras_lraspp.training.callbacks import GracefulShutdown, Scores
from keras_lraspp.training.ema import WeightAverages
from keras_lraspp.visualize import overlay


class Validation:
    """Scores the network on the validation set, given the step; see `Milestones`.

    Args:
        network: The model in training.
        dataset: The validation set.
        journal: Gets mIoU, pixel accuracy and pictures.
        batch_size: Images per evaluation step.
        stop: Breaks an evaluation off when a signal has come.
        averages: The averaged weights, which are scored too; `None` if there are none.
        pictures: How many images are shown (image, truth, prediction).

    Attributes:
        confusion: The counts of the newest whole evaluation.
        confusion_ema: The same of the averaged weights, if they are scored.
    """

    def __init__(
        self,
        network: keras.Model,
        dataset: Dataset,
        journal: MetricLogger,
        batch_size: int,
        stop: GracefulShutdown,
        averages: WeightAverages | None = None,
        pictures: int = 3,
    ):
        self.dataset = dataset
        self.journal = journal
        self.stop = stop
        self.averages = averages
        self.pictures = pictures
        self.confusion = self.confusion_ema = self._nothing_counted()
        self.predict = label_function(network)
        self.batches = evaluation_batches(dataset, batch_size=batch_size)

    def __call__(self, step: int) -> Scores | None:
        """Returns the scores, or `None` if a signal broke it off."""
        started = time.perf_counter()
        # First the averages: the pictures are of the weights themselves.
        confusion_ema = self._nothing_counted()
        if self.averages:
            with self.averages.in_place(estimated=False):
                self._estimate()
                confusion_ema = self._count()
        confusion = self._count() if confusion_ema is not None else None
        if confusion is None:
            return None
        self.confusion, self.confusion_ema = confusion, confusion_ema
        self._publish(step, time.perf_counter() - started)
        miou_ema = confusion_ema.miou() if self.averages else None
        return Scores(confusion.miou(), miou_ema)

    def _estimate(self) -> None:
        """Estimates the running statistics that go with the averaged weights."""
        self.averages.estimate()

    def _count(self) -> ImageConfusion | None:
        """Counts over all images; `None` if a signal broke it off."""
        confusion = self._nothing_counted()
        batches = takewhile(lambda _: self.stop.received is None, self.batches)
        evaluate_model(self.predict, batches, confusion)
        return confusion if self.stop.received is None else None

    def _publish(self, step: int, seconds: float) -> None:
        """Writes down and prints the newest scores."""
        scores = {
            "miou": self.confusion.miou(),
            "pixel_accuracy": self.confusion.pixel_accuracy(),
        }
        averages = ""
        if self.averages:
            scores["miou_ema"] = self.confusion_ema.miou()
            averages = f"miou_ema {scores['miou_ema']:.4f}  "
        self.journal.log_scalars(step, scores)
        for index, picture in enumerate(self._pictures()):
            self.journal.log_image(step, f"validation_{index}", picture)
        print(
            f"iteration {step}  validation mIoU {scores['miou']:.4f}  pixel accuracy "
            f"{scores['pixel_accuracy']:.4f}  {averages}({seconds:.1f} s)"
        )

    def _nothing_counted(self) -> ImageConfusion:
        return ImageConfusion(self.dataset.num_classes, self.dataset.ignore_label)

    def _pictures(self) -> Iterator[np.ndarray]:
        """Yields image, truth and prediction side by side, uint8 RGB."""
        palette = self.dataset.classes.palette
        for images, labels in self.batches.unbatch().batch(1).take(self.pictures):
            image, truth = images.numpy()[0], labels.numpy()[0]
            guess = self.predict(images.numpy())[0]
            painted = [overlay(image, mask, palette) for mask in (truth, guess)]
            yield np.concatenate([image, *painted], axis=1)
