"""Build the page that compares two training runs, from the files in their folders."""

import math
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.scores import comparison_scores
from keras_lraspp.files import write_text
from keras_lraspp.inference.functions import LabelFunction
from keras_lraspp.palettes import picture_palette
from keras_lraspp.report.build import (
    RunFiles,
    check_run_folder,
    describe_run,
    key_figures,
    legend_rows,
    load_best,
    page_footer,
    read_config,
    read_run,
    read_versions,
)
from keras_lraspp.report.curves import Line, draw_curve
from keras_lraspp.report.examples import (
    Examples,
    draw_examples,
    image_ious,
    image_mious,
    image_name,
    open_validation_set,
    wrong_shares,
)
from keras_lraspp.report.page import (
    Curve,
    Example,
    LegendEntry,
    css_color,
    percent,
    points,
    render_page,
)
from keras_lraspp.run_dir.best_model import BEST
from keras_lraspp.run_dir.log import CONFIG, Series, smooth
from keras_lraspp.run_dir.settings import read_settings

_MOST_SHOWN = 4  # images in which one of the runs is better
_MOST_NAMED = 3  # classes that changed most in an image
_MOST_DOTS = 40  # points of a curve that are marked one by one
_CURVES = (  # key in the log, title, factor
    ("loss", "Training loss, smoothed", 1),
    ("miou", "Validation mIoU, percent", 100),
    ("pixel_accuracy", "Validation pixel accuracy, percent", 100),
    ("learning_rate", "Learning rate", 1),
    ("images_per_second", "Training speed, images per second", 1),
)
_DOTTED = {"miou", "pixel_accuracy"}  # there may be few
_TEMPLATE = "comparison.html.j2"


class ComparedClass(NamedTuple):
    """A class in the table of two runs; IoU in 0..1, `None` where it is absent."""

    name: str
    color: str  # as CSS writes it
    ours: float | None
    theirs: float | None
    difference: float | None  # ours less theirs
    interval: tuple[float, float] | None  # of 95 %

    @property
    def size(self) -> float | None:
        """How large the difference is, in either direction."""
        return None if self.difference is None else abs(self.difference)

    @property
    def is_sure(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval is not None and (
            self.interval[0] > 0 or self.interval[1] < 0
        )


class Fact(NamedTuple):
    """Something that is said of both runs."""

    title: str
    ours: str
    theirs: str


class ComparisonPage(NamedTuple):
    """All that is on the page of two runs; texts are plain and get escaped."""

    title: str
    names: tuple[str, str]
    descriptions: tuple[str, str]
    difference: str  # of the mIoU, in points
    interval: str
    verdict: str
    facts: list[Fact]
    curves: list[Curve]
    classes: list[ComparedClass]
    limit: float  # what the axis of the differences ends at, 0..1
    better: list[Example]  # images in which the first run is better
    worse: list[Example]
    legend_rows: list[LegendEntry]
    missing: str  # why there are no pictures; empty if there are
    settings: list[Fact]  # those that differ
    settings_note: str
    versions: list[Fact]  # those that differ
    commands: list[tuple[str, str]]
    footer: str


def compare_runs(
    *,
    run: str | Path,
    other: str | Path,
    data_root: str | Path | None = None,
    model: Callable[..., keras.Model] | None = None,
) -> Path:
    """Writes the page that compares the best models of two runs.

    Nothing is evaluated again: the counts are those in the `best.keras` of each, which
    must be of the same images, labels and classes.

    Args:
        run: Folder of the first run, which gets the page.
        other: Folder of the second.
        data_root: As of `report`.
        model: As of `report`, for both.

    Returns:
        The page, `comparison_<name of the other folder>.html`.

    Raises:
        InputError: If there is no scored training, or they do not belong together.
        StorageError: If the page cannot be written.
    """
    folders = Path(run), Path(other)
    if os.path.realpath(folders[0]) == os.path.realpath(folders[1]):
        raise InputError(f"{run} is compared with itself; give two folders.")
    ours, theirs = (_read_scored_run(folder) for folder in folders)
    check_comparable(ours, theirs)
    page = _page(ours, theirs, data_root, model)
    path = folders[0] / f"comparison_{page.names[1].rpartition('/')[2]}.html"
    write_text(path, render_page(page, _TEMPLATE))
    return path


def _read_scored_run(folder: Path) -> RunFiles:
    check_run_folder(folder)
    run = read_run(folder)
    if run.best is None or run.best.confusion is None:
        raise InputError(
            f"{folder} has no scores to compare: there is no {BEST} with the counts of "
            f"an evaluation; wait for the first evaluation, or compare the models with "
            f"`keras-lraspp evaluate --compare`."
        )
    if run.record is None:
        raise InputError(
            f"{folder} does not say which images it was scored on: run.json is missing "
            f"or damaged; compare the models with `keras-lraspp evaluate --compare`."
        )
    if len(run.best.confusion.areas) != len(run.record.validation):
        raise InputError(
            f"The best model of {folder} was scored on other validation images than "
            f"those of its last start; evaluate it with `keras-lraspp evaluate`."
        )
    return run


def check_comparable(ours: RunFiles, theirs: RunFiles) -> None:
    """Raises `InputError` unless two runs have the same images, labels and classes."""
    one, two = ours.record.validation, theirs.record.validation

    def refuse(what: str) -> None:
        raise InputError(
            f"{ours.folder} and {theirs.folder} cannot be compared: {what}; only runs "
            f"with the same validation images, labels and classes can."
        )

    if (one.name, one.split) != (two.name, two.split):
        refuse(f"one was scored on {one.name} {one.split}, the other on {two.name} "
               f"{two.split}")  # fmt: skip
    names = ours.best.classes.names, theirs.best.classes.names
    if len(names[0]) != len(names[1]):
        refuse(f"one has {len(names[0])} classes, the other {len(names[1])}")
    for label, (first, second) in enumerate(zip(*names, strict=True)):
        if first != second:
            refuse(f"class {label} is {first!r} in one and {second!r} in the other")
    if len(one) != len(two):
        refuse(f"one was scored on {len(one)} images, the other on {len(two)}")
    for index in range(len(one)):
        first, second = image_name(one, index), image_name(two, index)
        if first != second:
            refuse(f"image {index} is {first} in one and {second} in the other")
    pixels = [run.best.confusion.counts.sum(1) for run in (ours, theirs)]
    for name, first, second in zip(names[0], *pixels, strict=True):
        if first != second:
            refuse(
                f"their labels differ, {first} pixels of {name} in one and {second} in "
                f"the other"
            )


def _page(
    ours: RunFiles,
    theirs: RunFiles,
    data_root: str | Path | None,
    model: Callable[..., keras.Model] | None,
) -> ComparisonPage:
    classes = ours.best.classes
    scores = comparison_scores(
        ours.best.confusion, theirs.best.confusion, classes, "omit"
    )
    rows = _class_rows(ours, theirs, scores)
    names = _names(ours.folder, theirs.folder)
    better, worse, present, missing = _examples(ours, theirs, data_root, model)
    configs = [read_config(run.folder) for run in (ours, theirs)]
    settings, note = [], ""
    if all(configs):
        settings = _differing(*map(read_settings, configs))
        note = "" if settings else "The configurations are the same."
    else:
        note = "At least one run has no config.gin, so settings are not compared."
    return ComparisonPage(
        title=f"{names[0]} and {names[1]}",
        names=names,
        descriptions=(describe_run(ours), describe_run(theirs)),
        difference=points(scores["difference"]),
        interval=_interval(scores["interval"]),
        verdict=_verdict(scores["interval"], len(ours.record.validation)),
        facts=_facts(ours, theirs),
        curves=_curves(ours, theirs),
        classes=rows,
        limit=_limit(rows),
        better=better,
        worse=worse,
        legend_rows=legend_rows(ours.best, present),
        missing=missing,
        settings=settings,
        settings_note=note,
        versions=_differing(read_versions(ours.folder), read_versions(theirs.folder)),
        commands=_commands(ours.folder, theirs.folder),
        footer=page_footer(),
    )


def _names(ours: Path, theirs: Path) -> tuple[str, str]:
    """Names both folders, with those above them where they are called the same."""
    parts = [Path(os.path.abspath(folder)).parts for folder in (ours, theirs)]
    count = 1
    while parts[0][-count:] == parts[1][-count:]:
        count += 1
    one, two = ("/".join(part[-count:]) for part in parts)
    return one, two


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else " to ".join(map(points, ends))


def _verdict(interval: Sequence[float] | None, images: int) -> str:
    """Says which run is better, as far as the images can tell."""
    if interval is None:
        return "No pixel counts, so there is nothing to compare."
    low, high = interval
    if low <= 0 <= high:
        return (
            f"The interval includes 0: these {images} images do not tell which of the "
            f"two is better."
        )
    winner = "A" if low > 0 else "B"
    return (
        f"{winner} is better by more than the choice of these {images} images explains."
    )


def _facts(ours: RunFiles, theirs: RunFiles) -> list[Fact]:
    """Puts the key figures of both side by side."""
    texts = [
        {f.title: f"{f.value} {f.unit}".strip() for f in key_figures(run)}
        for run in (ours, theirs)
    ]
    titles = dict.fromkeys([*texts[0], *texts[1]])
    return [Fact(key, *(text.get(key, "–") for text in texts)) for key in titles]


def _differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[Fact]:
    """Returns what is not the same in both, or in one only."""
    return [
        Fact(key, ours.get(key, "–"), theirs.get(key, "–"))
        for key in dict.fromkeys([*ours, *theirs])
        if ours.get(key) != theirs.get(key)
    ]


def _curves(ours: RunFiles, theirs: RunFiles) -> list[Curve]:
    """Draws the columns of both logs over each other."""
    curves = []
    for key, title, factor in _CURVES:
        lines = []
        for run, name, color in ((ours, "A", "first"), (theirs, "B", "second")):
            if key in run.log:
                series = smooth(run.log[key]) if key == "loss" else run.log[key]
                dots = key in _DOTTED and len(series.values) <= _MOST_DOTS
                series = Series(series.steps, factor * series.values)
                lines.append(Line(series, name, color, dots=dots))
        if lines:
            last = max(float(line.series.steps[-1]) for line in lines)
            curves.append(Curve(title, draw_curve(title, lines, last_step=last)))
    return curves


def _class_rows(ours: RunFiles, theirs: RunFiles, scores: dict) -> list[ComparedClass]:
    names, palette = ours.best.classes.names, picture_palette(ours.best.classes)
    return [
        ComparedClass(
            name,
            css_color(color),
            ours.scores["class_iou"][name],
            theirs.scores["class_iou"][name],
            scores["class_iou_difference"][name],
            scores["class_iou_interval"][name],
        )
        for name, color in zip(names, palette, strict=True)
    ]


def _limit(rows: Sequence[ComparedClass]) -> float:
    """Returns a round number that no difference or interval goes beyond."""
    ends = [abs(end) for row in rows for end in (row.interval or ())]
    ends += [abs(row.difference) for row in rows if row.difference is not None]
    most = max(0.01, *ends, 0.0)
    step = 10 ** math.floor(math.log10(most))
    return min(
        1.0,
        next(n * step for n in (1, 2, 3, 4, 5, 6, 8, 10) if n * step >= most - 1e-12),
    )


def _examples(
    ours: RunFiles,
    theirs: RunFiles,
    data_root: str | Path | None,
    model: Callable[..., keras.Model] | None,
) -> Examples:
    """Draws the images whose mIoU differs most: where A is best and worst beside B."""
    better, worse = most_changed(
        image_mious(ours.best.confusion.areas), image_mious(theirs.best.confusion.areas)
    )
    chosen = [*better, *worse]
    examples = {index: _example(ours, theirs, index) for index in chosen}

    def load() -> tuple[SegmentationDataset, dict[str, LabelFunction]]:
        samples = open_validation_set(ours.record, data_root, chosen)
        runs = {"A": ours, "B": theirs}
        return samples, {key: load_best(runs[key].folder, model) for key in runs}

    palette = picture_palette(ours.best.classes)
    present, missing = draw_examples(examples, load, palette)
    return Examples(
        best=[examples[index] for index in better],
        worst=[examples[index] for index in worse],
        present=present,
        missing=missing,
    )


def most_changed(ours: np.ndarray, theirs: np.ndarray) -> tuple[list[int], list[int]]:
    """Returns the images that the first model finds most better, and most worse.

    `ours` and `theirs` are scores of the images, float64 (n,); one with a nan is in
    neither list, nor is one without a difference.
    """
    difference = np.nan_to_num(ours - theirs)
    order = np.argsort(-difference, kind="stable").tolist()
    better = [index for index in order if difference[index] > 0]
    worse = [index for index in order[::-1] if difference[index] < 0]
    return better[:_MOST_SHOWN], worse[:_MOST_SHOWN]


def _example(ours: RunFiles, theirs: RunFiles, index: int) -> Example:
    """Names an image, its scores by both models, and the classes that changed most."""
    areas = [run.best.confusion.areas[index] for run in (ours, theirs)]
    mious = [float(image_mious([area])[0]) for area in areas]
    wrong = [percent(float(wrong_shares([area])[0])) for area in areas]
    changes = np.subtract(*(image_ious([area])[0] for area in areas))
    order = np.argsort(-np.abs(np.nan_to_num(changes)), kind="stable").tolist()
    names = ours.best.classes.names
    named = [
        f"{names[label]} {points(float(changes[label]))}"
        for label in order[:_MOST_NAMED]
        if abs(np.nan_to_num(changes[label])) >= 0.01
    ]
    note = f"Wrong pixels: A {wrong[0]} %, B {wrong[1]} %"
    if named:
        note += f" · most changed IoU, A minus B: {', '.join(named)}"
    return Example(
        image_name(ours.record.validation, index),
        f"mIoU A {percent(mious[0])} %, B {percent(mious[1])} %",
        note,
    )


def _commands(ours: Path, theirs: Path) -> list[tuple[str, str]]:
    config, best, other, one, two = (
        shlex.quote(str(path))
        for path in (ours / CONFIG, ours / BEST, theirs / BEST, ours, theirs)
    )
    evaluate = f"evaluate --gin_file={config} --weights={best} --compare={other}"
    return [
        (
            "Score both anew, with other options or another split",
            f"keras-lraspp {evaluate}",
        ),
        ("Make this page again", f"keras-lraspp report --run={one} --compare={two}"),
    ]
