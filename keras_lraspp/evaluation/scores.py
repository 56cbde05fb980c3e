"""The scores of one evaluation: as a dictionary for JSON, and as a table for people."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp import metrics as score
from keras_lraspp.classes import CITYSCAPES, CLASS_SETS, ClassSet
from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.inference.tta import DEFAULT, InferenceOptions
from keras_lraspp.metrics import ImageConfusion, bootstrap_miou
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.variants import Variant, variant_of

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


_LEVEL = 0.95
_NAMED = 5  # classes in the report


def comparison_scores(
    ours: ImageConfusion, theirs: ImageConfusion, classes: ClassSet, absent: str
) -> dict:
    """Compares two models image by image.

    The interval is that of a paired bootstrap: each draw of images is scored by both
    models, so that what makes an image hard for both falls out of the difference.

    Args:
        ours: Counts of the model.
        theirs: Counts of the other one, over the same images in the same order.
        classes: Names of the classes.
        absent: A key of `ABSENT`.

    Returns:
        `miou` of the other model; `difference`, ours less theirs; `interval`, the two
        ends of its 95 % interval; and `class_iou_difference` by class, `None` where a
        class is absent. The first three are `None` if no pixel counts.
    """
    by_class = ours.class_iou() - theirs.class_iou()
    found = {"miou": None, "difference": None, "interval": None}
    if ours.counts.any():
        found = _overall(ours, theirs, absent)
    return {
        **found,
        "class_iou_difference": {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(classes.names, by_class, strict=True)
        },
    }


def _overall(ours: ImageConfusion, theirs: ImageConfusion, absent: str) -> dict:
    drawn = [
        bootstrap_miou(np.array(confusion.areas), absent)
        for confusion in (ours, theirs)
    ]
    differences = drawn[0] - drawn[1]
    differences = differences[~np.isnan(differences)]
    tail = (1 - _LEVEL) / 2
    interval = [float(end) for end in np.quantile(differences, [tail, 1 - tail])]
    return {
        "miou": theirs.miou(absent),
        "difference": ours.miou(absent) - theirs.miou(absent),
        "interval": interval,
    }


def comparison_report(scores: dict, weights: str) -> str:
    """Writes what `comparison_scores` returned for people.

    Args:
        scores: What it returned.
        weights: The other model's file.
    """
    if scores["interval"] is None:
        return f"{'compared with':<24}{weights}: undefined, no pixel counts"
    low, high = scores["interval"]
    sure = "which excludes" if low > 0 or high < 0 else "which includes"
    rows = [
        f"{'compared with':<24}{weights}",
        f"{'its mIoU':<24}{scores['miou']:.4f}",
        f"{'difference':<24}{scores['difference']:+.4f}  (95 % interval over images "
        f"{low:+.4f} to {high:+.4f}, {sure} 0)",
    ]
    known = {
        name: value
        for name, value in scores["class_iou_difference"].items()
        if value is not None
    }
    largest = sorted(known, key=lambda name: -abs(known[name]))[:_NAMED]
    listed = ", ".join(f"{name} {known[name]:+.4f}" for name in largest)
    rows.append(f"{'most different classes':<24}{listed}")
    return "\n".join(rows)


SCALES = (0.75, 1.0, 1.25)
PUBLISHED_FOR = ("cityscapes", "val")  # data set and split


class Column(NamedTuple):
    """One of the three.

    Attributes:
        name: Its key in the scores, and the published number's in `Variant`.
        title: What it is called.
        options: What is done.
    """

    name: str
    title: str
    options: InferenceOptions


COLUMNS = (
    Column("miou", "mIoU", DEFAULT),
    Column("flip_miou", "flip", InferenceOptions(flip=True)),
    Column("multi_scale_miou", "ms+flip", InferenceOptions(flip=True, scales=SCALES)),
)


def protocol_scores(
    mious: list[float], model: keras.Model, images: SegmentationDataset
) -> dict:
    """Puts the three scores beside the published ones.

    Args:
        mious: mIoU in 0..1 by column.
        model: The network; an `LRASPP` of a published variant has published scores.
        images: The data set; the published scores are for Cityscapes val.

    Returns:
        The columns' scores by name (`None` without a pixel that counts); `variant`,
        and `published`, the columns in 0..1, both `None` where there are none.
    """
    found = {
        column.name: None if math.isnan(miou) else miou
        for column, miou in zip(COLUMNS, mious, strict=True)
    }
    variant = _published_variant(model, images)
    published = variant and {
        column.name: getattr(variant, column.name) / 100 for column in COLUMNS
    }
    return {**found, "variant": variant and variant.name, "published": published}


def protocol_report(scores: dict) -> str:
    """Writes what `protocol_scores` returned as a table, in percent.

    Args:
        scores: What it returned.
    """
    rows = [f"{'':<24}" + "".join(f"{column.title:>10}" for column in COLUMNS)]
    rows.append(_row("this model", scores))
    if scores["published"] is None:
        rows.append(
            "(no published row: for Cityscapes val and published variants only)"
        )
    else:
        rows.append(_row(f"published {scores['variant']}", scores["published"]))
    rows.append(
        f"ms+flip is over the scales {', '.join(map(str, SCALES))}: the reference does "
        f"not state its own, its examples use these."
    )
    return "\n".join(rows)


def _row(name: str, scores: dict) -> str:
    values = [scores[column.name] for column in COLUMNS]
    texts = ["undefined" if one is None else f"{100 * one:.2f}" for one in values]
    return f"{name:<24}" + "".join(f"{text:>10}" for text in texts)


def _published_variant(
    model: keras.Model, images: SegmentationDataset
) -> Variant | None:
    if (images.name, images.split) != PUBLISHED_FOR or not isinstance(model, LRASPP):
        return None
    variant = variant_of(model)
    return variant if variant and variant.miou is not None else None
