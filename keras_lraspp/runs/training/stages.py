"""The stages of a training, from a recipe to the best model on disk."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.errors import DivergedError
from keras_lraspp.files import write_text
from keras_lraspp.runs.best_model import BEST
from keras_lraspp.runs.run_folder import write_versions
from keras_lraspp.runs.training.callbacks import (
    Course,
    TrainingCallbacks,
    make_callbacks,
)
from keras_lraspp.runs.training.hosts import SharedStop, shared_run_folder
from keras_lraspp.runs.training.notes import NOTES, note_run, write_notes
from keras_lraspp.runs.training.recipe import Recipe
from keras_lraspp.runs.training.restoring import restore
from keras_lraspp.runs.training.setup import Setup, open_sets, set_up
from keras_lraspp.training.checkpoints import TrainingState
from keras_lraspp.training.cluster import Place
from keras_lraspp.training.hosts import Hosts
from keras_lraspp.training.joining import several_hosts
from keras_lraspp.training.milestones import Milestones
from keras_lraspp.training.watchdogs import StopSignal


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
    recipe: Recipe, course: Course, output: Output, place: Place | None
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
        hosts = stack.enter_context(several_hosts(place))
        shared = shared_run_folder(hosts, folder, keep=keep, resume=resume)
        checkpoints = stack.enter_context(shared)
        with hosts.together():
            sets = open_sets(recipe, progress=hosts.first)
        setup = stack.enter_context(set_up(recipe, sets))
        say = print if hosts.first else lambda line: None
        with hosts.together():
            state = TrainingState()
            if resume:
                state = restore(setup.network, checkpoints, say)
        batches = setup.batches(state.step, hosts)
        _write_what_runs(setup, output, hosts)

        stop = stack.enter_context(StopSignal())
        if hosts.several:
            stop = SharedStop(hosts, stop)
        callbacks = make_callbacks(setup, checkpoints, state, course, stop, hosts)
        called = [stop, *callbacks] if hosts.several else [*callbacks]
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
    stop: StopSignal | SharedStop,
    hosts: Hosts,
) -> TrainingResult:
    state = callbacks.milestones.state
    return TrainingResult(
        step=state.step,
        best_step=state.best_step,
        best_miou=state.best_miou,
        best_path=folder / BEST,
        signal=stop.received,
        first=hosts.first,
        best_ema_step=state.best_ema_step,
        best_ema_miou=state.best_ema_miou,
    )


def _write_what_runs(setup: Setup, output: Output, hosts: Hosts) -> None:
    """Checks that all processes run the same, and writes down what it is."""
    iterations, batch_size = setup.recipe.iterations, setup.batch_size
    lengths = {"iterations": iterations, "batch_size": batch_size}
    sets = setup.training_set, setup.validation_set
    hosts.check_same(images=len(sets[0]), seed=setup.recipe.seed, **lengths)
    notes = note_run(setup.network, *sets, **lengths, data_root=setup.recipe.data_root)
    with hosts.together():
        if not hosts.first:
            return
        folder = output.output_dir
        if output.operative_config is not None:
            write_text(folder / "config.gin", output.operative_config())
        write_versions(folder / "versions.json")
        write_notes(notes, folder / NOTES, resumed=output.resume)


def _fit(setup: Setup, batches, milestones: Milestones, callbacks) -> str:
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


def _patience(milestones: Milestones) -> str:
    state = milestones.state
    return (
        f"stopped after iteration {state.step}: no better mIoU in the last "
        f"{milestones.patience} evaluations, the best after iteration "
        f"{max(state.best_step, state.best_ema_step)} (train.patience)"
    )
