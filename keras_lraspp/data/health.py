"""What the data doctor finds: every file read, all that is wrong, all that is there."""

import inspect
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from keras_lraspp.data.check import SampleReport, check_samples, full_check, label_file
from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.data.label_spec import explain_illegal
from keras_lraspp.errors import InputError


class Problem(NamedTuple):
    """Something that is wrong, or looks so.

    Attributes:
        kind: `"listing"`, `"damaged"`, `"unusable"`, `"illegal labels"`,
            `"duplicates"` or `"leak"`.
        message: One or more sentences.
        files: All files that have it.
        serious: Whether it would stop or spoil a training.
    """

    kind: str
    message: str
    files: tuple[str, ...] = ()
    serious: bool = True


class SplitHealth(NamedTuple):
    """One split looked at.

    Attributes:
        split: Its name.
        samples: The data set; `None` if it could not be listed.
        problems: What is wrong with it.
        findings: One for each sample.
    """

    split: str
    samples: SegmentationDataset | None
    problems: tuple[Problem, ...]
    findings: tuple[SampleReport, ...]

    @property
    def contents(self):
        """Contents of the samples that can be used."""
        return [found.content for found in self.findings if found.content]

    @property
    def sizes(self) -> Counter:
        """How many images have which height and width."""
        return Counter(content.size for content in self.contents)

    @property
    def mean_size(self) -> tuple[float, float] | None:
        """Mean height and width; `None` without images."""
        sizes = [content.size for content in self.contents]
        return tuple(np.mean(sizes, axis=0).tolist()) if sizes else None

    @property
    def pixels(self) -> np.ndarray | None:
        """Labelled pixels, int64 (images, classes + 1); ignored ones come last."""
        rows = [row.pixels for row in self.contents if row.pixels is not None]
        return np.stack(rows) if rows else None


def examine_split(
    listing: Callable[..., SegmentationDataset],
    split: str,
    *,
    progress: bool = True,
    workers: int | None = None,
) -> SplitHealth:
    """Reads every file of a split.

    Args:
        listing: Reads the list of files: called as `listing(split=...)`, and again with
            `missing_label="skip"` where it takes that and the first time failed.
        split: Name of the split.
        progress: Whether to show a bar with the time left.
        workers: Samples read at a time; `None` for one per processor.

    Returns:
        What was found.
    """
    samples, problems = _list(listing, split)
    if samples is None:
        return SplitHealth(split, None, tuple(problems), ())
    findings = check_samples(samples, full_check, progress=progress, workers=workers)
    problems += _problems_of(samples, findings)
    return SplitHealth(split, samples, tuple(problems), tuple(findings))


def _list(listing, split: str) -> tuple[SegmentationDataset | None, list[Problem]]:
    problems: list[Problem] = []
    ways = [{}]
    if "missing_label" in inspect.signature(listing).parameters:
        ways.append({"missing_label": "skip"})
    for way in ways:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                samples = listing(split=split, **way)
            except InputError as error:
                # Whatever wraps the reader may have added lines.
                message = str(error).partition("\n")[0]
                if message not in [problem.message for problem in problems]:
                    problems.append(Problem("listing", message))
                continue
        if not way:  # skipping warns of what is a problem already
            texts = [str(one.message) for one in caught if one.category is UserWarning]
            problems += [Problem("listing", text, serious=False) for text in texts]
        return samples, problems
    return None, problems


def _problems_of(
    samples: SegmentationDataset, findings: Sequence[SampleReport]
) -> list[Problem]:
    problems = []
    for kind, sentence in (
        ("damaged", lambda found: found.damage),
        ("unusable", lambda found: found.fault),
    ):
        wrong = [found for found in findings if sentence(found)]
        if wrong:
            message = "\n".join(sentence(found) for found in wrong)
            files = tuple(samples.source(found.index) for found in wrong)
            problems.append(Problem(kind, message, files))
    wrong = [found for found in findings if found.illegal]
    if wrong:
        values = {value for found in wrong for value in found.illegal}
        files = [str(label_file(samples, found.index)) for found in wrong]
        message = explain_illegal(values, files, samples)
        problems.append(Problem("illegal labels", message, tuple(files)))
    return problems


def duplicates(splits: Iterable[SplitHealth]) -> list[Problem]:
    """Finds pictures that are there twice, pixel by pixel.

    Twice in one split is a waste, and a fault if their labels differ; in two splits it
    spoils what the second is for.
    """
    places = defaultdict(list)
    for health in splits:
        for found in health.findings:
            if found.content:
                place = (health.split, health.samples.source(found.index))
                places[found.content.digest].append(
                    (*place, found.content.label_digest)
                )
    kinds = defaultdict(list)
    for same in places.values():
        if len(same) > 1:
            leak = len({split for split, _, _ in same}) > 1
            differ = len({label for _, _, label in same}) > 1
            kind = "leak" if leak else "other labels" if differ else "same labels"
            kinds[kind].append(same)
    return [_duplicate_problem(kind, kinds[kind]) for kind in _WORDS if kind in kinds]


_WORDS = {
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


def _duplicate_problem(kind: str, groups: list) -> Problem:
    words, name, serious = _WORDS[kind]
    rows = [" = ".join(where for _, where, _ in same) for same in groups]
    message = "\n".join([f"the same picture is {words} ({len(groups)} times):", *rows])
    files = tuple(where for same in groups for _, where, _ in same)
    return Problem(name, message, files, serious)


# In a few words, for who reads the numbers.
FORMULA = (
    "median frequency balancing (Eigen and Fergus, 2015): median of the classes' "
    "frequencies / frequency, the frequency being the share of a class among the "
    "pixels that count in images where it occurs"
)


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
