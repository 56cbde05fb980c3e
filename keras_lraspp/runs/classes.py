"""The classes of a run without a data set: as configured, or as training noted them."""

from collections.abc import Sequence
from pathlib import Path

from keras_lraspp.data.label_maps import ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.model_card import CARD, named_classes, noted_classes
from keras_lraspp.predictors import ExportedPredictor, is_exported

__all__ = ["CARD", "find_classes"]


def find_classes(
    classes: str | int | Sequence[str] | None, weights: str | Path
) -> ClassSet:
    """Finds names and colours of classes.

    Args:
        classes: `"cityscapes"`, `"camvid"` or another name of `CLASS_SETS`, a list of
            names, or a number of classes; `None` for what training noted in `weights`.
        weights: The model's weights file, or an exported file.

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
            raise InputError(
                f"{weights} does not say what its classes are; name them in the "
                f"configuration, as predict.classes."
            )
        return noted
    if not Path(weights).is_file():
        raise InputError(f"There is no weights file {weights}; check --weights.")
    return noted_classes(Path(weights))
