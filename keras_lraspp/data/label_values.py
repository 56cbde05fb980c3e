"""Label values of a data set: illegal ones, absent classes, 0/255 masks, soft edges."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_lraspp.data.label_spec import LabelSpec
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.images import ImageFile, open_image

_CITYSCAPES_IDS = range(34)
_MASK = {0, 255}
# Values of soft edges are so rare, and so many.
_EDGES_SHARE = 0.2
_FEWEST_EDGES = 3
_MOST_VALUES = 1024  # of one file that are remembered: label maps have fewer
_SHOWN = 8  # rows of a table in a message


class LabelValues(NamedTuple):
    """The values of one label file, and their colours if it is a palette image."""

    values: np.ndarray  # ascending, as `read_label` gives them
    counts: np.ndarray  # pixels of each
    colors: dict[int, tuple[int, ...]] | None = None


def count_values(label: np.ndarray, path: ImageFile | None = None) -> LabelValues:
    """Counts the pixels of each value in a label.

    Args:
        label: Integers (height, width).
        path: The file that it was read from, to look at its palette.
    """
    if label.size and 0 <= label.min() and label.max() < 1 << 16:
        counts = np.bincount(label.ravel())
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(label, return_counts=True)
    if len(values) > _MOST_VALUES:
        often = np.sort(np.argsort(-counts, kind="stable")[:_MOST_VALUES])
        values, counts = values[often], counts[often]
    return LabelValues(values, counts, None if path is None else _colors(path, values))


def _colors(path: ImageFile, values: np.ndarray) -> dict[int, tuple[int, ...]] | None:
    """Colours of the indices that a palette image uses."""
    with open_image(path) as image:
        if image.mode != "P":
            return None
        palette = np.reshape(image.getpalette("RGB"), (-1, 3)).tolist()
    return {v: tuple(palette[v]) for v in values.tolist() if v < len(palette)}


def sum_values(rows: Iterable[LabelValues]) -> Counter[int]:
    """Pixels of each value in all files together."""
    total: Counter[int] = Counter()
    for row in rows:
        total.update(dict(zip(row.values.tolist(), row.counts.tolist(), strict=True)))
    return total


def means_values(spec: LabelSpec) -> bool:
    """Whether values in label files are classes, with nothing that maps them."""
    # A data set of somebody's own need not have these.
    maps = (getattr(spec, name, None) for name in ("label_lookup", "color_map"))
    return all(table is None for table in maps)


def illegal_values(labels: np.ndarray, spec: LabelSpec) -> list[int]:
    """Returns values in `labels` that are neither a class nor the ignore label."""
    wrong = labels >= spec.num_classes
    if labels.dtype.kind == "i":
        wrong |= labels < 0
    if spec.ignore_label is not None:
        wrong &= labels != spec.ignore_label
    return np.unique(labels[wrong]).tolist() if wrong.any() else []


def explain_illegal(
    values: Iterable[int],
    files: Iterable[Path | str],
    spec: LabelSpec,
    counts: Counter[int] | None = None,
) -> str:
    """Says which values are wrong, in which files, and what most likely mends it.

    Args:
        values: Those that are neither a class nor ignored.
        files: Where they are.
        spec: What labels mean.
        counts: Pixels of every value, wrong or not, where they are known.
    """
    values = sorted(values)
    ignored = "nothing" if spec.ignore_label is None else spec.ignore_label
    return (
        f"Label values {abbreviate(values)} are neither a class "
        f"(0..{spec.num_classes - 1}) nor ignored ({ignored}) in {abbreviate(files)}; "
        f"{_mend(values, spec, counts or Counter(dict.fromkeys(values, 1)))}."
    )


def _mend(illegal: list[int], spec: LabelSpec, counts: Counter[int]) -> str:
    """What most likely mends illegal values; `counts` are those of all values."""
    present, wanted = set(counts), spec.num_classes
    if not means_values(spec):
        return "raise num_classes, or correct label_lookup, color_map or the files"
    if present == _MASK:
        return f"for masks of 0 and 255 set {_table(_MASK)}{_two_classes(spec)}"
    if illegal == [255]:
        return "set ignore_label=255 if those pixels are to be ignored"
    if wanted == 19 and set(illegal) <= {*_CITYSCAPES_IDS, 255}:
        return (
            "they look like Cityscapes' labelIds where trainIds are expected: map them "
            'with label_lookup="cityscapes", or use *_labelTrainIds.png files'
        )
    if illegal == [wanted]:
        if 0 not in present:
            return f"labels seem to count from 1: set {_table(range(1, wanted + 1))}"
        return (
            f"if 0 is a class as well, as background, set num_classes={wanted + 1}; "
            f"else ignore it: {_table(range(1, wanted + 1))}"
        )
    for levels in (present, present - {spec.ignore_label}):
        if len(levels) == wanted:
            return f"if each value is a class, set {_table(levels)}"
    if _has_soft_edges(illegal, wanted, counts):
        return (
            "they are few between many others, as at edges that were smoothed: save "
            "the labels without anti-aliasing, and resize them by nearest neighbour"
        )
    return "raise num_classes, map them with label_lookup, or correct the files"


def _table(values: Iterable[int]) -> str:
    """A `label_lookup` that makes classes of these values, in their order."""
    rows = [f"{value}: {label}" for label, value in enumerate(sorted(values))]
    if len(rows) > _SHOWN:
        rows = [*rows[:2], "...", rows[-1]]
    return f"label_lookup={{{', '.join(rows)}}}"


def _two_classes(spec: LabelSpec) -> str:
    """What else masks of 0 and 255 need."""
    more = [] if spec.num_classes == 2 else ["num_classes=2"]
    if spec.ignore_label is None:
        more.append("ignore_label=255")  # of the values that the table leaves out
    return "".join(f" and {setting}" for setting in more)


def _has_soft_edges(illegal: list[int], wanted: int, counts: Counter[int]) -> bool:
    """Whether most pixels have few values, and many others are rare."""
    frequent = {value for value, _ in counts.most_common(wanted + 1)}
    rare = [value for value in illegal if value not in frequent]
    share = sum(counts[value] for value in rare) / max(sum(counts.values()), 1)
    return len(rare) >= _FEWEST_EDGES and share < _EDGES_SHARE


def check_values(counts: Counter[int], spec: LabelSpec, split: str) -> None:
    """Refuses legal labels of which nothing can be learned or scored.

    Raises:
        InputError: If all pixels are ignored, or 255 seems to be a class.
    """
    if means_values(spec) and set(counts) == _MASK and spec.ignore_label == 255:
        raise InputError(
            f"All labels of the split {split} are 0 or 255, and 255 is ignored, so "
            f"class 0 alone is left; for masks of 0 and 255 set {_table(_MASK)}"
            f"{_two_classes(spec)}."
        )
    if counts and set(counts) == {spec.ignore_label}:
        raise InputError(
            f"All pixels of the split {split} have the ignore label "
            f"{spec.ignore_label}, so there is nothing to learn or to score; look at "
            "the label files, label_lookup, color_map and ignore_label."
        )


def warn_of_classes(training: Counter[int], validation: Counter[int], spec: LabelSpec):
    """Returns warnings of classes that training never sees.

    Raises:
        InputError: If training sees one class only.
    """
    names = spec.classes.names
    absent = [label for label in range(len(names)) if not training[label]]
    if len(absent) == len(names) - 1:
        only = next(label for label in range(len(names)) if training[label])
        raise InputError(
            f"All pixels of the training set that count are of class {only} "
            f"({names[only]}), so there is nothing to tell apart; look at the label "
            "files, label_lookup, color_map and ignore_label."
        )
    if not absent:
        return []
    sentence = (
        f"The training set has no pixel of {len(absent)} of {len(names)} classes: "
        f"{abbreviate(f'{names[label]} ({label})' for label in absent)}"
    )
    only_there = [names[label] for label in absent if validation[label]]
    if only_there:
        sentence += f"; the validation set has pixels of {abbreviate(only_there)}"
    if absent == [0] and means_values(spec):
        shift = _table(range(1, len(names)))
        sentence += (
            f"; if labels count from 1, set num_classes={len(names) - 1} and {shift}"
        )
    return [f"{sentence}."]


def warn_of_palettes(
    rows: Sequence[LabelValues], files: Sequence[Path | str]
) -> list[str]:
    """Returns a warning if one index has two colours in the palettes of labels."""
    first: dict[int, tuple[tuple[int, ...], Path | str]] = {}
    for row, file in zip(rows, files, strict=True):
        for value, color in (row.colors or {}).items():
            known, where = first.setdefault(value, (color, file))
            if known != color:
                return [
                    f"Palettes of label files differ: {value} is the colour {known} in "
                    f"{where} and {color} in {file}. The indices are read as classes; "
                    "if colours are meant, say what they mean with color_map = [(red, "
                    "green, blue, class), ...]."
                ]
    return []
