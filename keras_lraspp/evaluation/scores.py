"""Scores of an evaluation, as a dictionary for JSON and as a table of text.

Also the paired comparison of two models, and the reference's three-column protocol.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp import metrics
from keras_lraspp.classes import CITYSCAPES, CLASS_SETS, ClassSet
from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.inference.tta import SINGLE_PASS, InferenceOptions
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.variants import variant_of
from keras_lraspp.weights.published import Variant, find_variant

# The numbers below the table of classes: key and title.
_SUMMARY = (
    ("miou", "mIoU"),
    ("category_miou", "category mIoU"),
    ("pixel_accuracy", "pixel accuracy"),
    ("mean_accuracy", "mean accuracy"),
    ("frequency_weighted_iou", "frequency-weighted IoU"),
    ("mean_dice", "mean Dice"),
    ("kappa", "kappa"),
)
_QUANTILES = (0.025, 0.975)  # ends of a 95 % interval
_COMPARED_CLASSES = 5  # named in the text of a comparison
_PROTOCOL_SCALES = (0.75, 1.0, 1.25)


class _Column(NamedTuple):
    name: str  # key in the scores, and of the published number in `Variant`
    title: str
    options: InferenceOptions


# The columns of the reference's table of results.
PROTOCOL = (
    _Column("miou", "mIoU", SINGLE_PASS),
    _Column("flip_miou", "flip", InferenceOptions(flip=True)),
    _Column(
        "multi_scale_miou",
        "ms+flip",
        InferenceOptions(flip=True, scales=_PROTOCOL_SCALES),
    ),
)


def score_dictionary(confusion: ImageConfusion, classes: ClassSet, absent: str) -> dict:
    """Computes every score; see docs/metrics.md for the formulas.

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
    dice = metrics.class_dice(counts)
    scores = {
        "miou": _number(confusion.miou(absent)),
        "miou_interval": list(map(_number, confusion.miou_interval(absent))),
        "pixel_accuracy": _number(metrics.pixel_accuracy(counts)),
        "mean_accuracy": _number(metrics.mean_accuracy(counts)),
        "frequency_weighted_iou": _number(metrics.frequency_weighted_iou(counts)),
        "mean_dice": _number(metrics.mean_of_classes(dice, absent)),
        "kappa": _number(metrics.kappa(counts)),
        "class_iou": _by_name(classes.names, confusion.class_iou()),
        "class_precision": _by_name(classes.names, metrics.class_precision(counts)),
        "class_recall": _by_name(classes.names, metrics.class_recall(counts)),
        "class_dice": _by_name(classes.names, dice),
        "absent_classes": absent,
    }
    if classes.names == CLASS_SETS["cityscapes"].names:
        names, iou = _category_iou(counts)
        scores["category_iou"] = _by_name(names, iou)
        scores["category_miou"] = _number(metrics.mean_of_classes(iou, absent))
    return scores


def _category_iou(counts: np.ndarray) -> tuple[list[str], np.ndarray]:
    """IoU of Cityscapes' categories: a class of the right category is right."""
    category = {row.train_id: row.category for row in CITYSCAPES}
    of_class = [category[train_id] for train_id in range(len(counts))]
    names = list(dict.fromkeys(of_class))
    merged = metrics.merge_classes(counts, [names.index(name) for name in of_class])
    return names, metrics.class_iou(merged)


def _by_name(names: Iterable[str], values: np.ndarray) -> dict[str, float | None]:
    return dict(zip(names, map(_number, values), strict=True))


def _number(value: float | np.ndarray) -> float | None:
    return None if math.isnan(value) else float(value)  # JSON has no nan


def score_table(scores: dict) -> str:
    """Writes the dictionary of `evaluate` as a table of text."""
    keys = ("class_iou", "class_precision", "class_recall")
    rows = _table(
        ("class", "IoU", "precision", "recall"), [scores[key] for key in keys]
    )
    if "category_iou" in scores:
        rows += ["", *_table(("category", "IoU"), [scores["category_iou"]])]
    rows.append("")
    for key, title in _SUMMARY:
        if key in scores:
            interval = _interval(scores) if key == "miou" else ""
            rows.append(f"{title:<24}{_text(scores[key], 'undefined')}{interval}")
    if options := _options(scores.get("options")):
        rows.append(f"{'test-time options':<24}{options}")
    classes = scores["class_iou"].values()
    present = sum(iou is not None for iou in classes)
    rule = f"; absent ones are {metrics.ABSENT[scores['absent_classes']]}"
    rows += [
        f"{'images':<24}{scores['num_images']} of {scores['dataset']} "
        f"{scores['split']}, {scores['seconds_per_image']:.3f} s per image",
        f"{'classes':<24}{present} of {len(classes)} present"
        f"{rule if present < len(classes) else ''}",
    ]
    return "\n".join(rows)


def _table(titles: tuple[str, ...], columns: list[dict]) -> list[str]:
    """Aligns one row per name; what is 0/0 in the first column is absent."""
    width = max(map(len, (titles[0], *columns[0])))
    rows = [f"{titles[0]:<{width}}" + "".join(f"{text:>11}" for text in titles[1:])]
    for name, first in columns[0].items():
        values = [_text(first, "absent")]
        values += [_text(column[name], "-") for column in columns[1:]]
        rows.append(f"{name:<{width}}" + "".join(f"{value:>11}" for value in values))
    return rows


def _text(value: float | None, undefined: str) -> str:
    return undefined if value is None else f"{value:.4f}"


def _interval(scores: dict) -> str:
    if None in scores["miou_interval"]:
        return ""
    low, high = scores["miou_interval"]
    return f"  (95 % interval over images {low:.4f} to {high:.4f})"


def _options(options: dict | None) -> str:
    """Names the test-time options other than one pass over the image."""
    if options is None:
        return ""
    parts = ["flip"] if options["flip"] else []
    if tuple(options["scales"]) != (1.0,):
        parts.append(f"scales {', '.join(map(str, options['scales']))}")
    if options["sliding_window"]:
        window, stride = options["sliding_window"], options["stride"]
        parts.append(
            f"windows of {window[0]}x{window[1]} every {stride[0]}x{stride[1]}"
        )
    return ", ".join(parts)


def comparison_scores(
    ours: ImageConfusion, theirs: ImageConfusion, classes: ClassSet, absent: str
) -> dict:
    """Compares two models image by image, by a paired bootstrap.

    Each draw of images is scored by both models, so that what makes an image hard for
    both falls out of the difference.

    Returns:
        `miou` of the other model; `difference`, ours less theirs; `interval`, the two
        ends of its 95 % interval; and by class `class_iou_difference` and
        `class_iou_interval`, `None` where a class is absent. The first three are
        `None` if no pixel counts.
    """
    scores = {"miou": None, "difference": None, "interval": None}
    intervals = np.full((len(classes.names), 2), np.nan)
    if ours.counts.any():
        our_draws, their_draws = (
            metrics.bootstrap_class_iou(np.array(confusion.areas))
            for confusion in (ours, theirs)
        )
        intervals = _intervals(our_draws - their_draws)
        mious = (metrics.mean_of_classes(d, absent) for d in (our_draws, their_draws))
        scores = {
            "miou": theirs.miou(absent),
            "difference": ours.miou(absent) - theirs.miou(absent),
            "interval": _intervals(np.subtract(*mious)[:, None])[0].tolist(),
        }
    by_class = ours.class_iou() - theirs.class_iou()
    pairs = zip(classes.names, intervals.tolist(), strict=True)
    return {
        **scores,
        "class_iou_difference": _by_name(classes.names, by_class),
        "class_iou_interval": {
            name: None if math.isnan(ends[0]) else ends for name, ends in pairs
        },
    }


def _intervals(drawn: np.ndarray) -> np.ndarray:
    """Returns both ends for each column of (draws, n), (n, 2); nan draws are left out.

    A class that few images have is absent from some draws.
    """
    ends = np.full((drawn.shape[1], 2), np.nan)
    for column, values in enumerate(drawn.T):
        if (known := values[~np.isnan(values)]).size:
            ends[column] = np.quantile(known, _QUANTILES)
    return ends


def comparison_text(scores: dict) -> str:
    """Writes the result of `comparison_scores`, with `weights`, as lines of text."""
    title = f"{'compared with':<24}{scores['weights']}"
    if scores["interval"] is None:
        return f"{title}: undefined, no pixel counts"
    low, high = scores["interval"]
    zero = "which excludes 0" if low > 0 or high < 0 else "which includes 0"
    by_class = scores["class_iou_difference"].items()
    known = [(name, value) for name, value in by_class if value is not None]
    known.sort(key=lambda item: -abs(item[1]))
    largest = [f"{name} {value:+.4f}" for name, value in known[:_COMPARED_CLASSES]]
    rows = [
        title,
        f"{'its mIoU':<24}{scores['miou']:.4f}",
        f"{'difference':<24}{scores['difference']:+.4f}  (95 % interval over images "
        f"{low:+.4f} to {high:+.4f}, {zero})",
        f"{'most different classes':<24}{', '.join(largest)}",
    ]
    return "\n".join(rows)


def protocol_scores(
    mious: list[float],
    model: keras.Model,
    images: SegmentationDataset,
    weights: str = "",
) -> dict:
    """Puts the mIoU of the columns of `PROTOCOL` beside the published ones.

    Args:
        mious: Those of the columns, in 0..1.
        model: What was scored.
        images: What it was scored on.
        weights: What was asked for: a preset's name says which of several rows with
            the same network it is.

    Returns:
        The columns' scores by name (`None` without a pixel that counts); `variant`,
        and `published`, the columns in 0..1, both `None` where there are none, as is a
        column that was not published.
    """
    names = [column.name for column in PROTOCOL]
    variant = _published_variant(model, images, weights)
    published = None
    if variant is not None:
        percents = [getattr(variant, name) for name in names]
        fractions = [None if one is None else one / 100 for one in percents]
        published = dict(zip(names, fractions, strict=True))
    return {
        **_by_name(names, mious),
        "variant": variant and variant.name,
        "published": published,
    }


def _published_variant(
    model: keras.Model, images: SegmentationDataset, weights: str
) -> Variant | None:
    if (images.name, images.split) != ("cityscapes", "val"):
        return None
    if not isinstance(model, LRASPP):
        return None
    variant = find_variant(weights) or variant_of(model)
    if variant is None or variant.miou is None or variant.dataset != "Cityscapes":
        return None
    return variant


def protocol_table(scores: dict) -> str:
    """Writes the result of `protocol_scores` as a table of text, in percent."""
    rows = [f"{'':<24}" + "".join(f"{column.title:>10}" for column in PROTOCOL)]
    rows.append(_protocol_row("this model", scores, "undefined"))
    if scores["published"] is None:
        rows.append(
            "(no published row: for Cityscapes val and published variants only)"
        )
    else:
        name = f"published {scores['variant']}"
        rows.append(_protocol_row(name, scores["published"], "-"))
    rows.append(
        f"ms+flip is over the scales {', '.join(map(str, _PROTOCOL_SCALES))}, as in "
        f"PaddleSeg's examples; it does not state those of its numbers, and "
        f"mmsegmentation's are 0.5 to 1.75."
    )
    return "\n".join(rows)


def _protocol_row(name: str, scores: dict, missing: str) -> str:
    values = [scores[column.name] for column in PROTOCOL]
    texts = [missing if one is None else f"{100 * one:.2f}" for one in values]
    return f"{name:<24}" + "".join(f"{text:>10}" for text in texts)
