"""One training, from a configuration to the best model on disk."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.pipeline import keep_freed_memory
from keras_lraspp.errors import InputError
from keras_lraspp.runs.training.callbacks import Course
from keras_lraspp.runs.training.dry_run import print_plan
from keras_lraspp.runs.training.recipe import Recipe
from keras_lraspp.runs.training.stages import Output, TrainingResult, run_training
from keras_lraspp.training.cluster import find_place


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
    ema_momentum: float | None = None,
    accumulation: int = 1,
    frozen: tuple[str, ...] = (),
    patience: int | None = None,
    deterministic: bool = False,
    devices: Sequence[str] | None = None,
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    corrupt: str = "fail",
    operative_config: Callable[[], str] | None = None,
    dry_run: bool = False,
) -> TrainingResult | None:
    """Trains a model and keeps the one with the best validation mIoU.

    Into `output_dir` go `best.keras` (no optimizer), `report.html`, `checkpoints/`,
    `log.csv`, `tensorboard/`, `config.gin`, `run.json` and `versions.json`.

    Args:
        model: Called as `model(num_classes=...)`.
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        transform: Called as `transform(ignore_label=...)`; returns the augmentation
            of one image and its labels.
        loss: Called as `loss(ignore_label=...)`.
        optimizer: Called as `optimizer(learning_rate=schedule)`, and with Keras's
            arguments for averages and accumulation if they are asked for.
        schedule: Called as `schedule(learning_rate=..., iterations=...)`.
        iterations: Training steps, of one batch each.
        batch_size: Images per step and device.
        learning_rate: Highest rate for `reference_batch` images to an update; scaled
            linearly with the images that an update really has.
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
        ema_momentum: Share of the old value in an average of the weights over the
            updates, as 0.999; it is scored too, and its best kept in `best_ema.keras`.
        accumulation: Batches whose mean gradient is one update of the weights.
        frozen: What is not trained: `"backbone"`, `"batch_norm"`.
        patience: Evaluations in a row without a better mIoU that end the training.
        deterministic: Choose kernels that give the same weights to the bit each time,
            for the rest of the process.
        devices: Names of devices to use; `None` for all accelerators.
        coordinator: `HOST:PORT` of process 0 if several processes train together, on
            JAX; `"auto"` if the cluster says it. See `docs/distributed.md`.
        processes: How many they are; `None` if the cluster says it.
        process: Which one this is, from 0; `None` if the cluster says it.
        corrupt: `"fail"` or `"skip"` for images that cannot be read.
        operative_config: Returns the text of `config.gin`, once all is built.
        dry_run: Print what the training would be, and neither train nor write.

    Returns:
        What the training came to; `None` of a dry run.

    Raises:
        InputError: For bad data or configuration.
        StorageError: If `output_dir` cannot be written or is in use.
        DivergedError: If the loss is no longer finite.
    """
    recipe = Recipe(
        model=model,
        dataset=dataset,
        transform=transform,
        loss=loss,
        optimizer=optimizer,
        schedule=schedule,
        iterations=iterations,
        batch_size=batch_size,
        learning_rate=learning_rate,
        reference_batch=reference_batch,
        precision=precision,
        seed=seed,
        ema_momentum=ema_momentum,
        accumulation=accumulation,
        frozen=frozen,
        deterministic=deterministic,
        devices=devices,
        data_root=data_root,
        corrupt=corrupt,
    )
    if patience is not None and patience < 1:
        raise InputError(
            f"train.patience is a number of evaluations from 1, not {patience}; "
            f"correct it, or None to train to the end."
        )
    course = Course(
        eval_interval=eval_interval,
        save_interval=save_interval,
        log_interval=log_interval,
        eval_batch_size=eval_batch_size,
        patience=patience,
    )
    keep_freed_memory()
    place = find_place(coordinator, processes, process)
    if dry_run:
        print_plan(recipe, course, keep, place)
        return None
    output = Output(Path(output_dir), resume, keep, operative_config)
    return run_training(recipe, course, output, place)
