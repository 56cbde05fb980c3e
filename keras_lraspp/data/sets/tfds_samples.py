"""Samples that TensorFlow Datasets prepared, read by number."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_lraspp.data.label_spec import LabelSpec, classes_of_values
from keras_lraspp.data.loading import checked_label, load_image, load_label
from keras_lraspp.errors import InputError
from keras_lraspp.images import EncodedImage, open_image, read_image


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TfdsSamples(LabelSpec):
    """Some records of a data set; one kind of `Samples`.

    Encoded images are decoded here, not by TFDS: palette and 16-bit labels stay what
    they are, and what is wrong is named.

    Attributes:
        name: Name of the data set, as TFDS has it.
        split: The split that was asked for.
        root: Folder of the prepared data set.
        records: Serialized examples by number.
        features: Of the examples: the image and the label.
        image: Name of the image's feature, a `tfds.features.Image`.
        label: Name of the label's feature.
        label_channel: The channel of the label that holds the classes; `None` for
            labels of one channel.
        indices: Numbers of the records; `None` for all.
    """

    name: str
    split: str
    root: Path
    records: Sequence[bytes]
    features: Any  # tfds.features.FeaturesDict
    image: str
    label: str
    label_channel: int | None = None
    indices: tuple[int, ...] | None = None

    labelled = True

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.records if self.indices is None else self.indices)

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a sample; see `Samples.load`."""
        image, label = self._parts(index)
        pixels = load_image(image)
        where = f"{self.where(index)} {self.label}"
        values = self._classes(label, where)
        size = tuple(pixels.shape[:2])
        return pixels, checked_label(values, size, image, where, self)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image."""
        with open_image(self._parts(index)[0]) as header:
            return header.height, header.width

    def where(self, index: int) -> str:
        """The file and place of a record, or the data set and its number."""
        record = self._record(index)
        if hasattr(self.records, "where"):
            return self.records.where(record)
        return f"{self.name} {self.split} record {record}"

    def select(self, indices: Sequence[int]) -> "TfdsSamples":
        """The same data set with these samples only, in this order."""
        chosen = tuple(self._record(index) for index in indices)
        return dataclasses.replace(self, indices=chosen)

    def _record(self, index: int) -> int:
        return index if self.indices is None else self.indices[index]

    def _parts(self, index: int) -> list[EncodedImage | np.ndarray]:
        """The encoded image and the label, encoded if TFDS keeps it so."""
        import tensorflow_datasets as tfds

        names = (self.image, self.label)
        encoded = [
            name
            for name in names
            if isinstance(self.features[name], tfds.features.Image)
        ]
        skip = {name: tfds.decode.SkipDecoding() for name in encoded}
        try:
            example = self.features.deserialize_example_np(
                self.records[self._record(index)], decoders=skip
            )
        except InputError:
            raise
        except Exception as error:  # which one depends on the damage
            raise InputError(
                f"{self.where(index)} is damaged ({error}); prepare the data set again."
            ) from error
        return [
            EncodedImage(f"{self.where(index)} {name}", bytes(example[name]))
            if name in encoded
            else np.asarray(example[name])
            for name in names
        ]

    def _classes(self, label: EncodedImage | np.ndarray, where: str) -> np.ndarray:
        if isinstance(label, EncodedImage):
            if self.label_channel is None:
                return load_label(label, self)
            label = read_image(label, apply_exif=False)
        if label.ndim == 3:
            label = label[..., self.label_channel or 0]
        return classes_of_values(where, label, self)
