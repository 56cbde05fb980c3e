"""The page of a training: `report.html`, made from what is in the run's folder."""

import json
import math
import shlex
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import keras
import numpy as np

import keras_lraspp
from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.scores import score_dictionary
from keras_lraspp.files import write_text
from keras_lraspp.inference.functions import LabelFunction, label_function
from keras_lraspp.models.keras_file import load_weights, read_arguments
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.report.curves import Line, draw_curve
from keras_lraspp.report.examples import Examples, find_examples
from keras_lraspp.report.page import (
    Cell,
    ClassRow,
    Confusion,
    Curve,
    Fact,
    Page,
    Swatch,
    css_color,
    percent,
    png_uri,
    render_page,
)
from keras_lraspp.run_dir.best_model import BEST, BestScores, read_best
from keras_lraspp.run_dir.log import EMPTY, Series, read_log, smoothed, training_seconds
from keras_lraspp.run_dir.record import RUN_RECORD, RunRecord, read_run_record
from keras_lraspp.visualize import confusion_picture, row_shares
from keras_lraspp.weights.keras_archive import read_keras_archive

_MOST_CELLS = 40  # classes of a matrix that is a table; a picture above
_FEW = 40  # points that are marked one by one
_SMOOTHED = 10  # points of a loss that is worth smoothing

Log = Mapping[str, Series]


def facts(
    notes: RunRecord | None, best: BestScores | None, scores: dict | None, log: Log
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


def status(notes: RunRecord | None, log: Log) -> str:
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


def commands(folder: Path, notes: RunRecord | None) -> list[tuple[str, str]]:
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


REPORT = "report.html"


def report(
    *,
    run: str | Path,
    data_root: str | Path | None = None,
    model: Callable[..., keras.Model] | None = None,
) -> Path:
    """Makes the page of a run that is over, was killed, or still goes on.

    It is made from the files in the folder; the images it shows are read from the data
    set. If they are gone, the page is made without them and says so.

    Args:
        run: The folder that the training wrote to.
        data_root: Folder of the data set, if it was moved since.
        model: Called as `model(num_classes=...)`; `None` for the `LRASPP` that
            `best.keras` names.

    Returns:
        The page.

    Raises:
        InputError: If the folder holds no training, or its best model is damaged.
        StorageError: If the page cannot be written.
    """
    folder = Path(run)
    if not any((folder / name).is_file() for name in (BEST, "log.csv")):
        raise InputError(
            f"{folder} holds no training: there is neither {BEST} nor log.csv; give "
            f"the --output_dir of one."
        )

    def predict() -> LabelFunction:
        return label_function(_load(folder / BEST, model))

    return write_report(folder, find_examples(folder, predict, data_root))


def write_report(folder: Path, examples: Examples) -> Path:
    """Writes the page crash-safely.

    Args:
        folder: Of the run.
        examples: See `find_examples`.

    Raises:
        InputError: If `best.keras` is damaged.
        StorageError: If it cannot be written.
    """
    notes, best = read_run_record(folder / RUN_RECORD), read_best(folder / BEST)
    log = read_log(folder / "log.csv")
    scores = counted = None
    if best is not None and best.confusion is not None:
        counted = best.classes, best.confusion.counts
        scores = score_dictionary(best.confusion, best.classes, "omit")
    page = Page(
        title=folder.absolute().name,
        subtitle=_subtitle(folder, notes, best),
        status=status(notes, log),
        facts=facts(notes, best, scores, log),
        curves=curves(log, best),
        classes=class_rows(*counted, scores) if counted else [],
        confusion=confusion_rows(*counted) if counted else None,
        best=examples.best,
        worst=examples.worst,
        legend=_legend(best, examples),
        notes=[examples.missing] if examples.missing else [],
        commands=commands(folder, notes),
        config=_text(folder / "config.gin"),
        versions=_versions(folder / "versions.json"),
        footer=f"Made on {datetime.now():%d %B %Y, %H:%M} by keras-lraspp "
        f"{keras_lraspp.__version__}.",
    )
    write_text(folder / REPORT, render_page(page))
    return folder / REPORT


def _load(path: Path, model: Callable[..., keras.Model] | None) -> keras.Model:
    if model is None:
        return LRASPP.from_preset(path)
    network = model(num_classes=len(read_best(path).classes.names))
    load_weights(network, path)
    return network


def _subtitle(folder: Path, notes: RunRecord | None, best: BestScores | None) -> str:
    parts = []
    try:
        arguments = read_arguments(read_keras_archive(folder / BEST))
        parts.append(
            f"LR-ASPP on MobileNetV3 {arguments['backbone']}, width "
            f"{arguments['width']:g}, output stride {arguments['output_stride']}, "
            f"{arguments['pooling'].replace('_', ' ')} pooling"
        )
    except InputError:
        pass  # somebody's own network, or none yet
    if notes is not None:
        parts.append(
            f"{notes.validation.name}: {notes.training_images} images to train on, "
            f"{len(notes.validation)} to validate"
        )
    if best is not None:
        parts.append(f"{len(best.classes.names)} classes")
    return " · ".join(parts)


def _legend(best: BestScores | None, examples: Examples) -> list[Swatch]:
    if best is None:
        return []
    names, palette = best.classes
    return [Swatch(names[i], css_color(palette[i])) for i in sorted(examples.present)]


def _versions(path: Path) -> list[tuple[str, str]]:
    try:
        found = json.loads(_text(path))
        packages = found.pop("packages")
        return [(name, str(value)) for name, value in {**found, **packages}.items()]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
