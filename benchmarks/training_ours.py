"""One contestant of `training.py`: this package, on Keras's current backend."""

import training_clock as clock  # first: it starts the clock

flags = clock.arguments(__doc__)

import statistics
import tempfile
import time
from pathlib import Path

from keras_lraspp.processor import prefer_onednn

prefer_onednn()  # as train.py does

import keras
import numpy as np

from keras_lraspp import LRASPP
from keras_lraspp.losses import OhemCrossEntropy
from keras_lraspp.run_dir.log import MetricLogger
from keras_lraspp.training.callbacks import Progress, StopOnDivergence
from keras_lraspp.training.optimizer import SGD
from keras_lraspp.training.setup import compile_network


def main() -> None:
    """Times the step; on TensorFlow also `fit`, and loss and optimizer alone."""
    model = LRASPP(num_classes=19, output_stride=flags.output_stride)
    compile_network(model, OhemCrossEntropy(), SGD())
    draw = np.random.default_rng(0)
    shape = (flags.batch, flags.height, flags.width)
    images = draw.integers(0, 256, (*shape, 3), dtype="uint8")
    labels = draw.integers(0, 19, shape, dtype="uint8")
    seconds, first = clock.time_steps(
        lambda: model.train_on_batch(images, labels), flags.steps
    )
    more = {}
    if flags.extras and keras.backend.backend() == "tensorflow":
        more = extras(model, images, labels)
    clock.report(seconds, first, flags.batch, **more)


def extras(model, images, labels) -> dict[str, float]:
    """Seconds of loss and optimizer, and `fit`'s images a second."""
    import tensorflow as tf

    loss, optimizer = model.loss, model.optimizer
    variables = [variable.value for variable in model.trainable_variables]
    gradients = [tf.zeros(variable.shape) for variable in variables]

    @tf.function
    def loss_and_gradient(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(labels, logits)
        return tape.gradient(value, logits)

    @tf.function
    def update():
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )

    logits = tf.random.normal((*labels.shape, 19))
    loss_and_gradient(logits)
    update()
    alone = clock.median_seconds(lambda: loss_and_gradient(logits)[0, 0].numpy(), 5)
    alone += clock.median_seconds(update, 5)
    share, step = fit_share(model, images, labels)
    return {"loss_and_optimizer": alone / step, "fit": share}


class Pace(keras.callbacks.Callback):
    """Seconds of a step of `fit`, from the end of the first to the end of the last."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        """Notes the time."""
        self.ends.append(time.perf_counter())

    def seconds(self) -> float:
        """The mean."""
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)


def fit_share(model, images, labels) -> tuple[float, float]:
    """What share of the bare step's rate `fit` reaches; seconds of a bare step.

    With what a training has beside its steps: the pipeline's queue, the loss as a
    metric, log and progress, and the watch over the loss.
    """
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensors((images, labels)).repeat().prefetch(2)
    steps = flags.steps

    def fit(folder):
        progress = Progress(
            MetricLogger(folder, 0),
            iterations=steps + 1,
            batch_size=flags.batch,
            log_interval=2,
            start_step=0,
            write=lambda line: None,
        )
        pace = Pace()
        watched = [StopOnDivergence(start_step=0), progress, pace]
        options = {"verbose": 0, "shuffle": False, "callbacks": watched}
        model.fit(batches, steps_per_epoch=steps + 1, **options)
        return pace.seconds()

    def bare():
        before = time.perf_counter()
        for _ in range(steps):
            model.train_on_batch(images, labels)
        return (time.perf_counter() - before) / steps

    with tempfile.TemporaryDirectory() as folder:
        fit(Path(folder))  # makes its own function
        turns = [(bare(), fit(Path(folder))) for _ in range(5)]
    share = statistics.median(step / fitted for step, fitted in turns)
    return share, statistics.median(step for step, _ in turns)


main()
