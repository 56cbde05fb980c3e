"""Build `report.html` of a training run from the files in its folder."""

import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

import keras_lraspp
from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.scores import score_dictionary
from keras_lraspp.files import read_regular, write_text
from keras_lraspp.inference.functions import LabelFunction, label_function
from keras_lraspp.models.keras_file import (
    load_weights,
    read_arguments,
)
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.palettes import picture_palette
from keras_lraspp.report.curves import Line, draw_curve
from keras_lraspp.report.examples import Examples, find_examples
from keras_lraspp.report.page import (
    ClassRow,
    ConfusionCell,
    ConfusionTable,
    Curve,
    KeyFigure,
    LegendEntry,
    Page,
    css_color,
    data_uri,
    percent,
    render_page,
)
from keras_lraspp.run_dir.best_model import BEST, BestScores, read_best
from keras_lraspp.run_dir.log import (
    CONFIG,
    EMPTY_SERIES,
    Series,
    read_log,
    smooth,
    training_seconds,
)
from keras_lraspp.run_dir.record import RUN_RECORD, RunRecord, read_run_record
from keras_lraspp.schema import LARGEST_TEXT, read_json
from keras_lraspp.visualize import confusion_picture, row_shares
from keras_lraspp.weights.keras_archive import read_keras_archive

_REPORT = "report.html"
_MOST_CELLS = 40  # classes of a matrix that is a table; a picture above
_MOST_DOTS = 40  # points that are marked one by one
_FEWEST_SMOOTHED = 10  # points of a loss that is worth smoothing

# Columns of the log: key, name in the legend, colour.
_SCORES = (
    ("miou", "mIoU", "first"),
    ("pixel_accuracy", "pixel accuracy", "second"),
    ("miou_ema", "mIoU of averaged weights", "third"),
)
_OTHER_CURVES = (
    ("learning_rate", "Learning rate"),
    ("images_per_second", "Training speed, images per second"),
)
_MEANS = {
    "pixel_accuracy": ("pixel accuracy", "share of pixels with the right class"),
    "mean_accuracy": ("mean accuracy", "mean recall of the classes"),
    "category_miou": ("category mIoU", "over Cityscapes’ seven categories"),
}

Log = Mapping[str, Series]  # see `read_log`


def report(
    *,
    run: str | Path,
    data_root: str | Path | None = None,
    model: Callable[..., keras.Model] | None = None,
) -> Path:
    """Writes the report of a run that is over, was killed, or still goes on.

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
    check_run_folder(folder)
    load_predictor = partial(load_best, folder, model)
    return write_report(folder, find_examples(folder, load_predictor, data_root))


def check_run_folder(folder: Path) -> None:
    """Raises `InputError` if a folder holds no training."""
    if not any((folder / name).is_file() for name in (BEST, "log.csv")):
        raise InputError(
            f"{folder} holds no training: there is neither {BEST} nor log.csv; give "
            f"the --output_dir of one."
        )


def load_best(folder: Path, model: Callable[..., keras.Model] | None) -> LabelFunction:
    """Loads the best model of a run; see `report` for `model`."""
    path = folder / BEST
    if model is None:
        return label_function(LRASPP.from_preset(path))
    network = model(num_classes=len(read_best(path).classes.names))
    load_weights(network, path)
    return label_function(network)


class RunFiles(NamedTuple):
    """What the folder of a run says of it."""

    folder: Path
    record: RunRecord | None
    best: BestScores | None
    log: Log
    scores: dict | None  # of the best model, see `score_dictionary`


def read_run(folder: Path) -> RunFiles:
    """Reads the files of a run, as far as there are any."""
    record, best = read_run_record(folder / RUN_RECORD), read_best(folder / BEST)
    scores = None
    if best is not None and best.confusion is not None:
        scores = score_dictionary(best.confusion, best.classes, "omit")
    return RunFiles(folder, record, best, read_log(folder / "log.csv"), scores)


def write_report(folder: Path, examples: Examples) -> Path:
    """Writes `report.html` into a run's folder, crash-safely."""
    run = read_run(folder)
    best, classes, confusion = run.best, [], None
    if best is not None and run.scores is not None:
        classes = _class_rows(best.classes, best.confusion.counts, run.scores)
        confusion = _confusion_table(best.classes, best.confusion.counts)
    page = Page(
        title=folder.absolute().name,
        subtitle=describe_run(run),
        status=_status(run.record, run.log),
        key_figures=key_figures(run),
        curves=_curves(run.log, best),
        classes=classes,
        confusion=confusion,
        best=examples.best,
        worst=examples.worst,
        legend_rows=legend_rows(best, examples.present),
        missing=examples.missing,
        commands=_commands(folder, run.record),
        config=read_config(folder),
        versions=[*read_versions(folder).items()],
        footer=page_footer(),
    )
    write_text(folder / _REPORT, render_page(page))
    return folder / _REPORT


def page_footer() -> str:
    """Says when and by what a page was made."""
    return (
        f"Made on {datetime.now():%d %B %Y, %H:%M} by keras-lraspp "
        f"{keras_lraspp.__version__}."
    )


def describe_run(run: RunFiles) -> str:
    """Names the network, the data set and the number of classes."""
    folder, record, best = run.folder, run.record, run.best
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
    if record is not None:
        parts.append(
            f"{record.validation.name}: {record.training_images} images to train on, "
            f"{len(record.validation)} to validate"
        )
    if best is not None:
        parts.append(f"{len(best.classes.names)} classes")
    return " · ".join(parts)


def _status(record: RunRecord | None, log: Log) -> str:
    """Says when the run began and how far it has come."""
    step = _last_step(log)
    if record is None:
        return f"step {step}"
    started = datetime.fromisoformat(record.started).strftime("%d %B %Y, %H:%M")
    progress = f"finished after {step} steps"
    if step < record.iterations:
        progress = f"at step {step} of {record.iterations}: still running, or stopped"
    return f"Started {started.lstrip('0')} · {progress}"


def _last_step(log: Log) -> int:
    return int(max((series.steps[-1] for series in log.values()), default=0))


def key_figures(run: RunFiles) -> list[KeyFigure]:
    """Returns the numbers at the head of the page, as far as they are known."""
    figures = [] if run.best is None else _score_figures(run.best, run.scores)
    record = run.record
    speeds = run.log.get("images_per_second", EMPTY_SERIES)
    if record is not None and len(speeds.values):
        time = _duration(training_seconds(speeds, record.batch_size))
        figures.append(KeyFigure("training time", *time, "without evaluation"))
    if len(speeds.values):
        speed = f"{np.median(speeds.values):.3g}"
        batch = f"{record.batch_size} images a step" if record else ""
        figures.append(KeyFigure("training speed", speed, "images/s", batch))
    if record is not None:
        number = f"{record.parameters:,} to train".replace(",", " ")
        millions = f"{record.parameters / 1e6:.3g}"
        figures.append(KeyFigure("parameters", millions, "M", number))
    if record is not None and record.multiply_adds is not None:
        size = "for an image of {}×{}".format(*record.image_size)
        billions = f"{record.multiply_adds / 1e9:.3g}"
        figures.append(KeyFigure("multiply-adds", billions, "G", size))
    return figures


def _score_figures(best: BestScores, scores: dict | None) -> list[KeyFigure]:
    interval = ""
    if scores is not None and None not in scores["miou_interval"]:
        low, high = map(percent, scores["miou_interval"])
        interval = f"95 % interval over images: {low} to {high}"
    figures = [
        KeyFigure("best validation mIoU", percent(best.miou), "%", interval),
        KeyFigure("best model", str(best.step), "steps", "its scores are on this page"),
    ]
    if scores is not None:
        third = "category_miou" if "category_miou" in scores else "mean_accuracy"
        for key in ("pixel_accuracy", third):
            title, explanation = _MEANS[key]
            figures.append(KeyFigure(title, percent(scores[key]), "%", explanation))
    return figures


def _duration(seconds: float) -> tuple[str, str]:
    """Returns a number and its unit."""
    if seconds < 60:
        return f"{seconds:.0f}", "s"
    if seconds < 3600:
        return f"{seconds / 60:.1f}", "min"
    return f"{seconds / 3600:.1f}", "h"


def _curves(log: Log, best: BestScores | None) -> list[Curve]:
    """Draws the columns of the log."""
    last = _last_step(log)
    curves = []
    if "loss" in log:
        lines = [Line(log["loss"])]
        if len(log["loss"].values) >= _FEWEST_SMOOTHED:
            lines = [
                Line(log["loss"], "logged", faint=True),
                Line(smooth(log["loss"]), "smoothed"),
            ]
        svg = draw_curve("training loss", lines, last_step=last)
        curves.append(Curve("Training loss", svg))
    lines = []
    for key, name, color in _SCORES:
        if key in log:
            in_percent = Series(log[key].steps, 100 * log[key].values)
            dots = len(in_percent.values) <= _MOST_DOTS
            lines.append(Line(in_percent, name, color, dots=dots))
    if lines:
        ring = best and (best.step, 100 * best.miou)
        svg = draw_curve("validation scores", lines, last_step=last, mark=ring)
        caption = "In percent; the ring is the best model."
        curves.append(Curve("Validation scores", svg, caption))
    for key, title in _OTHER_CURVES:
        if key in log:
            svg = draw_curve(title, [Line(log[key])], last_step=last)
            curves.append(Curve(title, svg))
    return curves


def _class_rows(classes: ClassSet, counts: np.ndarray, scores: dict) -> list[ClassRow]:
    """Returns the table of classes, in the classes' order."""
    pixels = counts.sum()
    shares = counts.sum(1) / pixels if pixels else np.full(len(counts), math.nan)
    rows, palette = [], picture_palette(classes)
    for name, color, share in zip(classes.names, palette, shares, strict=True):
        row = ClassRow(
            name=name,
            color=css_color(color),
            share=None if math.isnan(share) else float(share),
            iou=scores["class_iou"][name],
            precision=scores["class_precision"][name],
            recall=scores["class_recall"][name],
        )
        rows.append(row)
    return rows


def _confusion_table(classes: ClassSet, counts: np.ndarray) -> ConfusionTable:
    """Returns the confusion matrix: a table, or a picture of very many classes."""
    if len(classes.names) > _MOST_CELLS:
        picture = confusion_picture(counts, classes.names)
        return ConfusionTable([], data_uri(picture, "png"))
    rows = []
    for truth, shares in zip(classes.names, row_shares(counts), strict=True):
        cells = []
        for guess, share in zip(classes.names, shares, strict=True):
            if math.isnan(share):
                cells.append(ConfusionCell(None, ""))
                continue
            verb = "found" if guess == truth else f"taken for {guess}"
            text = f"{truth} {verb}: {percent(share)} %"
            cells.append(ConfusionCell(float(share), text))
        rows.append(cells)
    return ConfusionTable(rows)


def legend_rows(best: BestScores | None, present: Iterable[int]) -> list[LegendEntry]:
    """Names the classes that are in the pictures."""
    if best is None:
        return []
    names, palette = best.classes.names, picture_palette(best.classes)
    labels = sorted(present)
    return [LegendEntry(names[i], css_color(palette[i])) for i in labels]


def _commands(folder: Path, record: RunRecord | None) -> list[tuple[str, str]]:
    """Returns what to type to go on from the run; nothing if it has no `config.gin`."""
    config = folder / CONFIG
    if not config.is_file():
        return []
    best, pictures = folder / BEST, folder / "predictions"
    config, best, pictures, run = (
        shlex.quote(str(path)) for path in (config, best, pictures, folder)
    )
    data_root = record.data_root if record else None
    root = f" --data_root={shlex.quote(data_root)}" if data_root else ""
    evaluate = f"evaluate --gin_file={config} --weights={best}{root}"
    predict = f"predict IMAGE_OR_FOLDER --weights={best}"
    resume = f"train --gin_file={config}{root} --output_dir={run} --resume"
    return [
        ("Evaluate the best model", f"keras-lraspp {evaluate}"),
        ("Segment images with it", f"keras-lraspp {predict} --output_dir={pictures}"),
        ("Go on training after a stop", f"keras-lraspp {resume}"),
        ("Make this page again", f"keras-lraspp report --output_dir={run}"),
    ]


class _Versions(NamedTuple):
    """Schema of `versions.json`, see `write_versions`."""

    backend: str
    python: str
    machine: str
    packages: dict[str, str]


def read_versions(folder: Path) -> dict[str, str]:
    """Returns what the run was made with; nothing if that is not known."""
    path = folder / "versions.json"
    try:
        versions = read_json(path, _Versions, mend="delete the file")
    except InputError:
        return {}
    named = {key: text for key, text in versions._asdict().items() if key != "packages"}
    return named | versions.packages


def read_config(folder: Path) -> str:
    """Returns the text of `config.gin`, empty if there is none."""
    try:
        return read_regular(folder / CONFIG, LARGEST_TEXT).decode(errors="replace")
    except (OSError, InputError):
        return ""
