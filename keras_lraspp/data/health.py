"""Full check of a split: problems, statistics, duplicates and class weights."""

import inspect
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from keras_lraspp.data.check import (
    SampleReport,
    SampleStats,
    check_samples,
    count_all,
    explain_illegal_labels,
    full_check,
    label_source,
    palette_warnings,
    turned_warnings,
)
from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.data.label_values import check_values, warn_of_classes
from keras_lraspp.errors import InputError

FORMULA = (
    "median frequency balancing (Eigen and Fergus, 2015): median of the classes' "
    "frequencies / frequency, the frequency being the share of a class among the "
    "pixels that count in images where it occurs"
)


class Problem(NamedTuple):
    """A problem of a data set, or what looks like one."""

    kind: str  # as "listing", "damaged", "illegal labels", "leak"
    message: str  # one or more sentences
    files: tuple[str, ...] = ()
    serious: bool = True  # whether it would stop or spoil a training


class SplitHealth(NamedTuple):
    """Problems and statistics of one split."""

    split: str
    samples: SegmentationDataset | None  # `None` if it could not be listed
    problems: tuple[Problem, ...]
    reports: tuple[SampleReport, ...]  # one for each sample

    @property
    def stats(self) -> list[SampleStats]:
        """Statistics of the samples that can be used."""
        return [report.stats for report in self.reports if report.stats]

    @property
    def sizes(self) -> Counter:
        """Number of images of each height and width."""
        return Counter(row.size for row in self.stats)

    @property
    def mean_size(self) -> tuple[float, float] | None:
        """Mean height and width; `None` without images."""
        sizes = [row.size for row in self.stats]
        return tuple(np.mean(sizes, axis=0).tolist()) if sizes else None

    @property
    def pixels(self) -> np.ndarray | None:
        """Labelled pixels, int64 (images, classes + 1); ignored ones come last."""
        rows = [row.pixels for row in self.stats if row.pixels is not None]
        return np.stack(rows) if rows else None


def full_check_split(
    factory: Callable[..., SegmentationDataset],
    split: str,
    *,
    progress: bool = True,
    workers: int | None = None,
) -> SplitHealth:
    """Reads every file of a split.

    `factory` lists the data set: it is called as `factory(split=...)`, and again with
    `missing_label="skip"` where it takes that and the first time failed.
    """
    samples, problems = _list_samples(factory, split)
    if samples is None:
        return SplitHealth(split, None, tuple(problems), ())
    reports = check_samples(samples, full_check, progress=progress, workers=workers)
    problems += _problems_of(samples, reports)
    return SplitHealth(split, samples, tuple(problems), tuple(reports))


def _list_samples(
    factory, split: str
) -> tuple[SegmentationDataset | None, list[Problem]]:
    problems: list[Problem] = []
    attempts = [{}]
    if "missing_label" in inspect.signature(factory).parameters:
        attempts.append({"missing_label": "skip"})
    for options in attempts:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                samples = factory(split=split, **options)
            except InputError as error:
                # Whatever wraps the reader may have added lines.
                message = str(error).partition("\n")[0]
                if message not in [problem.message for problem in problems]:
                    problems.append(Problem("listing", message))
                continue
        if not options:  # skipping warns of what is a problem already
            texts = [str(one.message) for one in caught if one.category is UserWarning]
            problems += [Problem("listing", text, serious=False) for text in texts]
        return samples, problems
    return None, problems


def _problems_of(
    samples: SegmentationDataset, reports: Sequence[SampleReport]
) -> list[Problem]:
    problems = []
    for kind, field in (("damaged", "damage"), ("unusable", "fault")):
        wrong = [report for report in reports if getattr(report, field)]
        if wrong:
            message = "\n".join(getattr(report, field) for report in wrong)
            files = tuple(samples.source(report.index) for report in wrong)
            problems.append(Problem(kind, message, files))
    wrong = [report for report in reports if report.illegal]
    if wrong:
        files = tuple(str(label_source(samples, report.index)) for report in wrong)
        message = explain_illegal_labels(wrong, samples, count_all(reports))
        problems.append(Problem("illegal labels", message, files))
    else:
        problems += _listen(check_values, count_all(reports), samples, samples.split)
    others = {"palettes": palette_warnings, "orientation": turned_warnings}
    return problems + [
        Problem(kind, message, serious=False)
        for kind, find in others.items()
        for message in find(reports, samples)
    ]


def find_odd_classes(splits: Sequence[SplitHealth]) -> list[Problem]:
    """Finds classes of which the first split has no pixel."""
    labelled = [health for health in splits if health.pixels is not None]
    if not labelled or any(problem.serious for problem in labelled[0].problems):
        return []
    first, *others = (count_all(health.reports) for health in labelled)
    return _listen(warn_of_classes, first, sum(others, Counter()), labelled[0].samples)


def _listen(check: Callable[..., list[str] | None], *arguments) -> list[Problem]:
    """Calls a check of all labels; what it returns are warnings, what it raises not."""
    try:
        found = check(*arguments) or ()
    except InputError as error:
        return [Problem("labels", str(error))]
    return [Problem("labels", message, serious=False) for message in found]


# Sentence, kind of problem, and whether it is serious.
_DUPLICATES = {
    "leak": (
        "in two splits, which makes scores on the second too good; leave it out of one",
        "leak",
        True,
    ),
    "other labels": (
        "there twice with different labels; keep the right one",
        "duplicates",
        True,
    ),
    "same labels": ("there twice, with equal labels", "duplicates", False),
}


def find_duplicates(splits: Iterable[SplitHealth]) -> list[Problem]:
    """Finds images that occur twice, pixel by pixel.

    Twice in one split is a waste, and a fault if their labels differ; in two splits it
    spoils what the second is for.
    """
    entries = defaultdict(list)
    for health in splits:
        for report in health.reports:
            if report.stats:
                source = health.samples.source(report.index)
                entry = health.split, source, report.stats.label_digest
                entries[report.stats.digest].append(entry)
    kinds = defaultdict(list)
    for same in entries.values():
        if len(same) > 1:
            leak = len({split for split, _, _ in same}) > 1
            differ = len({label for _, _, label in same}) > 1
            kind = "leak" if leak else "other labels" if differ else "same labels"
            kinds[kind].append(same)
    present = [kind for kind in _DUPLICATES if kind in kinds]
    return [_duplicate_problem(kind, kinds[kind]) for kind in present]


def _duplicate_problem(kind: str, groups: list) -> Problem:
    words, name, serious = _DUPLICATES[kind]
    rows = [" = ".join(source for _, source, _ in same) for same in groups]
    message = "\n".join([f"the same picture is {words} ({len(groups)} times):", *rows])
    files = tuple(source for same in groups for _, source, _ in same)
    return Problem(name, message, files, serious)


def class_weights(pixels: np.ndarray) -> np.ndarray:
    """Suggests weights that balance rare and frequent classes.

    Median frequency balancing: the frequency of a class is its share of the pixels that
    count in those images where it occurs; its weight is the median of all classes'
    frequencies divided by its own.

    Args:
        pixels: Integers (images, classes + 1), ignored pixels last.

    Returns:
        float64 (classes,); nan for classes that do not occur.

    Reference:
        Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a
        Common Multi-Scale Convolutional Architecture", ICCV 2015, section 6.3.2.
    """
    counts = pixels[:, :-1].astype(np.float64)
    present = counts > 0
    around = (present * counts.sum(axis=1, keepdims=True)).sum(axis=0)
    frequency = np.full(counts.shape[1], np.nan)
    np.divide(counts.sum(axis=0), around, out=frequency, where=around > 0)
    if np.isnan(frequency).all():
        return frequency
    return np.nanmedian(frequency) / frequency
