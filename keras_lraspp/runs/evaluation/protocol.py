"""The three columns that the reference publishes: plain, flip, multi-scale and flip."""

import math
from typing import NamedTuple

import keras

from keras_lraspp.data.dataset import Samples
from keras_lraspp.inference.options import DEFAULT, InferenceOptions
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.variants import Variant, variant_of

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


def protocol_scores(mious: list[float], model: keras.Model, images: Samples) -> dict:
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


def _published_variant(model: keras.Model, images: Samples) -> Variant | None:
    if (images.name, images.split) != PUBLISHED_FOR or not isinstance(model, LRASPP):
        return None
    variant = variant_of(model)
    return variant if variant and variant.miou is not None else None
