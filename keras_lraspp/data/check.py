"""Checks of a data set's images and labels before training."""

import contextlib
import dataclasses
import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from keras_lraspp.data.dataset import Dataset, SegmentationDataset
from keras_lraspp.data.decode import load_image, size_mismatch
from keras_lraspp.data.label_spec import check_class_count, read_label
from keras_lraspp.data.label_values import (
    LabelValues,
    check_values,
    count_values,
    explain_illegal,
    illegal_values,
    means_values,
    sum_values,
    warn_of_classes,
    warn_of_palettes,
)
from keras_lraspp.data.pairing import keep_labelled
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.images import (
    DamagedFileError,
    open_bands,
    open_image,
    read_image,
    stored_size,
)
from keras_lraspp.parallel import map_threads, processors
from keras_lraspp.pixels import check_channels
from keras_lraspp.progress import ProgressBar

_Samples = TypeVar("_Samples", bound=SegmentationDataset)
# The last bytes of a whole file.
_ENDS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}
MOST_SKIPPED = 0.01  # share of the data set
_PATIENCE = 2.0  # seconds before a progress bar appears


class SampleStats(NamedTuple):
    """Size, digests and class counts of a sample that can be used."""

    size: tuple[int, int]  # height, width
    digest: bytes  # of the image's pixels; equal only for equal pictures
    label_digest: bytes
    pixels: np.ndarray | None  # int64 (classes + 1,), of each class and ignored


class SampleReport(NamedTuple):
    """Faults of one sample, and its statistics."""

    index: int
    damage: str | None = None  # the file may be left out
    fault: str | None = None  # the data set is not what it should be
    illegal: tuple[int, ...] = ()  # label values
    values: LabelValues | None = None  # of its label
    orientation: int = 1  # EXIF's, of an image that is taken as stored unasked
    stats: SampleStats | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.damage or self.fault or self.illegal)


def check_dataset(
    dataset: _Samples,
    *,
    corrupt: str = "fail",
    missing_label: str = "fail",
    progress: bool = True,
    workers: int | None = None,
) -> _Samples:
    """Checks every file of a data set: pairs, damage, sizes and label values.

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
    return _check(dataset, corrupt, progress, workers)[0]


def check_training_data(
    training_set: SegmentationDataset,
    validation_set: SegmentationDataset,
    *,
    corrupt: str = "fail",
    progress: bool = True,
) -> tuple[SegmentationDataset, SegmentationDataset]:
    """Checks the two splits of a training, each by itself and against the other.

    Warns of classes that the training set has no pixel of, and of images that are in
    both splits.

    Args:
        training_set: What is trained on.
        validation_set: What is scored.
        corrupt: As in `check_dataset`.
        progress: As in `check_dataset`.

    Returns:
        Both, without what was left out.

    Raises:
        InputError: As `check_dataset` does, or if training sees one class only.
    """
    check_class_count(training_set.classes)
    training_set, seen = _check(training_set, corrupt, progress)
    validation_set, scored = _check(validation_set, corrupt, progress)
    found = shared_images(training_set, validation_set)
    if seen:
        found += warn_of_classes(seen, scored, training_set)
    for message in found:
        warnings.warn(message, stacklevel=3)
    return training_set, validation_set


def _check(dataset: Any, corrupt: str, progress: bool, workers: int | None = None):
    """Checks all samples; returns the data set, and the pixels of each label value."""
    every = check_samples(dataset, quick_check, progress=progress, workers=workers)
    reports = [report for report in every if not report.healthy]
    faults = [report.fault for report in reports if report.fault]
    if faults:
        raise InputError(_summary(faults, dataset))
    counts = count_all(every)
    wrong = [report for report in reports if report.illegal]
    if wrong:
        raise InputError(explain_illegal_labels(wrong, dataset, counts))
    check_values(counts, dataset, dataset.split)
    for message in palette_warnings(every, dataset) + turned_warnings(every, dataset):
        warnings.warn(message, stacklevel=4)
    return _without_damaged(reports, dataset, corrupt), counts


def count_all(reports: Sequence[SampleReport]) -> Counter[int]:
    """Pixels of each label value in all samples that could be read."""
    return sum_values(report.values for report in reports if report.values)


def palette_warnings(
    reports: list[SampleReport], dataset: SegmentationDataset
) -> list[str]:
    """Returns a warning if palettes of label files differ in what they use."""
    read = [report for report in reports if report.values]
    files = [label_source(dataset, report.index) for report in read]
    return warn_of_palettes([report.values for report in read], files)


def check_orientations(dataset: SegmentationDataset, *, progress: bool = True) -> None:
    """Refuses images with an EXIF orientation, or warns of them, by the headers alone.

    Raises:
        InputError: If the data set refuses them and there are some.
    """
    if getattr(dataset, "orientation", None) not in ("refuse", "warn"):
        return

    def check(samples: SegmentationDataset, index: int) -> SampleReport:
        return _report_errors(
            index, lambda: _with_orientation(SampleReport(index), samples)
        )

    reports = check_samples(dataset, check, progress=progress)
    faults = [report.fault for report in reports if report.fault]
    if faults:
        raise InputError(_summary(faults, dataset))
    for message in turned_warnings(reports, dataset):
        warnings.warn(message, stacklevel=3)


def turned_warnings(
    reports: list[SampleReport], dataset: SegmentationDataset
) -> list[str]:
    """Returns a warning if images have an EXIF orientation that is not applied."""
    turned = [report for report in reports if report.orientation != 1]
    if not turned:
        return []
    files = [dataset.source(report.index) for report in turned]
    return [
        f"{len(turned)} of {len(dataset)} images have an EXIF orientation, but are "
        f'taken as stored: {abbreviate(files)}; set orientation="stored" if masks were '
        'drawn on that, "upright" if on what is seen.'
    ]


def shared_images(
    training_set: SegmentationDataset, validation_set: SegmentationDataset
) -> list[str]:
    """Returns a warning if both splits have some image file."""
    if not (isinstance(training_set, Dataset) and isinstance(validation_set, Dataset)):
        return []
    trained = {*map(_identity, training_set.images)}
    both = [path for path in validation_set.images if _identity(path) in trained]
    if not both:
        return []
    return [
        f"{len(both)} of {len(validation_set)} images of the validation set are in the "
        f"training set, too, which makes scores too good: {abbreviate(both)}; leave "
        "them out of one."
    ]


def _identity(path: Path) -> tuple[int, int]:
    """Is the same for a file and links to it."""
    status = path.stat()
    return status.st_dev, status.st_ino


def explain_illegal_labels(
    reports: list[SampleReport], dataset: SegmentationDataset, counts: Counter[int]
) -> str:
    """Says in one sentence which label values are wrong, and in which files."""
    values = {value for report in reports for value in report.illegal}
    files = [label_source(dataset, report.index) for report in reports]
    return explain_illegal(values, files, dataset, counts)


def _without_damaged(
    reports: list[SampleReport], dataset: _Samples, corrupt: str
) -> _Samples:
    if not reports:
        return dataset
    message = _summary([report.damage for report in reports], dataset)
    if corrupt == "fail":
        raise InputError(f'{message} Or set corrupt="skip" to leave out such files.')
    if len(reports) > MOST_SKIPPED * len(dataset):
        raise InputError(
            f"{message} That is more than {MOST_SKIPPED:.0%}, the most that is skipped."
        )
    warnings.warn(f"{message} They are left out.", stacklevel=3)
    damaged = {report.index for report in reports}
    return dataset.select([k for k in range(len(dataset)) if k not in damaged])


def _summary(sentences: list[str], dataset: SegmentationDataset) -> str:
    if len(sentences) == 1:
        return sentences[0]
    count = f"{len(sentences)} of {len(dataset)}"
    return f"{count} samples are faulty: {abbreviate(sentences)}"


def check_samples(
    dataset: SegmentationDataset,
    check_sample: Callable[[SegmentationDataset, int], SampleReport],
    *,
    progress: bool = True,
    workers: int | None = None,
) -> list[SampleReport]:
    """Calls `quick_check` or `full_check` for every sample, several at a time."""
    bar = ProgressBar(
        f"checking {dataset.name} {dataset.split}",
        len(dataset),
        "images",
        delay=_PATIENCE,
        show=progress,
    )
    # Decoders do not hold Python's lock.
    results = map_threads(
        partial(check_sample, dataset), range(len(dataset)), workers or processors()
    )
    reports = []
    with bar, contextlib.closing(results):
        for _, report in results:
            reports.append(report.result())
            bar.update()
    return reports


def quick_check(dataset: SegmentationDataset, index: int) -> SampleReport:
    """Checks a label, and of an image file the header and the end."""
    if not isinstance(dataset, Dataset):
        return full_check(dataset, index)._replace(stats=None)

    def read() -> SampleReport:
        size = check_image_file(dataset.images[index], dataset.channels)
        if dataset.is_upright:
            size = dataset.size(index)
        return _check_label(dataset, index, size)[0]

    return _report_errors(index, read)


def full_check(dataset: SegmentationDataset, index: int) -> SampleReport:
    """Reads all of a sample, checks it and counts what is in it."""

    def read() -> SampleReport:
        if isinstance(dataset, Dataset):
            image = load_image(dataset.images[index], None, **dataset.reading)
            image = np.asarray(image)
            report, label = _check_label(dataset, index, image.shape[:2])
        else:
            report = SampleReport(index)
            image, label = map(np.asarray, dataset.load(index))
            report = report._replace(values=count_values(label))
            report = _with_orientation(report, dataset)
        if not report.healthy:
            return report
        return report._replace(stats=_stats(dataset, image, label))

    return _report_errors(index, read)


def check_image_file(path: Path, channels: int = 3) -> tuple[int, int]:
    """Checks an image file's header and that it has not been cut off.

    Only where the end looks unusual (bytes appended to it, a rare format) is the image
    decoded.

    Args:
        path: The image file.
        channels: How many it has to have.

    Returns:
        Height and width of the pixels as stored.

    Raises:
        InputError: As `read_image` does.
    """
    bands = open_bands(path, channels)
    if bands is not None:
        if not bands.is_raw:
            read_image(path, channels=channels)
        return bands.size
    with open_image(path) as image:
        check_channels(path, image, channels)
        size = stored_size(image)
        whole = _ends_well(path, image)
    if not whole:
        read_image(path, apply_exif=False, channels=channels)
    return size


def _ends_well(path: Path, image: Image.Image) -> bool:
    end = _ENDS.get(image.format)
    if end is None:
        return False
    with open(path, "rb") as file:
        file.seek(-len(end), os.SEEK_END)
        return file.read() == end


def _report_errors(index: int, read: Callable[[], SampleReport]) -> SampleReport:
    try:
        return read()
    except DamagedFileError as error:
        return SampleReport(index, damage=str(error))
    except InputError as error:
        return SampleReport(index, fault=str(error))


def _check_label(dataset: Dataset, index: int, size: tuple[int, int]):
    """Reads a label; returns the report and the label, `None` if there is none."""
    if not dataset.labels:
        return SampleReport(index), None
    image_path, label_path = dataset.images[index], dataset.labels[index]
    label = read_label(label_path, dataset)
    channels = dataset.channels
    fault = size_mismatch(image_path, size, label_path, label.shape, channels)
    illegal = tuple(illegal_values(label, dataset))
    values = count_values(label, label_path if means_values(dataset) else None)
    report = SampleReport(index, fault=fault, illegal=illegal, values=values)
    return report if fault else _with_orientation(report, dataset), label


def _with_orientation(
    report: SampleReport, dataset: SegmentationDataset
) -> SampleReport:
    """Adds an image's EXIF orientation, a fault or not, if it is taken as stored."""
    rule = getattr(dataset, "orientation", None)
    if rule not in ("refuse", "warn"):
        return report
    orientation = dataset.image_orientation(report.index)
    if orientation == 1 or rule == "warn":
        return report._replace(orientation=orientation)
    fault = (
        f"{dataset.source(report.index)} has the EXIF orientation {orientation}, so "
        'what is seen are not its pixels as stored; set orientation="upright" if masks '
        'were drawn on what is seen, "stored" if on the pixels as stored.'
    )
    return report._replace(fault=fault)


def _stats(
    dataset: SegmentationDataset, image: np.ndarray, label: np.ndarray | None
) -> SampleStats:
    size = image.shape[:2]
    if label is None:
        return SampleStats(size, _digest(image), b"", None)
    counted = label < dataset.num_classes
    pixels = np.bincount(label[counted], minlength=dataset.num_classes + 1)
    pixels[-1] = label.size - np.count_nonzero(counted)
    return SampleStats(size, _digest(image), _digest(label), pixels.astype(np.int64))


def _digest(pixels: np.ndarray) -> bytes:
    hasher = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    hasher.update(np.ascontiguousarray(pixels))
    return hasher.digest()


def label_source(dataset: SegmentationDataset, index: int) -> Path | str:
    """Where a sample's label is."""
    if isinstance(dataset, Dataset) and dataset.labels:
        return dataset.labels[index]
    return dataset.source(index)
