"""A whole data set looked at before training, so that no run dies of it later."""

import dataclasses
import warnings

from keras_lraspp.data.checking.examining import (
    Finding,
    examine_all,
    glance,
    label_file,
)
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.label_spec import explain_illegal
from keras_lraspp.data.pairing import keep_labelled
from keras_lraspp.data.samples import Samples
from keras_lraspp.errors import InputError, abbreviate

MOST_SKIPPED = 0.01  # share of the data set


def check_dataset(
    dataset: Samples,
    *,
    corrupt: str = "fail",
    missing_label: str = "fail",
    progress: bool = True,
    workers: int | None = None,
) -> Samples:
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
    findings = examine_all(dataset, glance, progress=progress, workers=workers)
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


def _without_damaged(findings: list[Finding], dataset: Samples, corrupt: str):
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


def _counted(sentences: list[str], dataset: Samples) -> str:
    if len(sentences) == 1:
        return sentences[0]
    count = f"{len(sentences)} of {len(dataset)}"
    return f"{count} samples are faulty: {abbreviate(sentences)}"
