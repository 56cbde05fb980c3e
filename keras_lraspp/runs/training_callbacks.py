"""What goes on beside the steps of a training: log, evaluation, saving, report."""

from typing import NamedTuple

import keras

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.runs.best_model import BEST, BestModel
from keras_lraspp.runs.host_callbacks import (
    DividedValidation,
    NoJournal,
    SharedReport,
    by_the_first,
)
from keras_lraspp.runs.hosts import SharedStop
from keras_lraspp.runs.training_report import TrainingReport
from keras_lraspp.runs.validation import Validation
from keras_lraspp.training.checkpoints import CheckpointFolder, TrainingState
from keras_lraspp.training.hosts import ONE, Hosts
from keras_lraspp.training.journal import Journal
from keras_lraspp.training.milestones import Intervals, Milestones
from keras_lraspp.training.progress import Progress
from keras_lraspp.training.watchdogs import StopOnDivergence, StopSignal


class Course(NamedTuple):
    """How long a training is, and after how many steps what happens."""

    iterations: int
    batch_size: int  # images per step, over all devices
    eval_interval: int
    save_interval: int
    log_interval: int
    eval_batch_size: int  # images per evaluation step


class TrainingCallbacks(NamedTuple):
    """The callbacks in the order that they are called in."""

    divergence: StopOnDivergence
    progress: Progress
    milestones: Milestones
    report: TrainingReport


def make_callbacks(
    network: keras.Model,
    validation_set: Dataset,
    checkpoints: CheckpointFolder,
    state: TrainingState,
    course: Course,
    stop: StopSignal | SharedStop,
    hosts: Hosts = ONE,
) -> TrainingCallbacks:
    """Makes the callbacks of one training.

    Args:
        network: The model in training.
        validation_set: What it is evaluated on.
        checkpoints: In the run's folder, which gets everything else too.
        state: Where training stands.
        course: Lengths and intervals.
        stop: Says whether a signal came.
        hosts: The processes that train together; a `SharedStop` if several.
    """
    folder = checkpoints.folder.parent
    journal = Journal(folder, state.step) if hosts.first else NoJournal()
    progress = Progress(
        journal,
        iterations=course.iterations,
        batch_size=course.batch_size,
        log_interval=course.log_interval,
        start_step=state.step,
        write=print if hosts.first else lambda line: None,
    )
    validated = network, validation_set, journal, course.eval_batch_size, stop
    if hosts.several:
        validation = DividedValidation(*validated, hosts)
    else:
        validation = Validation(*validated)
    best = BestModel(folder / BEST, validation_set, lambda: validation.confusion)
    milestones = Milestones(
        Intervals(course.iterations, course.eval_interval, course.save_interval),
        state,
        checkpoints,
        evaluate=validation,
        save_best=by_the_first(hosts, best),
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
