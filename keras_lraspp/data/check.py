"""One sample looked at: what is wrong with it, and what is in it."""

import dataclasses
import hashlib
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tqdm

from keras_lraspp.data.dataset import Dataset, SegmentationDataset
from keras_lraspp.data.label_spec import explain_illegal, illegal_values, read_label
from keras_lraspp.data.pairing import keep_labelled
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.images import DamagedFileError, check_image_file, size_mismatch
from keras_lraspp.parallel import processors

_PATIENCE = 2.0  # seconds before a progress bar appears


class SampleStats(NamedTuple):
    """What is in a sample that can be used."""

    size: tuple[int, int]  # height, width
    digest: bytes  # of the image's pixels; equal only for equal pictures
    label_digest: bytes
    pixels: np.ndarray | None  # int64 (classes + 1,), of each class and ignored


class SampleReport(NamedTuple):
    """What is wrong with one sample, and what is in it."""

    index: int
    damage: str | None = None  # the file may be left out
    fault: str | None = None  # the data set is not what it should be
    illegal: tuple[int, ...] = ()  # label values
    content: SampleStats | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.damage or self.fault or self.illegal)


def check_samples(
    samples: SegmentationDataset,
    look: Callable[[SegmentationDataset, int], SampleReport],
    *,
    progress: bool = True,
    workers: int | None = None,
) -> list[SampleReport]:
    """Looks at every sample, several at a time.

    Args:
        samples: The data set.
        look: `quick_check` or `full_check`.
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


def quick_check(samples: SegmentationDataset, index: int) -> SampleReport:
    """Looks at a sample as closely as a training needs.

    Labels are read whole; of image files the header and the end.
    """
    if not isinstance(samples, Dataset):
        return full_check(samples, index)._replace(content=None)

    def read() -> SampleReport:
        size = check_image_file(samples.images[index])
        return _read_label(samples, index, size)[0]

    return _guarded(index, read)


def full_check(samples: SegmentationDataset, index: int) -> SampleReport:
    """Reads all of a sample and says what is in it."""
    from keras_lraspp.data.decode import load_image

    def read() -> SampleReport:
        if not isinstance(samples, Dataset):
            image, label = (np.asarray(part) for part in samples.load(index))
            return SampleReport(index, content=_content(samples, image, label))
        image = np.asarray(load_image(samples.images[index]))
        finding, label = _read_label(samples, index, image.shape[:2])
        if not finding.healthy:
            return finding
        return finding._replace(content=_content(samples, image, label))

    return _guarded(index, read)


def _guarded(index: int, read: Callable[[], SampleReport]) -> SampleReport:
    try:
        return read()
    except DamagedFileError as error:
        return SampleReport(index, damage=str(error))
    except InputError as error:
        return SampleReport(index, fault=str(error))


def _read_label(dataset: Dataset, index: int, size: tuple[int, int]):
    """What is wrong with a label, and the label."""
    if not dataset.labels:
        return SampleReport(index), None
    image_path, label_path = dataset.images[index], dataset.labels[index]
    label = read_label(label_path, dataset)
    fault = size_mismatch(image_path, size, label_path, label.shape)
    illegal = tuple(illegal_values(label, dataset))
    return SampleReport(index, fault=fault, illegal=illegal), label


def _content(
    samples: SegmentationDataset, image: np.ndarray, label: np.ndarray | None
) -> SampleStats:
    size = image.shape[:2]
    if label is None:
        return SampleStats(size, _digest(image), b"", None)
    counted = label < samples.num_classes
    pixels = np.bincount(label[counted], minlength=samples.num_classes + 1)
    pixels[-1] = label.size - np.count_nonzero(counted)
    return SampleStats(size, _digest(image), _digest(label), pixels.astype(np.int64))


def _digest(pixels: np.ndarray) -> bytes:
    hasher = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    hasher.update(np.ascontiguousarray(pixels))
    return hasher.digest()


def label_file(samples: SegmentationDataset, index: int) -> Path | str:
    """Where a sample's label is."""
    if isinstance(samples, Dataset) and samples.labels:
        return samples.labels[index]
    return samples.source(index)


MOST_SKIPPED = 0.01  # share of the data set


def check_dataset(
    dataset: SegmentationDataset,
    *,
    corrupt: str = "fail",
    missing_label: str = "fail",
    progress: bool = True,
    workers: int | None = None,
) -> SegmentationDataset:
    """Looks at every file: pairs, damage, sizes and label values.

    Labels are read whole; of images the header and the end (that finds truncated files;
    damage in the middle shows when the file is decoded).

    Args:
        dataset: The data set.
        corrupt: `"fail"`, or `"skip"` to leave out samples with a damaged file, up to
            `MOST_SKIPPED` of them.
        missing_label: `"fail"`, or `"skip"` to leave out images whose label file does
            not exist.
        progress: Whether to show a progress bar when it takes long.
        workers: Files read at a time; `None` for one per processor.

    Returns:
        The data set, without what was left out.

    Raises:
        InputError: For whatever would stop or spoil a training; it names the first five
            files.
    """
    if corrupt not in ("fail", "skip"):
        raise InputError(f'corrupt is "fail" or "skip", not {corrupt!r}; correct it.')
    if isinstance(dataset, Dataset) and dataset.labels:
        images, labels = keep_labelled(
            dataset.images, dataset.labels, missing_label=missing_label
        )
        dataset = dataclasses.replace(dataset, images=images, labels=labels)
    findings = check_samples(dataset, quick_check, progress=progress, workers=workers)
    findings = [finding for finding in findings if not finding.healthy]
    faults = [finding.fault for finding in findings if finding.fault]
    if faults:
        raise InputError(_counted(faults, dataset))
    wrong = [finding for finding in findings if finding.illegal]
    if wrong:
        values = {value for finding in wrong for value in finding.illegal}
        files = [label_file(dataset, finding.index) for finding in wrong]
        raise InputError(explain_illegal(values, files, dataset))
    return _without_damaged(findings, dataset, corrupt)


def _without_damaged(
    findings: list[SampleReport], dataset: SegmentationDataset, corrupt: str
):
    if not findings:
        return dataset
    message = _counted([finding.damage for finding in findings], dataset)
    if corrupt == "fail":
        raise InputError(f'{message} Or set corrupt="skip" to leave out such files.')
    if len(findings) > MOST_SKIPPED * len(dataset):
        raise InputError(
            f"{message} That is more than {MOST_SKIPPED:.0%}, the most that is skipped."
        )
    warnings.warn(f"{message} They are left out.", stacklevel=3)
    damaged = {finding.index for finding in findings}
    return dataset.select([k for k in range(len(dataset)) if k not in damaged])


def _counted(sentences: list[str], dataset: SegmentationDataset) -> str:
    if len(sentences) == 1:
        return sentences[0]
    count = f"{len(sentences)} of {len(dataset)}"
    return f"{count} samples are faulty: {abbreviate(sentences)}"
