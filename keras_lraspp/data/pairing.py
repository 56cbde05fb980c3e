"""Images and labels that belong together, and what to do when one is missing."""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from keras_lraspp.errors import InputError

_SHOWN = 5


def keep_labelled(
    images: Sequence[Path],
    labels: Sequence[Path],
    *,
    exists: Callable[[Path], bool] = Path.is_file,
    missing_label: str = "fail",
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Refuses, or leaves out, images whose label file does not exist.

    Args:
        images: Image files.
        labels: The label file that each should have.
        exists: Tells whether a label file exists.
        missing_label: `"fail"`, or `"skip"` to leave such images out with a warning.

    Returns:
        The images and labels that are left.

    Raises:
        InputError: For an image without label, unless skipped; or if none is left.
    """
    if missing_label not in ("fail", "skip"):
        raise InputError(
            f'missing_label is "fail" or "skip", not {missing_label!r}; correct it.'
        )
    pairs = list(zip(images, labels, strict=True))
    kept = [(image, label) for image, label in pairs if exists(label)]
    missing = [(image, label) for image, label in pairs if not exists(label)]
    if missing:
        message = (
            f"{len(missing)} of {len(pairs)} images have no label: "
            f"{some(image for image, _ in missing)} (expected e.g. {missing[0][1]})"
        )
        if missing_label == "fail" or not kept:
            raise InputError(
                f'{message}. Add the labels, or set missing_label="skip" to leave out '
                "images without one."
            )
        warnings.warn(f"{message}; they are left out.", stacklevel=3)
    return tuple(image for image, _ in kept), tuple(label for _, label in kept)


def some(items: Iterable) -> str:
    """Lists the first five of the items, and says how many more there are."""
    items = [str(item) for item in items]
    text = ", ".join(items[:_SHOWN])
    more = len(items) - _SHOWN
    return f"{text} and {more} more" if more > 0 else text


def check_names(
    images: Sequence[Path], labels: Sequence[Path], list_path: Path
) -> None:
    """Refuses pairs whose file names disagree, as in lists shuffled by mistake.

    A beginning and an end that all images share (`_leftImg8bit`), or all labels, do
    not count. A name that contains the other one agrees with it, unless it is the name
    of another pair (1 and 12).

    Raises:
        InputError: If the names of a pair disagree.
    """
    image_keys = _without_shared_ends([image.stem for image in images])
    label_keys = _without_shared_ends([label.stem for label in labels])
    others = set(image_keys)
    wrong = [
        f"{image.name} with {label.name}"
        for image, label, image_key, label_key in zip(
            images, labels, image_keys, label_keys, strict=True
        )
        if image_key != label_key
        and (
            label_key in others
            or (image.stem not in label.stem and label.stem not in image.stem)
        )
    ]
    if wrong:
        raise InputError(
            f"{len(wrong)} of {len(images)} pairs in {list_path} have names that "
            f"disagree: {some(wrong)}; the list may be shuffled: correct it, or set "
            "FileList.match_names=False if images and labels are named independently."
        )


def _without_shared_ends(stems: list[str]) -> list[str]:
    start = len(os.path.commonprefix(stems))
    end = len(os.path.commonprefix([stem[start:][::-1] for stem in stems]))
    return [stem[start : len(stem) - end] for stem in stems]
