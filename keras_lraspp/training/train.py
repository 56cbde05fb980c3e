"""Training, told from top to bottom: data, network, resume, callbacks, fit, report."""

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import keras

from keras_lraspp.classes import compare_classes
from keras_lraspp.data.check import check_training_data
from keras_lraspp.data.dataset import SegmentationDataset, open_dataset
from keras_lraspp.data.pipeline import keep_freed_memory, training_batches
from keras_lraspp.data.pipeline_errors import input_errors
from keras_lraspp.devices import (
    all_devices,
    compute_deterministically,
    precision_policy,
)
from keras_lraspp.errors import DivergedError, InputError
from keras_lraspp.files import write_text
from keras_lraspp.run_dir.best_model import BEST, BEST_EMA, BestModel
from keras_lraspp.run_dir.folder import (
    CheckpointFolder,
    TrainingState,
    run_folder,
    write_versions,
)
from keras_lraspp.run_dir.log import CONFIG, MetricLogger
from keras_lraspp.run_dir.record import (
    RUN_RECORD,
    RunRecord,
    record_run,
    write_run_record,
)
from keras_lraspp.schema import Count, Index, Rate, Share, check_call
from keras_lraspp.training.callbacks import GracefulShutdown, Progress, StopOnDivergence
from keras_lraspp.training.dry_run import print_plan
from keras_lraspp.training.ema import BATCHES, WeightAverages
from keras_lraspp.training.multihost import (
    SINGLE_HOST,
    Hosts,
    init_multihost,
    resolve_process,
)
from keras_lraspp.training.optimizer import check_devices, freeze, optimizer_options
from keras_lraspp.training.setup import (
    check_crop,
    compile_network,
    make_network,
    restore_best,
    restore_checkpoint,
)
from keras_lraspp.training.user_callbacks import (
    CallbackSource,
    UserCallbacks,
    make_callbacks,
)
from keras_lraspp.training.validation import (
    EvaluateAndCheckpoint,
    Intervals,
    TrainingReport,
    Validation,
)


class TrainingResult(NamedTuple):
    """What a training came to."""

    step: int  # steps done
    best_step: int
    best_miou: float | None  # in 0..1
    best_path: Path
    signal: int | None  # the signal that stopped it before its end
    is_main: bool = True  # whether this is the process that wrote the files
    best_ema_step: int = 0
    best_ema_miou: float | None = None  # of the averaged weights, if there are any


@dataclasses.dataclass(kw_only=True)
class Training:
    """A training and its hyper-parameters; `run` trains.

    Configurations know it as `train`: a field here is a parameter there.

    Attributes:
        model: Called as `model(num_classes=...)`; for a data set of other channels than
            RGB with `input_shape=(None, None, channels)`, too.
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
        callbacks: Keras callbacks, or classes and functions that are called for one;
            see `UserCallbacks`. Their own state is not saved.
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
    """

    model: Callable[..., keras.Model]
    dataset: Callable[..., SegmentationDataset]
    transform: Callable[..., Callable]
    loss: Callable[..., keras.losses.Loss]
    optimizer: Callable[..., keras.optimizers.Optimizer]
    schedule: Callable[..., keras.optimizers.schedules.LearningRateSchedule]
    iterations: Count
    batch_size: Count
    learning_rate: Rate
    reference_batch: Count
    eval_interval: Count
    save_interval: Count
    output_dir: str | Path
    data_root: str | Path | None = None
    resume: bool = False
    precision: str = "float32"
    keep: Count = 3
    log_interval: Count = 10
    eval_batch_size: Count = 1
    seed: Index = 0
    ema_momentum: Share | None = None
    accumulation: Count = 1
    frozen: str | Sequence[str] = ()
    patience: Count | None = None
    callbacks: Sequence[CallbackSource] = ()
    deterministic: bool = False
    devices: Sequence[str] | None = None
    coordinator: str | None = None
    processes: Count | None = None
    process: Index | None = None
    corrupt: str = "fail"
    operative_config: Callable[[], str] | None = None
    dry_run: bool = False

    def __post_init__(self):
        """Checks types and ranges."""
        check_call("train", Training, vars(self))
        if isinstance(self.frozen, str):
            self.frozen = (self.frozen,)

    def run(self) -> TrainingResult | None:
        """Trains a model and keeps the one with the best validation mIoU.

        Into `output_dir` go `best.keras` (no optimizer), `report.html`,
        `checkpoints/`, `log.csv`, `config.gin`, `run.json`, `versions.json` and events
        for TensorBoard.

        Returns:
            What the training came to; `None` of a dry run.

        Raises:
            InputError: For bad data or configuration.
            StorageError: If `output_dir` cannot be written or is in use.
            DivergedError: If the loss is no longer finite.
        """
        keep_freed_memory()
        spec = resolve_process(self.coordinator, self.processes, self.process)
        if self.dry_run:
            print_plan(self, spec)
            return None
        folder = Path(self.output_dir)
        with contextlib.ExitStack() as stack:
            # --- Join the other processes; make and lock the output folder.
            hosts = stack.enter_context(init_multihost(spec))
            with hosts.raise_together():
                checkpoints = CheckpointFolder(folder / "checkpoints", self.keep)
                if hosts.is_main:
                    locked = run_folder(folder, checkpoints, resume=self.resume)
                    stack.enter_context(locked)

            # --- Open and check the data.
            with hosts.raise_together():
                training_set, validation_set = self.open_data(progress=hosts.is_main)

            # --- Build network, loss and optimizer; restore them.
            devices = stack.enter_context(self.compute_scope())
            network = self.build_network(training_set, devices)
            averages = self.build_averages(network, training_set)
            state = TrainingState()
            if self.resume:
                with hosts.raise_together():
                    state = restore_checkpoint(network, checkpoints, hosts)
                    state = restore_best(state, folder, hosts)
            batches = self.open_batches(
                network, training_set, devices, start_step=state.step, hosts=hosts
            )

            # --- Record what runs, which is the same on all processes.
            batch_size = self.batch_size * devices
            hosts.check_same(
                images=len(training_set),
                seed=self.seed,
                iterations=self.iterations,
                batch_size=batch_size,
            )
            record = record_run(
                network,
                training_set,
                validation_set,
                iterations=self.iterations,
                batch_size=batch_size,
                data_root=self.data_root,
            )
            with hosts.raise_together():
                if hosts.is_main:
                    self._write_record(folder, record)

            # --- Callbacks, in the order that they are called in.
            logger = None
            if hosts.is_main:
                logger = stack.enter_context(MetricLogger(folder, state.step))
            shutdown = GracefulShutdown(state.step, hosts)
            stack.enter_context(shutdown)
            divergence = StopOnDivergence(
                start_step=state.step, checkpoints=checkpoints, hosts=hosts
            )
            progress = Progress(
                logger,
                iterations=self.iterations,
                batch_size=batch_size,
                log_interval=self.log_interval,
                start_step=state.step,
            )
            stack.enter_context(progress)
            validation = Validation(
                network,
                validation_set,
                logger=logger,
                batch_size=self.eval_batch_size,
                shutdown=shutdown,
                averages=averages,
                hosts=hosts,
            )
            best = BestModel(folder / BEST, validation_set)
            checkpointer = EvaluateAndCheckpoint(
                Intervals(self.iterations, self.eval_interval, self.save_interval),
                state,
                checkpoints,
                evaluate=validation,
                save_best=best,
                save_best_ema=BestModel(folder / BEST_EMA, validation_set),
                averages=averages,
                patience=self.patience,
                stop=lambda: shutdown.received is not None,
                paused=progress.paused,
                hosts=hosts,
            )
            progress.best = lambda: checkpointer.state.best_miou
            report = TrainingReport(
                folder, network, checkpointer, best, paused=progress.paused, hosts=hosts
            )
            with hosts.raise_together():
                made = make_callbacks(self.callbacks) if hosts.is_main else ()
            theirs = UserCallbacks(
                made, checkpointer, paused=progress.paused, hosts=hosts
            )
            callbacks = [checkpointer.finished, shutdown, divergence, progress]
            callbacks += [checkpointer, *([theirs] if self.callbacks else ()), report]

            # --- Fit and report.
            try:
                self._fit(network, batches, checkpointer, callbacks, hosts)
            except DivergedError:
                report.finish()  # its curves show when
                raise
            except Exception as error:
                checkpointer.save_finished(error)
                raise
            if theirs.stopped:
                step = checkpointer.state.step
                hosts.print(f"stopped by a callback after iteration {step}")
            report.finish()

        state = checkpointer.state
        return TrainingResult(
            step=state.step,
            best_step=state.best_step,
            best_miou=state.best_miou,
            best_path=folder / BEST,
            signal=shutdown.received,
            is_main=hosts.is_main,
            best_ema_step=state.best_ema_step,
            best_ema_miou=state.best_ema_miou,
        )

    def _write_record(self, folder: Path, record: RunRecord) -> None:
        if self.operative_config is not None:
            write_text(folder / CONFIG, self.operative_config())
        write_versions(folder / "versions.json")
        write_run_record(record, folder / RUN_RECORD, resumed=self.resume)

    def open_data(
        self, *, progress: bool = True
    ) -> tuple[SegmentationDataset, SegmentationDataset]:
        """Lists and checks the training set and the validation set."""
        splits = (
            open_dataset(self.dataset, self.data_root, split)
            for split in ("train", "val")
        )
        return check_training_data(*splits, corrupt=self.corrupt, progress=progress)

    @contextlib.contextmanager
    def compute_scope(self) -> Iterator[int]:
        """Sets precision, determinism and devices, and yields the number of devices."""
        if self.deterministic:
            compute_deterministically()
        with (
            input_errors(),
            precision_policy(self.precision),
            all_devices(self.devices) as devices,
        ):
            yield devices

    def build_network(
        self, training_set: SegmentationDataset, devices: int
    ) -> keras.Model:
        """Builds and compiles the network, inside of `compute_scope`."""
        options = optimizer_options(self.ema_momentum, self.accumulation)
        keras.utils.set_random_seed(self.seed)
        network = make_network(self.model, training_set)
        known = getattr(network, "classes", None)  # of what it is fine-tuned from
        if known is not None:
            here = f"the data set {training_set.name}"
            compare_classes(known, training_set.classes, "the weights", here)
        freeze(network, self.frozen)
        schedule = self.build_schedule(devices)
        optimizer = self.optimizer(learning_rate=schedule, **options)
        check_devices(optimizer, devices)
        loss = self.loss(ignore_label=training_set.ignore_label)
        compile_network(network, loss, optimizer)
        return network

    def build_schedule(
        self, devices: int
    ) -> keras.optimizers.schedules.LearningRateSchedule:
        """Builds the learning rate schedule, scaled to the images of an update."""
        images = self.batch_size * devices * self.accumulation
        return self.schedule(
            learning_rate=self.learning_rate * images / self.reference_batch,
            iterations=self.iterations,
        )

    def build_averages(
        self, network: keras.Model, training_set: SegmentationDataset
    ) -> WeightAverages | None:
        """Makes the averages of the weights that the optimizer keeps, if it does."""
        if self.ema_momentum is None:
            return None
        # Of one device: so each process can look at them by itself.
        batches = training_batches(
            training_set,
            transform=self.transform(ignore_label=training_set.ignore_label),
            batch_size=self.batch_size,
            seed=self.seed,
        )
        images = batches.map(lambda images, _: images).take(BATCHES)
        return WeightAverages(network, images.as_numpy_iterator)

    def open_batches(
        self,
        network: keras.Model,
        training_set: SegmentationDataset,
        devices: int,
        start_step: int = 0,
        hosts: Hosts = SINGLE_HOST,
    ) -> Iterable:
        """Opens the training batches and checks their crop; see `training_batches`."""
        if hosts.is_multi and getattr(training_set, "hosts", 1) > 1:
            raise InputError(
                "With --processes each process takes its part of every batch by "
                "itself; leave out Shards.hosts and Shards.host."
            )
        batches = training_batches(
            training_set,
            transform=self.transform(ignore_label=training_set.ignore_label),
            batch_size=self.batch_size * devices,
            seed=self.seed,
            start_step=start_step,
            host=(hosts.index, hosts.count),
        )
        check_crop(network, *batches.element_spec[0].shape[1:3])
        return batches

    def _fit(
        self,
        network: keras.Model,
        batches: Iterable,
        checkpointer: EvaluateAndCheckpoint,
        callbacks: Sequence[keras.callbacks.Callback],
        hosts: Hosts,
    ) -> None:
        """Trains to the end; prints why it came early, if it did."""
        checkpointer.set_model(network)
        checkpointer.evaluate_if_missed()
        steps = self.iterations - checkpointer.state.step
        if steps <= 0 or checkpointer.stop():  # a finished run, or stopped once more
            return
        if checkpointer.out_of_patience():
            text = checkpointer.describe_end()
            hosts.print(f"{text}; raise train.patience to go on")
            return
        network.fit(
            batches,
            epochs=1,
            steps_per_epoch=steps,
            shuffle=False,  # the pipeline has its own order
            verbose=0,
            callbacks=callbacks,
        )
        if checkpointer.state.step < self.iterations and checkpointer.out_of_patience():
            hosts.print(checkpointer.describe_end())


def train(**parameters) -> TrainingResult | None:
    """Trains; takes the fields of `Training`, and does what its `run` does."""
    return Training(**parameters).run()


train.__signature__ = inspect.signature(Training)  # for gin and `help`
