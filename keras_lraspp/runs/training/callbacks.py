"""What goes on beside the steps of a training: log, evaluation, saving, report."""

from typing import NamedTuple

from keras_lraspp.runs.best_model import BEST, BEST_EMA, BestModel
from keras_lraspp.runs.training.host_callbacks import (
    DividedValidation,
    NoJournal,
    SharedReport,
    by_the_first,
)
from keras_lraspp.runs.training.hosts import SharedStop
from keras_lraspp.runs.training.report import TrainingReport
from keras_lraspp.runs.training.setup import Setup
from keras_lraspp.runs.training.validation import Validation
from keras_lraspp.training.checkpoints import CheckpointFolder, TrainingState
from keras_lraspp.training.hosts import ONE, Hosts
from keras_lraspp.training.journal import Journal
from keras_lraspp.training.milestones import Intervals, Milestones
from keras_lraspp.training.progress import Progress
from keras_lraspp.training.watchdogs import StopOnDivergence, StopSignal


class Course(NamedTuple):
    """After how many steps what happens; arguments of `train`, by their names."""

    eval_interval: int
    save_interval: int
    log_interval: int
    eval_batch_size: int  # images per evaluation step
    patience: int | None = None  # evaluations without a better mIoU


class TrainingCallbacks(NamedTuple):
    """The callbacks in the order that they are called in."""

    divergence: StopOnDivergence
    progress: Progress
    milestones: Milestones
    report: TrainingReport


def make_callbacks(
    setup: Setup,
    checkpoints: CheckpointFolder,
    state: TrainingState,
    course: Course,
    stop: StopSignal | SharedStop,
    hosts: Hosts = ONE,
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
    journal = Journal(folder, state.step) if hosts.first else NoJournal()
    progress = Progress(
        journal,
        iterations=iterations,
        batch_size=setup.batch_size,
        log_interval=course.log_interval,
        start_step=state.step,
        write=print if hosts.first else lambda line: None,
    )
    validated = (
        *(network, validation_set, journal, course.eval_batch_size, stop),
        setup.averages,
    )
    if hosts.several:
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

    milestones = Milestones(
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
