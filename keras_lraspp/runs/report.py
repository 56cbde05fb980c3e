"""The page of a training: `report.html`, made from what is in the run's folder."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import keras

import keras_lraspp
from keras_lraspp.errors import InputError
from keras_lraspp.files import write_text
from keras_lraspp.inference.labels import LabelFunction, label_function
from keras_lraspp.models.keras_file import load_weights, read_arguments
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.reports.log import read_log
from keras_lraspp.reports.page import Page, Swatch, css_color, render_page
from keras_lraspp.runs.best_model import BEST, BestScores, read_best
from keras_lraspp.runs.evaluation.scores import score_dictionary
from keras_lraspp.runs.reporting import rows
from keras_lraspp.runs.reporting.images import Examples, find_examples
from keras_lraspp.runs.training.notes import NOTES, RunNotes, read_notes

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
    notes, best = read_notes(folder / NOTES), read_best(folder / BEST)
    log = read_log(folder / "log.csv")
    scores = counted = None
    if best is not None and best.confusion is not None:
        counted = best.classes, best.confusion.counts
        scores = score_dictionary(best.confusion, best.classes, "omit")
    page = Page(
        title=folder.absolute().name,
        subtitle=_subtitle(folder, notes, best),
        status=rows.status(notes, log),
        facts=rows.facts(notes, best, scores, log),
        curves=rows.curves(log, best),
        classes=rows.class_rows(*counted, scores) if counted else [],
        confusion=rows.confusion_rows(*counted) if counted else None,
        best=examples.best,
        worst=examples.worst,
        legend=_legend(best, examples),
        notes=[examples.missing] if examples.missing else [],
        commands=rows.commands(folder, notes),
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


def _subtitle(folder: Path, notes: RunNotes | None, best: BestScores | None) -> str:
    parts = []
    try:
        arguments = read_arguments(folder / BEST)
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
