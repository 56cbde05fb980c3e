"""Dry run of a training: build everything, print the plan, train nothing."""

import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.errors import InputError
from keras_lraspp.models.summary import at_size, estimate_step, multiply_adds
from keras_lraspp.training.multihost import ProcessSpec
from keras_lraspp.training.schedule import sample_rates


class _Plan(NamedTuple):
    """A training and all that it builds before its first step."""

    training: Any  # a `Training`, whose file imports this one
    training_set: SegmentationDataset
    validation_set: SegmentationDataset
    network: keras.Model
    devices: int
    crop: tuple[int, int]


def print_plan(training: Any, process: ProcessSpec | None = None) -> None:
    """Prints what a `Training` would do, and reads its first batch; writes nothing."""
    if process is not None:
        raise InputError(
            "A dry run is of one process; leave --coordinator out, and multiply its "
            "images and rates by the number of processes."
        )
    training_set, validation_set = training.open_data()
    with training.compute_scope() as devices:
        network = training.build_network(training_set, devices)
        batches = training.open_batches(network, training_set, devices)
        crop = tuple(batches.element_spec[0].shape[1:3])
        plan = _Plan(training, training_set, validation_set, network, devices, crop)
        for name, text in _rows(plan):
            print(f"{name:<15}{text}")
        print(f"{'first batch':<15}{_first_batch(batches, plan)}")
    print("dry run: nothing was trained, nothing was written")


def _rows(plan: _Plan) -> Iterator[tuple[str, str]]:
    """Yields the rows of the plan that need no image."""
    training, training_set = plan.training, plan.training_set
    iterations = training.iterations
    yield (
        "data",
        f"{training_set.name}: {len(training_set)} images to train on, "
        f"{len(plan.validation_set)} to validate, {training_set.num_classes} classes",
    )
    yield "network", _network(plan)
    yield "batch", _batch(plan)
    if training.ema_momentum is not None:
        yield "average", f"of the weights, with momentum {training.ema_momentum}"
    if training.frozen:
        yield "frozen", ", ".join(training.frozen)
    if training.patience is not None:
        yield "patience", f"{training.patience} evaluations without a better mIoU"
    yield "length", _length(plan)
    yield "evaluations", _times(iterations, training.eval_interval)
    saves = _times(iterations, training.save_interval)
    yield "checkpoints", f"{saves}; the last {training.keep} are kept"
    curve = sample_rates(training.build_schedule(plan.devices), iterations)
    yield "learning rate", curve.drawn()
    for step, rate in curve.landmarks:
        yield "", f"{rate:<10.4g} at step {step}"
    yield "memory", _memory(plan)


def _length(plan: _Plan) -> str:
    training = plan.training
    batch_size = training.batch_size * plan.devices
    per_epoch = max(len(plan.training_set) // batch_size, 1)
    text = (
        f"{training.iterations} iterations, {per_epoch} to an epoch: "
        f"{training.iterations / per_epoch:.1f} epochs"
    )
    if training.accumulation > 1:
        text += f"; {training.iterations // training.accumulation} updates"
    return text


def _network(plan: _Plan) -> str:
    network = plan.network
    trained, others = (
        _number(sum(math.prod(v.shape) for v in variables))
        for variables in (network.trainable_variables, network.non_trainable_variables)
    )
    text = f"{network.name}: {trained} parameters to train, {others} others"
    try:
        count = multiply_adds(at_size(network, *plan.crop))
    except (ValueError, TypeError, AttributeError):  # a custom model
        return text
    return f"{text}; {_number(count)} multiply-adds for a crop"


def _batch(plan: _Plan) -> str:
    each, batches = plan.training.batch_size, plan.training.accumulation
    size = "x".join(map(str, plan.crop))
    text = f"{each * plan.devices * batches} crops of {size} to an update"
    if plan.devices > 1 or batches > 1:
        text += f": {each} on each of {plan.devices} devices, in {batches} batches"
    return text


def _times(iterations: int, interval: int) -> str:
    count = math.ceil(iterations / interval)
    return f"{count}, after every {interval} iterations and the last"


def _memory(plan: _Plan) -> str:
    memory = estimate_step(plan.network, plan.training.batch_size, *plan.crop)
    if memory is None:
        return "not known for a network of this kind"
    parts = (f"{name} {_megabytes(size)}" for name, size in memory._asdict().items())
    return (
        f"about {_megabytes(memory.total)} MB a step and device ({', '.join(parts)}), "
        f"beside what the backend takes itself"
    )


def _first_batch(batches, plan: _Plan) -> str:
    started = time.perf_counter()
    images, labels = (part.numpy() for part in next(iter(batches)))
    seconds = time.perf_counter() - started
    ignore = plan.training_set.ignore_label
    ignored = np.zeros(1) if ignore is None else labels == ignore
    classes = np.unique(labels[labels != ignore] if ignore is not None else labels)
    shape = "x".join(map(str, images.shape))
    return (
        f"{images.dtype} {shape}, {len(classes)} classes in it, "
        f"{ignored.mean():.1%} of its pixels ignored; read in {seconds:.1f} s; loss "
        f"{_loss_of_zeros(labels, plan):.4f} without a preference"
    )


def _loss_of_zeros(labels: np.ndarray, plan: _Plan) -> float:
    """Returns the loss of logits of zero: it has to fit the data set's classes."""
    logits = np.zeros((*labels.shape, plan.training_set.num_classes), np.float32)
    return float(keras.ops.convert_to_numpy(plan.network.loss(labels, logits)))


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f}"
