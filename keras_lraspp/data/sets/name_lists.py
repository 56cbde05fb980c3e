"""Text files that say which images belong to a split."""

from pathlib import Path

from keras_lraspp.errors import InputError


def read_names(path: Path) -> list[str]:
    """Reads names of images, one on each line.

    Lines may be paths, as in lists of `image label` lines: the image's stem counts.

    Raises:
        InputError: If the list cannot be read or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Cannot read the list {path}: {getattr(error, 'strerror', error)}; it has "
            "the name of an image on each line."
        ) from error
    names = [Path(line.split()[0]).stem for line in lines if line.strip()]
    if not names:
        raise InputError(f"The list {path} is empty; unpack the data set again.")
    return names
