"""One contestant of `training.py`: this package, on Keras's current backend."""

import training_clock as clock  # first: it starts the clock

flags = clock.arguments(__doc__)

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_lraspp import LRASPP  # noqa: E402
from keras_lraspp.runs.train import _compile  # noqa: E402
from keras_lraspp.training.losses import OhemCrossEntropy  # noqa: E402
from keras_lraspp.training.optimizer import SGD  # noqa: E402


def main() -> None:
    """Times the step; on TensorFlow also `fit`, and loss and optimizer alone."""
    model = LRASPP(num_classes=19, output_stride=flags.output_stride)
    _compile(model, OhemCrossEntropy(), SGD())
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
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat().prefetch(2)

    def fit():
        model.fit(batches, steps_per_epoch=flags.steps, verbose=0, shuffle=False)

    def bare():
        for _ in range(flags.steps):
            model.train_on_batch(images, labels)

    fit()  # makes its own function
    turns = [
        (clock.median_seconds(bare, 1), clock.median_seconds(fit, 1)) for _ in range(2)
    ]
    share = sorted(step / fitted for step, fitted in turns)
    step = min(step for step, _ in turns) / flags.steps
    return {"loss_and_optimizer": alone / step, "fit": sum(share) / len(share)}


main()
