"""The scores of one evaluation: as a dictionary for JSON, and as a table for people."""

import math
from collections.abc import Iterable

import numpy as np

from keras_lraspp import metrics as score
from keras_lraspp.classes import CITYSCAPES, CLASS_SETS, ClassSet
from keras_lraspp.metrics import ImageConfusion

# The numbers below the table of classes: key and what it is called there.
_SUMMARY = (
    ("miou", "mIoU"),
    ("category_miou", "category mIoU"),
    ("pixel_accuracy", "pixel accuracy"),
    ("mean_accuracy", "mean accuracy"),
    ("frequency_weighted_iou", "frequency-weighted IoU"),
    ("mean_dice", "mean Dice"),
    ("kappa", "kappa"),
)


def score_dictionary(confusion: ImageConfusion, classes: ClassSet, absent: str) -> dict:
    """Works out every score; see docs/metrics.md for the formulas.

    Args:
        confusion: The counts of the whole set.
        classes: Names of the classes.
        absent: A key of `ABSENT`; holds for the means over IoU and Dice.

    Returns:
        Numbers in 0..1 (`kappa`: -1..1), `None` where they are 0/0: the keys of
        `_SUMMARY`, `miou_interval` (two ends), and by class `class_iou`,
        `class_precision`, `class_recall`, `class_dice`. `category_iou` and
        `category_miou` only for Cityscapes' classes. Also `absent_classes`.
    """
    counts = confusion.counts
    dice = score.class_dice(counts)
    found = {
        "miou": _number(confusion.miou(absent)),
        "miou_interval": list(map(_number, confusion.miou_interval(absent))),
        "pixel_accuracy": _number(score.pixel_accuracy(counts)),
        "mean_accuracy": _number(score.mean_accuracy(counts)),
        "frequency_weighted_iou": _number(score.frequency_weighted_iou(counts)),
        "mean_dice": _number(score.mean_of_classes(dice, absent)),
        "kappa": _number(score.kappa(counts)),
        "class_iou": _by_name(classes.names, confusion.class_iou()),
        "class_precision": _by_name(classes.names, score.class_precision(counts)),
        "class_recall": _by_name(classes.names, score.class_recall(counts)),
        "class_dice": _by_name(classes.names, dice),
        "absent_classes": absent,
    }
    if classes.names == CLASS_SETS["cityscapes"].names:
        iou = category_iou(counts)
        found["category_iou"] = {name: _number(value) for name, value in iou.items()}
        mean = score.mean_of_classes(np.array(list(iou.values())), absent)
        found["category_miou"] = _number(mean)
    return found


def category_iou(counts: np.ndarray) -> dict[str, float]:
    """Returns the IoU of Cityscapes' seven categories; nan where absent.

    A pixel is right if its predicted class is of the right category.

    Args:
        counts: Integers (19, 19); rows are the truth, columns the prediction.
    """
    category = {row.train_id: row.category for row in CITYSCAPES}
    of_class = [category[train_id] for train_id in range(len(counts))]
    names = list(dict.fromkeys(of_class))
    merged = score.merge_classes(counts, [names.index(name) for name in of_class])
    return dict(zip(names, score.class_iou(merged).tolist(), strict=True))


def report(scores: dict) -> str:
    """Writes the dictionary of `evaluate` as a table for people."""
    keys = ("class_iou", "class_precision", "class_recall")
    rows = _table(
        ("class", "IoU", "precision", "recall"), [scores[key] for key in keys]
    )
    if "category_iou" in scores:
        rows += ["", *_table(("category", "IoU"), [scores["category_iou"]])]
    classes = scores["class_iou"].values()
    present = sum(iou is not None for iou in classes)
    rows.append("")
    for key, title in _SUMMARY:
        if key in scores:
            rows.append(
                f"{title:<24}{_text(scores[key], 'undefined')}{_between(scores, key)}"
            )
    if "options" in scores:
        done = _options(scores["options"])
        rows += [f"{'test-time options':<24}{done}"] if done else []
    rule = f"; absent ones are {score.ABSENT[scores['absent_classes']]}"
    rows += [
        f"{'images':<24}{scores['num_images']} of {scores['dataset']} "
        f"{scores['split']}, {scores['seconds_per_image']:.3f} s per image",
        f"{'classes':<24}{present} of {len(classes)} present"
        f"{rule if present < len(classes) else ''}",
    ]
    return "\n".join(rows)


def _table(head: tuple[str, ...], columns: list[dict]) -> list[str]:
    """Aligns one row per name; what is 0/0 in the first column is absent."""
    width = max(map(len, (head[0], *columns[0])))
    rows = [f"{head[0]:<{width}}" + "".join(f"{title:>11}" for title in head[1:])]
    for name, first in columns[0].items():
        values = [_text(first, "absent")]
        values += [_text(column[name], "-") for column in columns[1:]]
        rows.append(f"{name:<{width}}" + "".join(f"{value:>11}" for value in values))
    return rows


def _options(options: dict) -> str:
    """Names what was done beside one pass over the image."""
    parts = ["flip"] if options["flip"] else []
    if tuple(options["scales"]) != (1.0,):
        parts.append(f"scales {', '.join(map(str, options['scales']))}")
    if options["sliding_window"]:
        window, stride = options["sliding_window"], options["stride"]
        parts.append(
            f"windows of {window[0]}x{window[1]} every {stride[0]}x{stride[1]}"
        )
    return ", ".join(parts)


def _between(scores: dict, key: str) -> str:
    if key != "miou" or None in scores["miou_interval"]:
        return ""
    low, high = scores["miou_interval"]
    return f"  (95 % interval over images {low:.4f} to {high:.4f})"


def _text(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.4f}"


def _by_name(names: Iterable[str], values: np.ndarray) -> dict[str, float | None]:
    return dict(zip(names, map(_number, values), strict=True))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)  # JSON has no nan
