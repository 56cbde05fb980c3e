"""How sure a mIoU is: what it would be on other images of the same kind."""

import dataclasses

import numpy as np

from keras_lraspp.training.metrics import ConfusionMatrix
from keras_lraspp.training.scores import mean_of_classes

_CHUNK = 100  # resamples at a time, which bounds the memory


@dataclasses.dataclass(eq=False)
class ImageConfusion(ConfusionMatrix):
    """A confusion matrix that also remembers each image's intersections and unions.

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
        """Adds the pixels of a batch.

        Args:
            labels: Integers (B, H, W), 0..C-1 or the ignore label.
            predictions: Integers 0..C-1 of the same shape.

        Raises:
            InputError: For other values, or for different shapes.
        """
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
        """Adds another matrix's counts and images.

        Raises:
            InputError: If it is of other classes or another ignore label.
        """
        super().merge(other)
        self.areas += other.areas

    def miou_interval(
        self,
        absent: str = "omit",
        resamples: int = 1000,
        level: float = 0.95,
        seed: int = 0,
    ) -> tuple[float, float]:
        """Returns the percentile bootstrap interval of the mIoU; see `bootstrap_miou`.

        Args:
            absent: As of `miou`.
            resamples: How many sets of images to draw.
            level: Share of the drawn mIoUs inside the interval.
            seed: Of the drawing.

        Returns:
            Its ends, in 0..1; nan if no pixel counts.
        """
        drawn = bootstrap_miou(np.array(self.areas), absent, resamples, seed)
        drawn = drawn[~np.isnan(drawn)]
        if not drawn.size:
            return float("nan"), float("nan")
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def bootstrap_miou(
    areas: np.ndarray, absent: str = "omit", resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Draws as many images as there are, with replacement, and scores them, repeatedly.

    The same seed draws the same images, so that two models' results can be compared
    draw by draw.

    Args:
        areas: int64 (images, 2, C); see `ImageConfusion`.
        absent: What becomes of classes that are in none of the drawn images.
        resamples: How many sets of images to draw.
        seed: Of the drawing.

    Returns:
        float64 (resamples,), the mIoU of each drawn set; nan where no pixel counts.
    """
    images = len(areas)
    if not images:
        return np.full(resamples, np.nan)
    rng = np.random.default_rng(seed)
    # Sums of whole numbers below 2**53 are exact in float64, whose products are fast.
    flat = areas.reshape(images, -1).astype(np.float64)
    drawn = []
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        times = rng.multinomial(images, np.full(images, 1 / images), size=rows)
        sums = (times @ flat).reshape(rows, 2, -1)
        iou = np.full((rows, sums.shape[-1]), np.nan)
        np.divide(sums[:, 0], sums[:, 1], out=iou, where=sums[:, 1] > 0)
        drawn.append(mean_of_classes(iou, absent))
    return np.concatenate(drawn)
