"""One training, from a configuration to the best model on disk."""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras

from keras_lraspp.data import check_dataset, training_batches
from keras_lraspp.data.allocator import keep_freed_memory
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.run_time_errors import input_errors
from keras_lraspp.errors import DivergedError, InputError
from keras_lraspp.models.loading import load_weights
from keras_lraspp.runs.best_model import BEST
from keras_lraspp.runs.datasets import open_dataset
from keras_lraspp.runs.hosts import SharedStop, shared_run_folder
from keras_lraspp.runs.notes import NOTES, note_run, write_notes
from keras_lraspp.runs.precision import precision_policy
from keras_lraspp.runs.run_folder import write_text, write_versions
from keras_lraspp.runs.training_callbacks import Course, make_callbacks
from keras_lraspp.training.checkpoints import CheckpointFolder, TrainingState
from keras_lraspp.training.cluster import find_place
from keras_lraspp.training.hosts import Hosts
from keras_lraspp.training.joining import several_hosts
from keras_lraspp.training.optimizer import exclude_backbone_batch_norm
from keras_lraspp.training.strategy import all_devices
from keras_lraspp.training.watchdogs import StopSignal


class TrainingResult(NamedTuple):
    """What a training came to."""

    step: int  # steps done
    best_step: int
    best_miou: float | None  # in 0..1
    best_path: Path
    signal: int | None  # the signal that stopped it before its end
    first: bool = True  # whether this is the process that wrote the files


def train(
    *,
    model: Callable[..., keras.Model],
    dataset: Callable[..., Dataset],
    transform: Callable[..., Callable],
    loss: Callable[..., keras.losses.Loss],
    optimizer: Callable[..., keras.optimizers.Optimizer],
    schedule: Callable[..., keras.optimizers.schedules.LearningRateSchedule],
    iterations: int,
    batch_size: int,
    learning_rate: float,
    reference_batch: int,
    eval_interval: int,
    save_interval: int,
    output_dir: str | Path,
    data_root: str | Path | None = None,
    resume: bool = False,
    precision: str = "float32",
    keep: int = 3,
    log_interval: int = 10,
    eval_batch_size: int = 1,
    seed: int = 0,
    devices: Sequence[str] | None = None,
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    corrupt: str = "fail",
    operative_config: Callable[[], str] | None = None,
) -> TrainingResult:
    """Trains a model and keeps the one with the best validation mIoU.

    Into `output_dir` go `best.keras` (no optimizer), `report.html`, `checkpoints/`,
    `log.csv`, `tensorboard/`, `config.gin`, `run.json` and `versions.json`.

    Args:
        model: Called as `model(num_classes=...)`.
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        transform: Called as `transform(ignore_label=...)`; returns the augmentation
            of one image and its labels.
        loss: Called as `loss(ignore_label=...)`.
        optimizer: Called as `optimizer(learning_rate=schedule)`.
        schedule: Called as `schedule(learning_rate=..., iterations=...)`.
        iterations: Training steps.
        batch_size: Images per step and device.
        learning_rate: Highest rate for a global batch of `reference_batch` images;
            scaled linearly with the global batch.
        reference_batch: See `learning_rate`.
        eval_interval: Steps between evaluations on the validation set.
        save_interval: Steps between checkpoints.
        output_dir: Folder of this run.
        data_root: Folder of the data set, if not the data set's default.
        resume: Go on from the newest whole checkpoint in `output_dir`.
        precision: `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`.
        keep: Number of checkpoints kept.
        log_interval: Steps between two lines of progress.
        eval_batch_size: Images per evaluation step.
        seed: Of initial weights, order and augmentation.
        devices: Names of devices to use; `None` for all accelerators.
        coordinator: `HOST:PORT` of process 0 if several processes train together, on
            JAX; `"auto"` if the cluster says it. See `docs/distributed.md`.
        processes: How many they are; `None` if the cluster says it.
        process: Which one this is, from 0; `None` if the cluster says it.
        corrupt: `"fail"` or `"skip"` for images that cannot be read.
        operative_config: Returns the text of `config.gin`, once all is built.

    Returns:
        What the training came to.

    Raises:
        InputError: For bad data or configuration.
        StorageError: If `output_dir` cannot be written or is in use.
        DivergedError: If the loss is no longer finite.
    """
    output_dir = Path(output_dir)
    keep_freed_memory()
    with contextlib.ExitStack() as stack:
        place = find_place(coordinator, processes, process)
        hosts = stack.enter_context(several_hosts(place))
        folder = stack.enter_context(
            shared_run_folder(hosts, output_dir, keep=keep, resume=resume)
        )
        with hosts.together():
            training_set, validation_set = (
                check_dataset(
                    open_dataset(dataset, data_root, split),
                    corrupt=corrupt,
                    progress=hosts.first,
                )
                for split in ("train", "val")
            )
        stack.enter_context(input_errors())
        stack.enter_context(precision_policy(precision))
        global_batch = batch_size * stack.enter_context(all_devices(devices))
        keras.utils.set_random_seed(seed)
        network = model(num_classes=training_set.num_classes)
        ignored = {"ignore_label": training_set.ignore_label}
        rate = schedule(
            learning_rate=learning_rate * global_batch / reference_batch,
            iterations=iterations,
        )
        _compile(network, loss(**ignored), optimizer(learning_rate=rate))
        with hosts.together():
            state = _restore(network, folder, hosts) if resume else TrainingState()
        batches = training_batches(
            training_set,
            transform=transform(**ignored),
            batch_size=global_batch,
            seed=seed,
            start_step=state.step,
            host=(hosts.index, hosts.count),
        )
        _check_crop(network, batches.element_spec[0].shape)
        sets = training_set, validation_set
        lengths = {"iterations": iterations, "batch_size": global_batch}
        hosts.check_same(images=len(training_set), seed=seed, **lengths)
        notes = note_run(network, *sets, **lengths, data_root=data_root)
        with hosts.together():
            if hosts.first:
                _write_what_runs(output_dir, notes, operative_config, resumed=resume)

        stop = stack.enter_context(StopSignal())
        if hosts.several:
            stop = SharedStop(hosts, stop)
        course = Course(
            **lengths,
            eval_interval=eval_interval,
            save_interval=save_interval,
            log_interval=log_interval,
            eval_batch_size=eval_batch_size,
        )
        callbacks = make_callbacks(
            network, validation_set, folder, state, course, stop, hosts
        )
        called = [stop, *callbacks] if hosts.several else callbacks
        try:
            _fit(network, batches, iterations - state.step, called)
        except DivergedError:
            callbacks.report.finish()  # its curves show when
            raise
        callbacks.report.finish()
    state = callbacks.milestones.state
    best = state.best_step, state.best_miou, output_dir / BEST
    return TrainingResult(state.step, *best, stop.received, hosts.first)


def _write_what_runs(folder: Path, notes, operative_config, *, resumed: bool) -> None:
    if operative_config is not None:
        write_text(folder / "config.gin", operative_config())
    write_versions(folder / "versions.json")
    write_notes(notes, folder / NOTES, resumed=resumed)


def _compile(network, loss, optimizer) -> None:
    exclude_backbone_batch_norm(optimizer, network)
    # On TensorFlow "auto" would mean XLA: measured nine times slower on a CPU.
    jit_compile = False if keras.backend.backend() == "tensorflow" else "auto"
    network.compile(optimizer=optimizer, loss=loss, jit_compile=jit_compile)
    network.optimizer.build(network.trainable_variables)  # slots to restore into


def _fit(network, batches, steps: int, callbacks) -> None:
    if steps <= 0:  # a finished run that was resumed
        return
    network.fit(
        batches,
        epochs=1,
        steps_per_epoch=steps,
        shuffle=False,  # the pipeline has its own order
        verbose=0,
        callbacks=list(callbacks),
    )


def _restore(network, checkpoints: CheckpointFolder, hosts: Hosts) -> TrainingState:
    state = checkpoints.restore(partial(load_weights, network))
    if state is None:
        said = f"nothing to resume in {checkpoints.folder}: starting from the beginning"
    else:
        said = f"resuming after iteration {state.step}"
    if hosts.first:
        print(said)
    return state or TrainingState()


def _check_crop(network, shape) -> None:
    smallest = getattr(network, "smallest_side", 1)
    if min(shape[1:3]) < smallest:
        raise InputError(
            f"The crop of {shape[1]}x{shape[2]} is too small for this variant, whose "
            f"smallest side is {smallest}; raise recipe_transform.crop_size."
        )
