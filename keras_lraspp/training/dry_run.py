"""What a training would be: everything is made and looked at, nothing is trained."""

import math
import time
from collections.abc import Iterator

import keras
import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.models.summary import at_size, estimate_step, multiply_adds
from keras_lraspp.training.multihost import ProcessSpec
from keras_lraspp.training.schedule import sample_rates
from keras_lraspp.training.setup import Course, Recipe, Setup, open_sets, set_up


def print_plan(
    recipe: Recipe, course: Course, keep: int, place: ProcessSpec | None = None
) -> None:
    """Prints what a training would do, and reads its first batch.

    Nothing is trained, and nothing is written to the output folder.

    Args:
        recipe: What would be trained, and how.
        course: After how many steps what would happen.
        keep: Checkpoints that would be kept.
        place: Where this process stands among several.

    Raises:
        InputError: For what would end the training before its first step, and for
            one of several processes.
    """
    if place is not None:
        raise InputError(
            "A dry run is of one process; leave --coordinator out, and multiply its "
            "images and rates by the number of processes."
        )
    sets = open_sets(recipe)
    with set_up(recipe, sets) as setup:
        batches = setup.batches()
        crop = batches.element_spec[0].shape[1:3]
        for name, text in _rows(setup, course, keep, crop):
            print(f"{name:<15}{text}")
        print(f"{'first batch':<15}{_first_batch(batches, setup)}")
    print("dry run: nothing was trained, nothing was written")


def _rows(
    setup: Setup, course: Course, keep: int, crop: tuple[int, int]
) -> Iterator[tuple[str, str]]:
    """Yields what can be said without reading an image."""
    training_set, validation_set = setup.training_set, setup.validation_set
    iterations, size = setup.recipe.iterations, "x".join(map(str, crop))
    yield (
        "data",
        f"{training_set.name}: {len(training_set)} images to train on, "
        f"{len(validation_set)} to validate, {training_set.num_classes} classes",
    )
    yield "network", _network(setup, crop)
    yield "batch", _batch(setup, size)
    yield from _features(setup.recipe, course)
    per_epoch = max(len(training_set) // setup.batch_size, 1)
    yield (
        "length",
        f"{iterations} iterations, {per_epoch} to an epoch: "
        f"{iterations / per_epoch:.1f} epochs{_updates(setup.recipe)}",
    )
    yield "evaluations", _times(iterations, course.eval_interval)
    saves = _times(iterations, course.save_interval)
    yield "checkpoints", f"{saves}; the last {keep} are kept"
    curve = sample_rates(setup.schedule, iterations)
    yield "learning rate", curve.drawn()
    for step, rate in curve.landmarks:
        yield "", f"{rate:<10.4g} at step {step}"
    yield "memory", _memory(setup, crop)


def _updates(recipe: Recipe) -> str:
    if recipe.accumulation == 1:
        return ""
    return f"; {recipe.iterations // recipe.accumulation} updates"


def _network(setup: Setup, crop: tuple[int, int]) -> str:
    network = setup.network
    trained, others = (
        _number(sum(math.prod(v.shape) for v in variables))
        for variables in (network.trainable_variables, network.non_trainable_variables)
    )
    said = f"{network.name}: {trained} parameters to train, {others} others"
    try:
        count = multiply_adds(at_size(network, *crop))
    except (ValueError, TypeError, AttributeError):  # somebody's own kind of model
        return said
    return f"{said}; {_number(count)} multiply-adds for a crop"


def _batch(setup: Setup, size: str) -> str:
    each = setup.recipe.batch_size
    devices, batches = setup.batch_size // each, setup.recipe.accumulation
    said = f"{setup.batch_size * batches} crops of {size} to an update"
    if devices > 1 or batches > 1:
        said += f": {each} on each of {devices} devices, in {batches} batches"
    return said


def _features(recipe: Recipe, course: Course) -> Iterator[tuple[str, str]]:
    if recipe.ema_momentum is not None:
        yield "average", f"of the weights, with momentum {recipe.ema_momentum}"
    if recipe.frozen:
        yield "frozen", ", ".join(recipe.frozen)
    if course.patience is not None:
        yield "patience", f"{course.patience} evaluations without a better mIoU"


def _times(iterations: int, interval: int) -> str:
    count = math.ceil(iterations / interval)
    return f"{count}, after every {interval} iterations and the last"


def _memory(setup: Setup, crop: tuple[int, int]) -> str:
    memory = estimate_step(setup.network, setup.recipe.batch_size, *crop)
    if memory is None:
        return "not known for a network of this kind"
    parts = (f"{name} {_megabytes(size)}" for name, size in memory._asdict().items())
    return (
        f"about {_megabytes(memory.total)} MB a step and device ({', '.join(parts)}), "
        f"beside what the backend takes itself"
    )


def _first_batch(batches, setup: Setup) -> str:
    started = time.perf_counter()
    images, labels = (part.numpy() for part in next(iter(batches)))
    seconds = time.perf_counter() - started
    ignore = setup.training_set.ignore_label
    ignored = np.zeros(1) if ignore is None else labels == ignore
    found = np.unique(labels[labels != ignore] if ignore is not None else labels)
    shape = "x".join(map(str, images.shape))
    return (
        f"{images.dtype} {shape}, {len(found)} classes in it, {ignored.mean():.1%} of "
        f"its pixels ignored; read in {seconds:.1f} s; loss "
        f"{_loss_of_nothing(labels, setup):.4f} without a preference"
    )


def _loss_of_nothing(labels: np.ndarray, setup: Setup) -> float:
    """Returns the loss of logits of zero: it has to fit the data set's classes."""
    logits = np.zeros((*labels.shape, setup.training_set.num_classes), np.float32)
    return float(keras.ops.convert_to_numpy(setup.network.loss(labels, logits)))


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f}"
