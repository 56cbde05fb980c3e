"""The classes of a run without a data set: as configured, or as training noted them."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from keras_lraspp.classes import CLASS_SETS, ClassSet, named_classes
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import CARD, has_card, noted_classes
from keras_lraspp.predictors import ExportedPredictor, is_exported

__all__ = ["CARD", "find_classes"]


def find_classes(
    classes: str | int | Sequence[str] | None,
    weights: str | Path,
    run: str = "predict",
) -> ClassSet:
    """Finds names and colours of classes.

    Args:
        classes: `"cityscapes"`, `"camvid"` or another name of `CLASS_SETS`, a list of
            names, or a number of classes; `None` for what training noted in `weights`.
        weights: The model's weights file, or an exported file.
        run: The run that takes the classes, for the message.

    Returns:
        Names and colours.

    Raises:
        InputError: For an unknown name, or if nothing is noted.
    """
    if classes is not None:
        return named_classes(classes)
    if is_exported(weights):
        noted = ExportedPredictor(weights).classes
        if noted is None:
            raise InputError(_say_them(weights, run))
        return noted
    if not Path(weights).is_file():
        raise InputError(f"There is no weights file {weights}; check --weights.")
    if _is_whole(weights) and not has_card(Path(weights)):
        raise InputError(_say_them(weights, run))
    return noted_classes(Path(weights))


def _is_whole(weights: str | Path) -> bool:
    """Whether a file may be whole although there is no card in it."""
    return str(weights).endswith(".h5") or zipfile.is_zipfile(weights)


def _say_them(weights: str | Path, run: str) -> str:
    return (
        f"{weights} does not say what its classes are; name them with "
        f"--gin_bindings=\"{run}.classes = 'cityscapes'\", or another of "
        f"{sorted(CLASS_SETS)}, a list of names, or a number of classes."
    )
