"""What a segmentation is scored by, counted in integers."""

import dataclasses

import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.training import scores


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

        Intersection over union, I / (P + L - I). A class is absent if it is neither
        in the labels nor in the predictions.
        """
        return scores.class_iou(self.counts)

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
        return float(scores.mean_of_classes(self.class_iou(), absent))

    def pixel_accuracy(self) -> float:
        """Returns the share of pixels with the right class; nan if there are none."""
        return float(scores.pixel_accuracy(self.counts))

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
