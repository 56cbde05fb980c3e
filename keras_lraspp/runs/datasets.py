"""Data sets as the runs get them: a factory from the config, a folder from a flag."""

from collections.abc import Callable
from pathlib import Path

from keras_lraspp.data.dataset import Dataset


def open_dataset(
    factory: Callable[..., Dataset], data_root: str | Path | None, split: str
) -> Dataset:
    """Lists one split of the configured data set.

    Args:
        factory: E.g. `Cityscapes`, with its arguments bound.
        data_root: The folder; `None` for the factory's own default.
        split: Name of the split.

    Returns:
        The data set.

    Raises:
        InputError: If the folder is missing or empty.
    """
    if data_root is None:
        return factory(split=split)
    return factory(root=data_root, split=split)
