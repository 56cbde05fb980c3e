"""The tensors of a checkpoint beside those of a model."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.models.reference_names import canonical_name, reference_tensors

_BACKBONE = ("backbone.conv.", "backbone.blocks.")
_HEAD = "lraspp_head."


class ImportReport(NamedTuple):
    """What became of every tensor, by the reference's names.

    Attributes:
        loaded: Tensors that are now in the model.
        unused: Tensors that the file has beyond the model.
        missing: Tensors that the model has beyond the file; they stay as they were.
        mismatched: Tensors of another shape, with both shapes; not loaded either.
    """

    loaded: tuple[str, ...]
    unused: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Returns a line for each kind that there is."""
        lines = [f"{len(self.loaded)} tensors loaded"]
        for names, text in (
            (self.unused, "in the file, not used by the model"),
            (self.missing, "of the model, not in the file"),
            (self.mismatched, "of another shape, not loaded"),
        ):
            if names:
                lines.append(f"{len(names)} {text}: {_some(names)}")
        return "\n".join(lines)


def compare(
    model: keras.Model,
    tensors: Mapping[str, np.ndarray],
    source: str,
    *,
    strict: bool = True,
    keep: Collection[str] = (),
) -> ImportReport:
    """Says what `fill` would do; raises the same errors, and changes nothing."""
    ours = _shapes(model)
    theirs = {canonical_name(name): value.shape for name, value in tensors.items()}
    if len(theirs) < len(tensors):
        raise InputError(f"{source} has several tensors for one place in the model.")
    both = [name for name in ours if name in theirs and name not in keep]
    mismatched = tuple(
        f"{name} {theirs[name]} in the file, {ours[name]} here"
        for name in both
        if theirs[name] != ours[name]
    )
    report = ImportReport(
        loaded=tuple(name for name in both if theirs[name] == ours[name]),
        unused=tuple(name for name in theirs if name not in ours or name in keep),
        missing=tuple(name for name in ours if name not in theirs),
        mismatched=mismatched,
    )
    wrong = _unexpected(report, model, theirs, keep)
    if strict and any(wrong):
        raise InputError(
            f"{source} does not hold the weights of this {type(model).__name__}: "
            f"{_complaint(wrong)}. Choose the variant and number of classes of the "
            f"file; strict=False would load what fits."
        )
    return report


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """The reference's shapes, with the biases that we fold into a mean."""
    shapes = {}
    for row in reference_tensors(model):
        shapes[row.name] = row.shape
        if row.minus is not None:
            shapes[row.minus] = row.shape
    return shapes


def _unexpected(report: ImportReport, model, theirs, keep) -> ImportReport:
    """Leaves of a report what should not be in it."""
    whole_file = any(name.startswith(_HEAD) for name in theirs)
    whole_model = hasattr(model, "backbone")
    # A backbone's file may have a classifier, a whole network's a head for a backbone.
    return report._replace(
        loaded=(),
        unused=tuple(
            name
            for name in report.unused
            if (whole_file and whole_model or name.startswith(_BACKBONE))
            and name not in keep
        ),
        missing=tuple(
            name for name in report.missing if whole_file or not name.startswith(_HEAD)
        ),
    )


def _complaint(wrong: ImportReport) -> str:
    return "; ".join(
        f"{text} {_some(names)}"
        for text, names in (
            ("tensors that differ:", wrong.mismatched),
            ("it lacks", wrong.missing),
            ("it also has", wrong.unused),
        )
        if names
    )


def _some(names: tuple[str, ...], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(name[:200] for name in names[:most]) + more
