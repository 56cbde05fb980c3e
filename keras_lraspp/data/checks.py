"""A whole data set looked at before training, so that no run dies of it later."""

import dataclasses
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import tqdm

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.image_checks import check_image, size_mismatch
from keras_lraspp.data.label_values import explain_illegal, illegal_values
from keras_lraspp.data.opening import DamagedFileError
from keras_lraspp.data.pairing import keep_labelled, some
from keras_lraspp.data.reading import read_label
from keras_lraspp.errors import InputError

MOST_SKIPPED = 0.01  # share of the data set
_PATIENCE = 2.0  # seconds before a progress bar appears


class _Finding(NamedTuple):
    """What is wrong with one image and its label."""

    index: int
    damage: str | None = None  # the file may be left out
    fault: str | None = None  # the data set is not what it should be
    illegal: Sequence[int] = ()


def check_dataset(
    dataset: Dataset,
    *,
    corrupt: str = "fail",
    missing_label: str = "fail",
    progress: bool = True,
    workers: int | None = None,
) -> Dataset:
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
    if dataset.labels:
        images, labels = keep_labelled(
            dataset.images, dataset.labels, missing_label=missing_label
        )
        dataset = dataclasses.replace(dataset, images=images, labels=labels)
    findings = _look_at_all(dataset, progress, workers or _processors())
    faults = [finding.fault for finding in findings if finding.fault]
    if faults:
        raise InputError(_counted(faults, dataset))
    wrong = [finding for finding in findings if finding.illegal]
    if wrong:
        values = {value for finding in wrong for value in finding.illegal}
        files = [dataset.labels[finding.index] for finding in wrong]
        raise InputError(explain_illegal(values, files, dataset))
    return _without_damaged(findings, dataset, corrupt)


def _look_at_all(dataset: Dataset, progress: bool, workers: int) -> list[_Finding]:
    bar = tqdm.tqdm(
        total=len(dataset),
        desc=f"checking {dataset.name} {dataset.split}",
        unit="image",
        delay=_PATIENCE,
        disable=not progress,
        leave=False,
    )
    findings = []
    with bar, ThreadPoolExecutor(workers) as pool:
        # Pillow decodes without holding Python's lock.
        for finding in pool.map(lambda i: _look_at(dataset, i), range(len(dataset))):
            bar.update()
            if finding is not None:
                findings.append(finding)
    return findings


def _look_at(dataset: Dataset, index: int) -> _Finding | None:
    image_path = dataset.images[index]
    try:
        size = check_image(image_path)
        if not dataset.labels:
            return None
        label = read_label(dataset.labels[index], dataset)
    except DamagedFileError as error:
        return _Finding(index, damage=str(error))
    except InputError as error:
        return _Finding(index, fault=str(error))
    fault = size_mismatch(image_path, size, dataset.labels[index], label.shape)
    illegal = illegal_values(label, dataset)
    return _Finding(index, fault=fault, illegal=illegal) if fault or illegal else None


def _without_damaged(findings: list[_Finding], dataset: Dataset, corrupt: str):
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
    kept = [index for index in range(len(dataset)) if index not in damaged]
    return dataclasses.replace(
        dataset,
        images=tuple(dataset.images[index] for index in kept),
        labels=tuple(dataset.labels[index] for index in kept if dataset.labels),
    )


def _counted(sentences: list[str], dataset: Dataset) -> str:
    if len(sentences) == 1:
        return sentences[0]
    return f"{len(sentences)} of {len(dataset)} samples are faulty: {some(sentences)}"


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
