"""Validation during training: scores, best model, checkpoints and report."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.data.pipeline import evaluation_batches
from keras_lraspp.errors import DivergedError, StorageError
from keras_lraspp.evaluation.loop import evaluate_model
from keras_lraspp.inference.functions import label_function
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.palettes import picture_palette
from keras_lraspp.progress import ProgressBar
from keras_lraspp.report.build import write_report
from keras_lraspp.report.examples import Examples, find_examples, image_name
from keras_lraspp.report.wrong_pixels import prediction_sheet
from keras_lraspp.run_dir.best_model import BEST, BestModel, read_best
from keras_lraspp.run_dir.folder import CheckpointFolder, TrainingState
from keras_lraspp.run_dir.log import MetricLogger
from keras_lraspp.training.callbacks import (
    FinishedStep,
    GracefulShutdown,
    StepCallback,
    mean_loss,
)
from keras_lraspp.training.ema import WeightAverages
from keras_lraspp.training.multihost import SINGLE_HOST, Hosts

_PICTURES = "Image, truth, prediction, and in red what is wrong in it."


class Intervals(NamedTuple):
    """Steps of the whole training, and between two evaluations and two saves."""

    iterations: int
    evaluation: int
    save: int


class Scores(NamedTuple):
    """The validation scores of the weights, and of their averages if there are any."""

    miou: float  # in 0..1
    miou_ema: float | None = None
    confusion: ImageConfusion | None = None
    confusion_ema: ImageConfusion | None = None


class Validation:
    """Scores the network on the validation set, given the step.

    Several processes divide the images: of n each predicts every n-th with a network
    of its own, which gets the weights anew each time. (A network that spans the
    processes would have all of them predict everything.) Their counts are added up.
    """

    def __init__(
        self,
        network: keras.Model,
        dataset: SegmentationDataset,
        *,
        logger: MetricLogger | None,  # `None` but on process 0
        batch_size: int,  # of each process
        shutdown: GracefulShutdown,  # breaks an evaluation off
        averages: WeightAverages | None = None,
        hosts: Hosts = SINGLE_HOST,
        pictures: int = 3,
    ):
        self.network = self.worker = network
        if hosts.is_multi:
            with hosts.local_scope():
                self.worker = type(network).from_config(network.get_config())
        self.dataset = dataset
        self.logger = logger
        self.shutdown = shutdown
        self.averages = averages
        self.hosts = hosts
        self.pictures = pictures
        self.predict = label_function(self.worker)
        self.batches = evaluation_batches(
            dataset, batch_size=batch_size, host=(hosts.index, hosts.count)
        )

    def __call__(self, step: int) -> Scores | None:
        """Returns the scores, or `None` if a signal broke it off."""
        started = time.perf_counter()
        confusion_ema = None
        # First the averages: the pictures are of the weights themselves.
        if self.averages:
            with self.averages.in_place(estimated=False):
                with self._local_weights():
                    self.averages.estimate(self.worker)
                self.averages.put_statistics()
                confusion_ema = self._count()
            if confusion_ema is None:
                return None
        confusion = self._count()
        if confusion is None:
            return None
        miou_ema = None if confusion_ema is None else confusion_ema.miou()
        scores = Scores(confusion.miou(), miou_ema, confusion, confusion_ema)
        if self.logger is not None:
            with self.hosts.local_scope():
                self._publish(step, scores, time.perf_counter() - started)
        return scores

    @contextmanager
    def _local_weights(self) -> Iterator[None]:
        """Gives this process's own network the weights, for use inside."""
        values = self.network.get_weights() if self.hosts.is_multi else None
        with self.hosts.raise_together(), self.hosts.local_scope():
            if values is not None:
                self.worker.set_weights(values)
            yield

    def _count(self) -> ImageConfusion | None:
        """Counts over all images; `None` if a signal broke it off."""
        confusion = self._empty_confusion()
        total = -(-len(self.dataset) // self.hosts.count)
        shown = {"delay": 10.0, "show": self.hosts.is_main}  # none of a short one
        bar = ProgressBar("validation", total, "images", **shown)
        with self._local_weights(), bar:
            batches = takewhile(lambda _: self.shutdown.pending is None, self.batches)
            evaluate_model(self.predict, batches, confusion, bar.update)
        self.shutdown.agree()
        if self.shutdown.received is not None:
            return None
        return self._add_up(confusion)

    def _add_up(self, own: ImageConfusion) -> ImageConfusion:
        """Returns the counts of all processes, and their areas in the images' order."""
        if not self.hosts.is_multi:
            return own
        areas = np.array(own.areas, np.int64).reshape(-1, own.num_classes)
        content = np.concatenate([own.counts, areas]).astype(np.int64).tobytes()
        total = self._empty_confusion()
        shares = []
        for theirs in self.hosts.gather(content):
            values = np.frombuffer(theirs, np.int64).reshape(-1, own.num_classes)
            total.counts += values[: own.num_classes]
            shares.append(values[own.num_classes :].reshape(-1, 2, own.num_classes))
        total.areas = [
            shares[index % len(shares)][index // len(shares)]
            for index in range(sum(map(len, shares)))
        ]
        return total

    def _publish(self, step: int, scores: Scores, seconds: float) -> None:
        """Logs and prints scores."""
        accuracy = scores.confusion.pixel_accuracy()
        values = {"miou": scores.miou, "pixel_accuracy": accuracy}
        averages = ""
        if scores.miou_ema is not None:
            values["miou_ema"] = scores.miou_ema
            averages = f"miou_ema {scores.miou_ema:.4f}  "
        self.logger.log_scalars(step, values)
        for name, picture in self._pictures():
            self.logger.log_image(step, f"validation/{name}", picture, _PICTURES)
        print(
            f"iteration {step}  validation mIoU {scores.miou:.4f}  pixel accuracy "
            f"{accuracy:.4f}  {averages}({seconds:.1f} s)"
        )

    def _pictures(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields names and pictures of the first images of this process."""
        palette = picture_palette(self.dataset.classes)
        batches = self.batches.unbatch().batch(1).take(self.pictures)
        for number, (images, labels) in enumerate(batches.as_numpy_iterator()):
            index = self.hosts.index + number * self.hosts.count
            prediction = self.predict(images)[0]
            sheet = prediction_sheet(images[0], labels[0], prediction, palette)
            yield image_name(self.dataset, index), sheet

    def _empty_confusion(self) -> ImageConfusion:
        return ImageConfusion(self.dataset.num_classes, self.dataset.ignore_label)


class EvaluateAndCheckpoint(StepCallback):
    """Evaluates, keeps the best model, writes checkpoints, and stops when asked.

    The last step is always evaluated and saved too. `evaluate` takes the step and
    returns `None` if it was broken off because training is to stop; `save_best` takes
    the model, the step, the mIoU and the counts of every new best. After `patience`
    evaluations in a row without a better mIoU, of the weights or their average, the
    training ends. All of this runs inside of `paused`, for clocks.
    """

    def __init__(
        self,
        intervals: Intervals,
        state: TrainingState,
        checkpoints: CheckpointFolder,
        *,
        evaluate: Callable[[int], Scores | None],
        save_best: Callable[[keras.Model, int, float, ImageConfusion], object],
        save_best_ema: Callable[..., object] | None = None,
        averages: WeightAverages | None = None,
        patience: int | None = None,
        stop: Callable[[], bool] = lambda: False,
        paused: Callable[[], AbstractContextManager] = nullcontext,
        hosts: Hosts = SINGLE_HOST,
    ):
        super().__init__(state.step)
        self.intervals = intervals
        self.state = state
        self.checkpoints = checkpoints
        self.evaluate = evaluate
        self.save_best = save_best
        self.save_best_ema = save_best_ema
        self.averages = averages
        self.patience = patience
        self.stop = stop
        self.paused = paused
        self.hosts = hosts
        self.scores: Scores | None = None  # of the last evaluation
        self.finished = FinishedStep(state.step)  # goes before all other callbacks
        self._saved = state.step

    def on_epoch_begin(self, epoch, logs=None):
        """Goes on with the mean loss of a stopped run; `fit` has just cleared it."""
        values = self.state.loss_total, self.state.loss_count
        for variable, value in zip(mean_loss(self.model), values, strict=True):
            variable.assign(value)

    def evaluate_if_missed(self) -> None:
        """Makes up for an evaluation that a stop broke off; called before `fit`."""
        step = self.state.step
        if step and self._is_due(step, self.intervals.evaluation):
            if self.state.evaluated_step != step:
                self._evaluate(step)
                self._save()

    def on_step(self, step, logs):
        """Does what is due after this step."""
        evaluation = self._is_due(step, self.intervals.evaluation)
        save = self._is_due(step, self.intervals.save)
        if not (evaluation or save or self.stop()):
            return
        with self.paused():
            self.sync_weights()
            self._check_weights(step)
            self.state = self.state._replace(step=step)
            if evaluation and not self.stop():
                self._evaluate(step)
            ends = self.stop() or self.out_of_patience()
            if save or ends:
                self.state = self._full_state()
                self._save()
            if ends:
                self.model.stop_training = True

    def out_of_patience(self) -> bool:
        """Says whether too many evaluations were no better; a resume knows too."""
        if self.patience is None:
            return False
        best = max(self.state.best_step, self.state.best_ema_step)
        steps = self.patience * self.intervals.evaluation
        return self.state.evaluated_step - best >= steps

    def describe_end(self) -> str:
        """Says why training came to an early end, when out of patience."""
        state = self.state
        return (
            f"stopped after iteration {state.step}: no better mIoU in the last "
            f"{self.patience} evaluations, the best after iteration "
            f"{max(state.best_step, state.best_ema_step)} (train.patience)"
        )

    def _is_due(self, step: int, interval: int) -> bool:
        return step % interval == 0 or step == self.intervals.iterations

    def _check_weights(self, step: int) -> None:
        """A step may break the weights after a loss that was still good."""
        if not all(np.isfinite(value).all() for value in self.model.get_weights()):
            raise DivergedError(
                f"Training diverged: weights are not finite after iteration {step}. "
                f"The last good checkpoint is kept; lower train.learning_rate and "
                f"start again."
            )

    def save_finished(self, error: Exception) -> None:
        """Saves the last finished step after an error, as far as this is possible."""
        step = self.finished.step
        # Where a checkpoint could not be written, it cannot be written now.
        if step == self._saved or isinstance(error, StorageError):
            return
        try:
            self.sync_weights()
            self._check_weights(step)
            self.finished.undo_rest()
            self.state = self.state._replace(step=step)
            if self.hosts.is_main:  # the others may have ended
                with self.hosts.local_scope():
                    self.checkpoints.save(self.model, self._full_state())
        except Exception as second:  # the first error is the one to report
            warnings.warn(f"Could not save iteration {step}: {second}", stacklevel=2)
        else:
            self.hosts.print(f"saved iteration {step}; --resume goes on from there")

    def save(self, step: int) -> None:
        """Collective: writes a checkpoint of this step, unless that is done."""
        if step != self._saved:
            self.sync_weights()
            self._check_weights(step)
            self.state = self.state._replace(step=step)
            self.state = self._full_state()
            self._save()

    def _save(self) -> None:
        self.hosts.run_on_main(self.checkpoints.save, self.model, self.state)
        self._saved = self.state.step

    def _full_state(self) -> TrainingState:
        total, count = map(keras.ops.convert_to_numpy, mean_loss(self.model))
        return self.state._replace(loss_total=float(total), loss_count=float(count))

    def _evaluate(self, step: int) -> None:
        scores = self.evaluate(step)
        if scores is None:
            return
        self.scores = scores
        self.state = self.state._replace(evaluated_step=step)
        if _is_better(scores.miou, self.state.best_miou):
            new = step, scores.miou, scores.confusion
            self.hosts.run_on_main(self.save_best, self.model, *new)
            self.state = self.state._replace(best_step=step, best_miou=scores.miou)
        if _is_better(scores.miou_ema, self.state.best_ema_miou):
            new = step, scores.miou_ema, scores.confusion_ema
            averages = self.averages.in_place() if self.averages else nullcontext()
            with averages:  # on all processes
                self.hosts.run_on_main(self.save_best_ema, self.model, *new)
            self.state = self.state._replace(
                best_ema_step=step, best_ema_miou=scores.miou_ema
            )


def _is_better(miou: float | None, best: float | None) -> bool:
    """Says whether a score is the best so far, which a nan never is."""
    return miou is not None and miou > (-1.0 if best is None else best)


class TrainingReport(StepCallback):
    """Writes `report.html` after evaluations, so that a killed run has one too.

    Put it behind `EvaluateAndCheckpoint`: what matters is then saved already. A page
    that cannot be written is a warning and nothing more. There are `pause` seconds
    between two pages, so that frequent evaluations of a small data set are not
    outweighed by them; `finish` does not wait.
    """

    def __init__(
        self,
        folder: Path,
        network: keras.Model,
        checkpointer: EvaluateAndCheckpoint,
        best_model: BestModel,
        *,
        paused: Callable[[], AbstractContextManager],
        hosts: Hosts = SINGLE_HOST,
        pause: float = 30.0,  # seconds
    ):
        super().__init__(checkpointer.state.step)
        self.folder = folder
        self.network = network
        self.checkpointer = checkpointer
        self.best_model = best_model
        self.paused = paused
        self.hosts = hosts
        self.pause = pause
        self._evaluated = checkpointer.state.evaluated_step
        self._written = time.monotonic()
        self._examples: tuple[int, Examples] | None = None  # of the best step
        self._predict = None

    def on_step(self, step, logs):
        """Writes the page if there was an evaluation, and the last page is old."""
        evaluated = self.checkpointer.state.evaluated_step
        due = time.monotonic() - self._written >= self.pause
        if evaluated != self._evaluated and due:
            self._evaluated = evaluated
            with self.paused():
                self.finish()

    def finish(self) -> None:
        """Writes the page as things stand."""
        if not self.hosts.is_main:
            return
        try:
            # Not a collective: each process has a clock of its own.
            with self.hosts.local_scope():
                write_report(self.folder, self._find_examples())
        except Exception as error:  # whatever it is, the training matters more
            warnings.warn(
                f"Could not write the report of {self.folder}: {error}", stacklevel=2
            )
        self._written = time.monotonic()

    def _find_examples(self) -> Examples:
        """Draws the images once for each best model."""
        best = read_best(self.folder / BEST)
        step = 0 if best is None else best.step
        if self._examples is None or self._examples[0] != step:
            samples = self.best_model.dataset
            found = find_examples(self.folder, self._load_predict, samples=samples)
            self._examples = step, found
        return self._examples[1]

    def _load_predict(self) -> Callable:
        network = self.best_model.network(like=self.network)
        if self._predict is None:  # reads the weights anew at each call
            self._predict = label_function(network)
        return self._predict
