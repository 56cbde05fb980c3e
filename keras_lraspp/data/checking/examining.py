"""One sample looked at: what is wrong with it, and what is in it."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tqdm

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.label_spec import illegal_values, read_label
from keras_lraspp.data.samples import Samples
from keras_lraspp.errors import InputError
from keras_lraspp.images import DamagedFileError, check_image, size_mismatch
from keras_lraspp.parallel import processors

_PATIENCE = 2.0  # seconds before a progress bar appears


class Content(NamedTuple):
    """What is in a sample that can be used."""

    size: tuple[int, int]  # height, width
    digest: bytes  # of the image's pixels; equal only for equal pictures
    label_digest: bytes
    pixels: np.ndarray | None  # int64 (classes + 1,), of each class and ignored


class Finding(NamedTuple):
    """What is wrong with one sample, and what is in it."""

    index: int
    damage: str | None = None  # the file may be left out
    fault: str | None = None  # the data set is not what it should be
    illegal: tuple[int, ...] = ()  # label values
    content: Content | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.damage or self.fault or self.illegal)


def examine_all(
    samples: Samples,
    look: Callable[[Samples, int], Finding],
    *,
    progress: bool = True,
    workers: int | None = None,
) -> list[Finding]:
    """Looks at every sample, several at a time.

    Args:
        samples: The data set.
        look: `glance` or `examine`.
        progress: Whether to show a bar with the time left when it takes long.
        workers: Samples looked at a time; `None` for one per processor.

    Returns:
        What was found, in the order of the samples.
    """
    bar = tqdm.tqdm(
        total=len(samples),
        desc=f"checking {samples.name} {samples.split}",
        unit="image",
        delay=_PATIENCE,
        disable=not progress,
        leave=False,
    )
    findings = []
    with bar, ThreadPoolExecutor(workers or processors()) as pool:
        # Decoders do not hold Python's lock.
        for finding in pool.map(lambda i: look(samples, i), range(len(samples))):
            bar.update()
            findings.append(finding)
    return findings


def glance(samples: Samples, index: int) -> Finding:
    """Looks at a sample as closely as a training needs.

    Labels are read whole; of image files the header and the end.
    """
    if not isinstance(samples, Dataset):
        return examine(samples, index)._replace(content=None)
    image_path = samples.images[index]
    return _guarded(index, lambda: _compared(samples, index, check_image(image_path)))


def examine(samples: Samples, index: int) -> Finding:
    """Reads all of a sample and says what is in it."""
    from keras_lraspp.data.loading import load_image

    def read() -> Finding:
        if not isinstance(samples, Dataset):
            image, label = (np.asarray(part) for part in samples.load(index))
            return Finding(index, content=_content(samples, image, label))
        image = np.asarray(load_image(samples.images[index]))
        finding, label = _read_label(samples, index, image.shape[:2])
        if not finding.healthy:
            return finding
        return finding._replace(content=_content(samples, image, label))

    return _guarded(index, read)


def _guarded(index: int, read: Callable[[], Finding]) -> Finding:
    try:
        return read()
    except DamagedFileError as error:
        return Finding(index, damage=str(error))
    except InputError as error:
        return Finding(index, fault=str(error))


def _compared(dataset: Dataset, index: int, size: tuple[int, int]) -> Finding:
    return _read_label(dataset, index, size)[0]


def _read_label(dataset: Dataset, index: int, size: tuple[int, int]):
    """What is wrong with a label, and the label."""
    if not dataset.labels:
        return Finding(index), None
    image_path, label_path = dataset.images[index], dataset.labels[index]
    label = read_label(label_path, dataset)
    fault = size_mismatch(image_path, size, label_path, label.shape)
    illegal = tuple(illegal_values(label, dataset))
    return Finding(index, fault=fault, illegal=illegal), label


def _content(samples: Samples, image: np.ndarray, label: np.ndarray | None) -> Content:
    size = image.shape[:2]
    if label is None:
        return Content(size, _digest(image), b"", None)
    counted = label < samples.num_classes
    pixels = np.bincount(label[counted], minlength=samples.num_classes + 1)
    pixels[-1] = label.size - np.count_nonzero(counted)
    return Content(size, _digest(image), _digest(label), pixels.astype(np.int64))


def _digest(pixels: np.ndarray) -> bytes:
    hasher = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    hasher.update(np.ascontiguousarray(pixels))
    return hasher.digest()


def label_file(samples: Samples, index: int) -> Path | str:
    """Where a sample's label is."""
    if isinstance(samples, Dataset) and samples.labels:
        return samples.labels[index]
    return samples.where(index)
