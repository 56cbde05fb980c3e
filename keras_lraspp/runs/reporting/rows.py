"""What a report says, worked out from a run's files: facts, tables, curves."""

import math
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np

from keras_lraspp.classes import ClassSet
from keras_lraspp.reports.curves import Line, draw_curve
from keras_lraspp.reports.log import EMPTY, Series, smoothed, training_seconds
from keras_lraspp.reports.page import (
    Cell,
    ClassRow,
    Confusion,
    Curve,
    Fact,
    css_color,
    percent,
)
from keras_lraspp.reports.pictures import png_uri
from keras_lraspp.runs.best_model import BestScores
from keras_lraspp.runs.training.notes import RunNotes
from keras_lraspp.visualize import confusion_picture, row_shares

_MOST_CELLS = 40  # classes of a matrix that is a table; a picture above
_FEW = 40  # points that are marked one by one
_SMOOTHED = 10  # points of a loss that is worth smoothing

Log = Mapping[str, Series]


def facts(
    notes: RunNotes | None, best: BestScores | None, scores: dict | None, log: Log
) -> list[Fact]:
    """Returns the numbers at the head of the page.

    Args:
        notes: What the run noted; `None` if nothing.
        best: What the best model says; `None` if there is none yet.
        scores: Of `score_dictionary`; `None` if the model has no counts.
        log: See `read_log`.
    """
    rows = [] if best is None else _scores(best, scores)
    rates = log.get("images_per_second", EMPTY)
    if notes is not None and len(rates.values):
        time = _duration(training_seconds(rates, notes.batch_size))
        rows.append(Fact("training time", *time, "without evaluation"))
    if len(rates.values):
        speed = f"{np.median(rates.values):.3g}"
        batch = f"{notes.batch_size} images a step" if notes else ""
        rows.append(Fact("training speed", speed, "images/s", batch))
    if notes is not None:
        parameters = f"{notes.parameters:,} to train".replace(",", " ")
        rows.append(
            Fact("parameters", f"{notes.parameters / 1e6:.3g}", "M", parameters)
        )
    if notes is not None and notes.multiply_adds is not None:
        size = "for an image of {}×{}".format(*notes.image_size)
        rows.append(
            Fact("multiply-adds", f"{notes.multiply_adds / 1e9:.3g}", "G", size)
        )
    return rows


def _scores(best: BestScores, scores: dict | None) -> list[Fact]:
    interval = ""
    if scores is not None and None not in scores["miou_interval"]:
        low, high = map(percent, scores["miou_interval"])
        interval = f"95 % interval over images: {low} to {high}"
    rows = [
        Fact("best validation mIoU", percent(best.miou), "%", interval),
        Fact("best model", str(best.step), "steps", "its scores are on this page"),
    ]
    if scores is not None:
        third = "mean_accuracy" if "category_miou" not in scores else "category_miou"
        for key in ("pixel_accuracy", third):
            rows.append(
                Fact(*_MEANS[key][:1], percent(scores[key]), "%", _MEANS[key][1])
            )
    return rows


_MEANS = {
    "pixel_accuracy": ("pixel accuracy", "share of pixels with the right class"),
    "mean_accuracy": ("mean accuracy", "mean recall of the classes"),
    "category_miou": ("category mIoU", "over Cityscapes’ seven categories"),
}


def status(notes: RunNotes | None, log: Log) -> str:
    """Says when the run began and how far it has come."""
    step = _last_step(log)
    if notes is None:
        return f"step {step}"
    started = datetime.fromisoformat(notes.started).strftime("%d %B %Y, %H:%M")
    if step >= notes.iterations:
        return f"Started {started.lstrip('0')} · finished after {step} steps"
    return (
        f"Started {started.lstrip('0')} · at step {step} of {notes.iterations}: still "
        f"running, or stopped"
    )


def curves(log: Log, best: BestScores | None) -> list[Curve]:
    """Draws what the log has."""
    last = _last_step(log)
    found = []
    if "loss" in log:
        lines = [Line(log["loss"])]
        if len(log["loss"].values) >= _SMOOTHED:
            lines = [
                Line(log["loss"], "logged", faint=True),
                Line(smoothed(log["loss"]), "smoothed"),
            ]
        drawn = draw_curve("training loss", lines, last_step=last)
        found.append(Curve("Training loss", drawn))
    scores = [
        Line(_in_percent(log[key]), name, color, dots=len(log[key].values) <= _FEW)
        for key, name, color in _SCORES
        if key in log
    ]
    if scores:
        mark = best and (best.step, 100 * best.miou)
        title, note = "Validation scores", "In percent; the ring is the best model."
        drawn = draw_curve("validation scores", scores, last_step=last, mark=mark)
        found.append(Curve(title, drawn, note))
    for key, title in _OTHERS:
        if key in log:
            drawn = draw_curve(title, [Line(log[key])], last_step=last)
            found.append(Curve(title, drawn))
    return found


def _last_step(log: Log) -> int:
    return int(max((series.steps[-1] for series in log.values()), default=0))


_SCORES = (
    ("miou", "mIoU", "first"),
    ("pixel_accuracy", "pixel accuracy", "second"),
    ("miou_ema", "mIoU of averaged weights", "third"),
)
_OTHERS = (
    ("learning_rate", "Learning rate"),
    ("images_per_second", "Training speed, images per second"),
)


def class_rows(classes: ClassSet, counts: np.ndarray, scores: dict) -> list[ClassRow]:
    """Returns the table of classes, in the classes' order."""
    pixels = counts.sum()
    shares = counts.sum(1) / pixels if pixels else np.full(len(counts), math.nan)
    return [
        ClassRow(
            name,
            css_color(color),
            None if math.isnan(share) else float(share),
            *(scores[f"class_{key}"][name] for key in ("iou", "precision", "recall")),
        )
        for name, color, share in zip(
            classes.names, classes.palette, shares, strict=True
        )
    ]


def confusion_rows(classes: ClassSet, counts: np.ndarray) -> Confusion:
    """Returns the confusion matrix: a table, or a picture of very many classes."""
    if len(classes.names) > _MOST_CELLS:
        return Confusion([], png_uri(confusion_picture(counts, classes.names)))
    rows = []
    for truth, shares in zip(classes.names, row_shares(counts), strict=True):
        cells = []
        for guess, share in zip(classes.names, shares, strict=True):
            words = f"{truth} taken for {guess}: {percent(share)} %"
            if guess == truth:
                words = f"{truth} found: {percent(share)} %"
            missing = math.isnan(share)
            cells.append(Cell(None, "") if missing else Cell(float(share), words))
        rows.append(cells)
    return Confusion(rows)


def commands(folder: Path, notes: RunNotes | None) -> list[tuple[str, str]]:
    """Returns what to type to go on from the run; nothing if it has no `config.gin`."""
    config = folder / "config.gin"
    if not config.is_file():
        return []
    same = f"--gin_file={shlex.quote(str(config))}"
    weights = f"{same} --weights={shlex.quote(str(folder / 'best.keras'))}"
    given = notes.data_root if notes else None
    root = f" --data_root={shlex.quote(given)}" if given else ""
    output = f"--output_dir={shlex.quote(str(folder))}"
    pictures = f"--output_dir={shlex.quote(str(folder / 'predictions'))}"
    return [
        ("Evaluate the best model", f"keras-lraspp evaluate {weights}{root}"),
        (
            "Segment images with it",
            f"keras-lraspp predict {weights} --input=IMAGE_OR_FOLDER {pictures}",
        ),
        (
            "Go on training after a stop",
            f"keras-lraspp train {same}{root} {output} --resume",
        ),
        (
            "Make this page again",
            f"keras-lraspp report --run={shlex.quote(str(folder))}",
        ),
    ]


def _in_percent(series: Series) -> Series:
    return Series(series.steps, 100 * series.values)


def _duration(seconds: float) -> tuple[str, str]:
    """Returns a number and its unit."""
    if seconds < 60:
        return f"{seconds:.0f}", "s"
    if seconds < 3600:
        return f"{seconds / 60:.1f}", "min"
    return f"{seconds / 3600:.1f}", "h"
