"""Segmentation metrics: confusion matrix, mIoU and other scores, bootstrap, MeanIoU."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from keras_lraspp.arguments import register_class
from keras_lraspp.errors import InputError
from keras_lraspp.schema import Count, Int32, check_call

__all__ = ["ConfusionMatrix", "MeanIoU"]

# What becomes of a class that is neither in the labels nor in the predictions.
ABSENT = {
    "omit": "left out of the mean, as the official Cityscapes script does",
    "one": "counted as IoU 1, as PaddleSeg does",
}
_RESAMPLES_AT_ONCE = 100  # bounds the memory


@dataclasses.dataclass(eq=False)
class ConfusionMatrix:
    """Counts of pixels by true and predicted class, over any number of images.

    Counting is in integers, so that the scores do not depend on the order of the
    images, on batches, or on how a set was divided over processes.

    Args:
        num_classes: Number of classes C.
        ignore_label: Label of pixels that do not count; `None` if there is none.

    Attributes:
        counts: int64 (C, C); rows are the truth, columns the prediction.

    Example:
        ```python
        confusion = ConfusionMatrix(19)
        for image, labels in pairs:
            confusion.update(labels, segmenter(image))
        print(confusion.miou())
        ```
    """

    num_classes: int
    ignore_label: int | None = 255
    counts: np.ndarray = dataclasses.field(init=False, repr=False)

    def __post_init__(self):
        """Starts at zero."""
        self.counts = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Adds the pixels of one image or batch.

        Args:
            labels: Integers of any shape, 0..C-1 or the ignore label.
            predictions: Integers 0..C-1 of the same shape.

        Raises:
            InputError: For other values, or for different shapes. Nothing of the
                image is counted then.
        """
        labels, predictions = np.asarray(labels), np.asarray(predictions)
        if labels.shape != predictions.shape:
            raise InputError(
                f"Labels of shape {labels.shape} cannot be compared with predictions "
                f"of shape {predictions.shape}."
            )
        counted = self._in_range(labels)
        known = counted
        if self.ignore_label is not None:
            known = counted | (labels == self.ignore_label)
            counted = counted & (labels != self.ignore_label)
        self._refuse("Labels", labels[~known], self.ignore_label)
        self._refuse("Predictions", predictions[~self._in_range(predictions)])
        # Pixels that do not count go to a row of their own, which is dropped.
        pairs = np.where(counted, labels, np.int64(self.num_classes))
        pairs *= self.num_classes
        pairs += predictions
        rows = self.num_classes + 1
        counts = np.bincount(pairs.ravel(), minlength=rows * self.num_classes)
        self.counts += counts.reshape(rows, self.num_classes)[:-1]

    def merge(self, other: "ConfusionMatrix") -> None:
        """Adds another matrix's counts.

        Raises:
            InputError: If it is of other classes or another ignore label.
        """
        ours = self.num_classes, self.ignore_label
        if ours != (other.num_classes, other.ignore_label):
            raise InputError(f"{other} cannot be merged into {self}.")
        self.counts += other.counts

    def class_iou(self) -> np.ndarray:
        """Returns the IoU of each class, float64 (C,) in 0..1; nan where absent.

        A class is absent if it is neither in the labels nor in the predictions.
        """
        return class_iou(self.counts)

    def miou(self, absent: str = "omit") -> float:
        """Returns the mean of the classes' IoU, in 0..1.

        Args:
            absent: What becomes of absent classes: `"omit"` leaves them out, as the
                official Cityscapes script does; `"one"` counts them as 1, as
                PaddleSeg does.

        Returns:
            The mean; nan if nothing is left to take it over.

        Raises:
            InputError: For another value of `absent`.
        """
        return float(mean_of_classes(self.class_iou(), absent))

    def pixel_accuracy(self) -> float:
        """Returns the share of pixels with the right class; nan if there are none."""
        return float(pixel_accuracy(self.counts))

    def _in_range(self, values: np.ndarray) -> np.ndarray:
        return (values >= 0) & (values < self.num_classes)

    def _refuse(self, what: str, wrong: np.ndarray, ignore_label=None) -> None:
        if not wrong.size:
            return
        values = np.unique(wrong)
        listed = ", ".join(map(str, values[:5])) + (", ..." if values.size > 5 else "")
        ignored = "" if ignore_label is None else f" or {ignore_label} (ignored)"
        raise InputError(
            f"{what} hold {listed}, but with {self.num_classes} classes they are "
            f"0..{self.num_classes - 1}{ignored}; check the label map and num_classes."
        )


@dataclasses.dataclass(eq=False)
class ImageConfusion(ConfusionMatrix):
    """A confusion matrix with each image's intersections and unions, for bootstrap.

    That is two integers per class and image, 304 bytes per image of 19 classes; the
    mIoU of any choice of images follows from them exactly.

    Attributes:
        areas: One int64 (2, C) per image in the order of `update`: the pixels in
            labels and predictions both, and those in either.
    """

    areas: list[np.ndarray] = dataclasses.field(
        init=False, repr=False, default_factory=list
    )

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Adds the images of a batch (B, H, W); see `ConfusionMatrix.update`."""
        labels, predictions = np.asarray(labels), np.asarray(predictions)
        if labels.shape != predictions.shape:  # before they are taken apart
            super().update(labels, predictions)
        for label, prediction in zip(labels, predictions, strict=True):
            before = self.counts.copy()
            super().update(label, prediction)
            counts = self.counts - before
            hits = np.diag(counts)
            self.areas.append(np.stack([hits, counts.sum(0) + counts.sum(1) - hits]))

    def merge(self, other: "ImageConfusion") -> None:
        """Adds another matrix's counts and images; see `ConfusionMatrix.merge`."""
        super().merge(other)
        self.areas += other.areas

    def miou_interval(
        self,
        absent: str = "omit",
        resamples: int = 1000,
        level: float = 0.95,
        seed: int = 0,
    ) -> tuple[float, float]:
        """Returns the percentile bootstrap confidence interval of the mIoU.

        `level` is the share of the drawn mIoUs inside of it; see `bootstrap_miou` for
        the rest. Its ends are in 0..1; nan if no pixel counts.
        """
        drawn = bootstrap_miou(np.array(self.areas), absent, resamples, seed)
        drawn = drawn[~np.isnan(drawn)]
        if not drawn.size:
            return float("nan"), float("nan")
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


@register_class
class MeanIoU(keras.metrics.MeanIoU):
    """Mean over the classes of intersection over union, from labels and logits.

    Keras's own metric with its arguments set for segmentation. It counts in integers
    under any precision policy, which a float metric would stop doing at 2**24 pixels;
    absent classes are left out of the mean, as by `ConfusionMatrix.miou()`. Pixels
    whose label is neither a class nor ignored are left out as well: a metric inside a
    compiled step cannot refuse them. Before any pixel the result is 0. On JAX, which
    has no 64-bit integers unless told so, a class may have 2**31 pixels between resets.

    Args:
        num_classes: Number of classes C.
        ignore_label: Label of pixels that do not count; `None` if there is none.
        name: Name in the logs.

    Raises:
        InputError: For arguments of another type or out of range.

    Example:
        ```python
        model.compile(optimizer, loss, metrics=[MeanIoU(19)])
        ```
    """

    def __init__(
        self, num_classes: Count, ignore_label: Int32 | None = 255, name: str = "miou"
    ):
        check_call("MeanIoU", MeanIoU.__init__, locals())
        super().__init__(
            num_classes,
            name=name,
            dtype="int32" if keras.backend.backend() == "jax" else "int64",
            ignore_class=ignore_label,
            sparse_y_true=True,
            sparse_y_pred=False,
            axis=-1,
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: Integers (B, H, W) or (B, H, W, 1), 0..C-1 or the ignore label.
            y_pred: Logits or probabilities (B, H, W, C).
            sample_weight: Whole numbers that broadcast to `y_true`'s shape, or `None`.

        Raises:
            InputError: If `y_pred` has another number of channels.
        """
        channels = y_pred.shape[-1]
        if channels not in (None, self.num_classes):
            raise InputError(
                f"{self.name} counts {self.num_classes} classes, but the model returns "
                f"{channels} channel{'s' * (channels > 1)}; give as many, or, for one, "
                f"take keras.metrics.BinaryIoU(target_class_ids=[0, 1])."
            )
        return super().update_state(y_true, y_pred, sample_weight)

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return {
            "num_classes": self.num_classes,
            "ignore_label": self.ignore_class,
            "name": self.name,
        }


def bootstrap_miou(
    areas: np.ndarray, absent: str = "omit", resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Bootstrap of the mIoU: resamples the images with replacement and scores them.

    See `bootstrap_class_iou`.

    Returns:
        float64 (resamples,), the mIoU of each drawn set; nan where no pixel counts.
    """
    if not len(areas):
        return np.full(resamples, np.nan)
    return mean_of_classes(bootstrap_class_iou(areas, resamples, seed), absent)


def bootstrap_class_iou(
    areas: np.ndarray, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Bootstrap of the classes' IoU: resamples the images with replacement.

    The same seed draws the same images, so that two models' results can be compared
    draw by draw. `areas` is int64 (images, 2, C), as `ImageConfusion` has it, of one
    image or more.

    Returns:
        float64 (resamples, C), the IoU in each drawn set; nan where a class is absent.
    """
    images = len(areas)
    rng = np.random.default_rng(seed)
    # Sums of whole numbers below 2**53 are exact in float64, whose products are fast.
    flat = areas.reshape(images, -1).astype(np.float64)
    drawn = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - start)
        times = rng.multinomial(images, np.full(images, 1 / images), size=rows)
        sums = (times @ flat).reshape(rows, 2, -1)
        iou = np.full((rows, sums.shape[-1]), np.nan)
        np.divide(sums[:, 0], sums[:, 1], out=iou, where=sums[:, 1] > 0)
        drawn.append(iou)
    return np.concatenate(drawn)


def class_iou(counts: np.ndarray) -> np.ndarray:
    """Returns I / (P + L - I) of each class, float64 (..., C); nan where absent.

    I are the pixels of the class in labels and predictions both, P those in the
    predictions, L those in the labels.
    """
    return _ratio(_hits(counts), _predicted(counts) + _true(counts) - _hits(counts))


def class_dice(counts: np.ndarray) -> np.ndarray:
    """Returns 2 I / (P + L) of each class, float64 (..., C); nan where absent."""
    return _ratio(2 * _hits(counts), _predicted(counts) + _true(counts))


def class_precision(counts: np.ndarray) -> np.ndarray:
    """Returns I / P of each class, float64 (..., C); nan if it is never predicted."""
    return _ratio(_hits(counts), _predicted(counts))


def class_recall(counts: np.ndarray) -> np.ndarray:
    """Returns I / L of each class, float64 (..., C); nan if it is not in the labels."""
    return _ratio(_hits(counts), _true(counts))


def mean_of_classes(values: np.ndarray, absent: str = "omit") -> np.ndarray:
    """Returns the mean over the last axis of (..., C), whose nan are absent classes.

    `absent` is a key of `ABSENT`. The mean is nan where no class is left.
    """
    check_absent_mode(absent)
    present = ~np.isnan(values)
    if absent == "one":
        return np.where(present, values, 1.0).mean(-1)
    return _ratio(np.where(present, values, 0.0).sum(-1), present.sum(-1))


def check_absent_mode(absent: str) -> None:
    """Raises `InputError` for what is no key of `ABSENT`."""
    if absent not in ABSENT:
        raise InputError(f"absent is one of {tuple(ABSENT)}, not {absent!r}.")


def pixel_accuracy(counts: np.ndarray) -> np.ndarray:
    """Returns the share of pixels with the right class, float64 (...)."""
    return _ratio(_hits(counts).sum(-1), _true(counts).sum(-1))


def mean_accuracy(counts: np.ndarray) -> np.ndarray:
    """Returns the mean recall of the classes in the labels, float64 (...)."""
    return mean_of_classes(class_recall(counts))


def frequency_weighted_iou(counts: np.ndarray) -> np.ndarray:
    """Returns the IoU weighted by the classes' shares of the labels, float64 (...)."""
    true, iou = _true(counts), class_iou(counts)
    return _ratio((true * np.nan_to_num(iou)).sum(-1), true.sum(-1))


def kappa(counts: np.ndarray) -> np.ndarray:
    """Returns Cohen's kappa, (o - e) / (1 - e), float64 (...).

    o is the pixel accuracy; e is what would agree if labels and predictions had
    nothing to do with each other. nan if there is one class only and it is all right.
    """
    total = _true(counts).sum(-1)[..., None]
    # Shares, since a product of two counts may not fit into 64 bits.
    shares = _ratio(_true(counts), total) * _ratio(_predicted(counts), total)
    by_chance = shares.sum(-1)
    return _ratio(pixel_accuracy(counts) - by_chance, 1 - by_chance)


def merge_classes(counts: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """Adds up the classes of each group: (..., C, C) to (..., G, G), of 0..G-1."""
    member = np.equal.outer(np.arange(max(groups) + 1), groups).astype(counts.dtype)
    return member @ counts @ member.T


def _hits(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _true(counts: np.ndarray) -> np.ndarray:
    return counts.sum(-1)


def _predicted(counts: np.ndarray) -> np.ndarray:
    return counts.sum(-2)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    missing = np.full(np.broadcast_shapes(np.shape(part), np.shape(whole)), np.nan)
    return np.divide(part, whole, out=missing, where=np.asarray(whole) > 0)
