"""Two models on the same images: what the difference is, and how sure."""

import numpy as np

from keras_lraspp.classes import ClassSet
from keras_lraspp.metrics import ImageConfusion, bootstrap_miou

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
