"""One training, from a configuration to the best model on disk."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.pipeline import keep_freed_memory
from keras_lraspp.errors import DivergedError, InputError
from keras_lraspp.files import write_text
from keras_lraspp.run_dir.best_model import BEST, BEST_EMA, BestModel
from keras_lraspp.run_dir.folder import CheckpointFolder, TrainingState, write_versions
from keras_lraspp.run_dir.log import MetricLogger
from keras_lraspp.run_dir.record import RUN_RECORD, record_run, write_run_record
from keras_lraspp.training.callbacks import (
    EvaluateAndCheckpoint,
    GracefulShutdown,
    Intervals,
    Progress,
    StopOnDivergence,
    TrainingReport,
)
from keras_lraspp.training.dry_run import print_plan
from keras_lraspp.training.multihost import (
    SINGLE_HOST,
    Hosts,
    ProcessSpec,
    init_multihost,
    resolve_process,
)
from keras_lraspp.training.multihost_callbacks import (
    DividedValidation,
    NoJournal,
    SharedReport,
    SharedStop,
    by_the_first,
    shared_run_folder,
)
from keras_lraspp.training.setup import (
    Course,
    Recipe,
    Setup,
    open_sets,
    restore,
    set_up,
)
from keras_lraspp.training.validation import Validation


class TrainingCallbacks(NamedTuple):
    """The callbacks in the order that they are called in."""

    divergence: StopOnDivergence
    progress: Progress
    milestones: EvaluateAndCheckpoint
    report: TrainingReport


def make_callbacks(
    setup: Setup,
    checkpoints: CheckpointFolder,
    state: TrainingState,
    course: Course,
    stop: GracefulShutdown | SharedStop,
    hosts: Hosts = SINGLE_HOST,
) -> TrainingCallbacks:
    """Makes the callbacks of one training.

    Args:
        setup: What is trained, on what.
        checkpoints: In the run's folder, which gets everything else too.
        state: Where training stands.
        course: Intervals.
        stop: Says whether a signal came.
        hosts: The processes that train together; a `SharedStop` if several.
    """
    folder = checkpoints.folder.parent
    network, validation_set = setup.network, setup.validation_set
    iterations = setup.recipe.iterations
    journal = MetricLogger(folder, state.step) if hosts.is_main else NoJournal()
    progress = Progress(
        journal,
        iterations=iterations,
        batch_size=setup.batch_size,
        log_interval=course.log_interval,
        start_step=state.step,
        write=print if hosts.is_main else lambda line: None,
    )
    validated = (
        *(network, validation_set, journal, course.eval_batch_size, stop),
        setup.averages,
    )
    if hosts.is_multi:
        validation = DividedValidation(*validated, hosts)
    else:
        validation = Validation(*validated)
    best = BestModel(folder / BEST, validation_set, lambda: validation.confusion)
    best_ema = BestModel(
        folder / BEST_EMA, validation_set, lambda: validation.confusion_ema
    )
    save_best_ema = by_the_first(hosts, best_ema)

    def save_averages(*arguments) -> None:
        with setup.averages.in_place():  # on all processes
            save_best_ema(*arguments)

    milestones = EvaluateAndCheckpoint(
        Intervals(iterations, course.eval_interval, course.save_interval),
        state,
        checkpoints,
        evaluate=validation,
        save_best=by_the_first(hosts, best),
        save_best_ema=save_averages,
        patience=course.patience,
        stop=lambda: stop.received is not None,
        paused=progress.paused,
    )
    reported = folder, network, milestones, best, progress.paused
    return TrainingCallbacks(
        StopOnDivergence(start_step=state.step, on_diverged=checkpoints.discard_after),
        progress,
        milestones,
        SharedReport(hosts, *reported),
    )


class TrainingResult(NamedTuple):
    """What a training came to."""

    step: int  # steps done
    best_step: int
    best_miou: float | None  # in 0..1
    best_path: Path
    signal: int | None  # the signal that stopped it before its end
    first: bool = True  # whether this is the process that wrote the files
    best_ema_step: int = 0
    best_ema_miou: float | None = None  # of the averaged weights, if there are any


class Output(NamedTuple):
    """Where a training writes, and how; arguments of `train`, by their names."""

    output_dir: Path
    resume: bool
    keep: int
    operative_config: Callable[[], str] | None


def run_training(
    recipe: Recipe, course: Course, output: Output, place: ProcessSpec | None
) -> TrainingResult:
    """Trains; see `train`.

    Args:
        recipe: What is trained, and how.
        course: After how many steps what happens.
        output: Where it writes.
        place: Where this process stands among several; `None` if it is alone.
    """
    folder, keep, resume = output.output_dir, output.keep, output.resume
    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(init_multihost(place))
        shared = shared_run_folder(hosts, folder, keep=keep, resume=resume)
        checkpoints = stack.enter_context(shared)
        with hosts.raise_together():
            sets = open_sets(recipe, progress=hosts.is_main)
        setup = stack.enter_context(set_up(recipe, sets))
        say = print if hosts.is_main else lambda line: None
        with hosts.raise_together():
            state = TrainingState()
            if resume:
                state = restore(setup.network, checkpoints, say)
        batches = setup.batches(state.step, hosts)
        _write_what_runs(setup, output, hosts)

        stop = stack.enter_context(GracefulShutdown())
        if hosts.is_multi:
            stop = SharedStop(hosts, stop)
        callbacks = make_callbacks(setup, checkpoints, state, course, stop, hosts)
        called = [stop, *callbacks] if hosts.is_multi else [*callbacks]
        try:
            ended = _fit(setup, batches, callbacks.milestones, called)
            if ended:
                say(ended)
        except DivergedError:
            callbacks.report.finish()  # its curves show when
            raise
        callbacks.report.finish()
    return _result(callbacks, folder, stop, hosts)


def _result(
    callbacks: TrainingCallbacks,
    folder: Path,
    stop: GracefulShutdown | SharedStop,
    hosts: Hosts,
) -> TrainingResult:
    state = callbacks.milestones.state
    return TrainingResult(
        step=state.step,
        best_step=state.best_step,
        best_miou=state.best_miou,
        best_path=folder / BEST,
        signal=stop.received,
        first=hosts.is_main,
        best_ema_step=state.best_ema_step,
        best_ema_miou=state.best_ema_miou,
    )


def _write_what_runs(setup: Setup, output: Output, hosts: Hosts) -> None:
    """Checks that all processes run the same, and writes down what it is."""
    iterations, batch_size = setup.recipe.iterations, setup.batch_size
    lengths = {"iterations": iterations, "batch_size": batch_size}
    sets = setup.training_set, setup.validation_set
    hosts.check_same(images=len(sets[0]), seed=setup.recipe.seed, **lengths)
    notes = record_run(
        setup.network, *sets, **lengths, data_root=setup.recipe.data_root
    )
    with hosts.raise_together():
        if not hosts.is_main:
            return
        folder = output.output_dir
        if output.operative_config is not None:
            write_text(folder / "config.gin", output.operative_config())
        write_versions(folder / "versions.json")
        write_run_record(notes, folder / RUN_RECORD, resumed=output.resume)


def _fit(setup: Setup, batches, milestones: EvaluateAndCheckpoint, callbacks) -> str:
    """Trains to the end; returns why it came early, or nothing."""
    milestones.set_model(setup.network)
    milestones.catch_up()
    steps = setup.recipe.iterations - milestones.state.step
    if steps <= 0 or milestones.stop():  # a finished run, or stopped once more
        return ""
    if milestones.out_of_patience():
        return f"{_patience(milestones)}; raise train.patience to go on"
    setup.network.fit(
        batches,
        epochs=1,
        steps_per_epoch=steps,
        shuffle=False,  # the pipeline has its own order
        verbose=0,
        callbacks=callbacks,
    )
    early = milestones.state.step < setup.recipe.iterations
    return _patience(milestones) if early and milestones.out_of_patience() else ""


def _patience(milestones: EvaluateAndCheckpoint) -> str:
    state = milestones.state
    return (
        f"stopped after iteration {state.step}: no better mIoU in the last "
        f"{milestones.patience} evaluations, the best after iteration "
        f"{max(state.best_step, state.best_ema_step)} (train.patience)"
    )


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
    place = resolve_process(coordinator, processes, process)
    if dry_run:
        print_plan(recipe, course, keep, place)
        return None
    output = Output(Path(output_dir), resume, keep, operative_config)
    return run_training(recipe, course, output, place)
