"""Pairing of image and label files by name, and missing labels."""

import glob
import os
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.files import walk_files
from keras_lraspp.schema import read_text

IMAGE_EXTENSIONS = tuple(".jpg .jpeg .png .bmp .tif .tiff .webp .ppm .npy".split())
LABEL_EXTENSIONS = (".png", ".bmp", ".tif", ".tiff")
_EXTENSION = re.compile(rf"({'|'.join(map(re.escape, IMAGE_EXTENSIONS))})$", re.I)

LARGEST_LIST = 64 << 20  # bytes of a list of files; a path has about a hundred


def keep_labelled(
    images: Sequence[Path],
    labels: Sequence[Path],
    *,
    exists: Callable[[Path], bool] = Path.is_file,
    missing_label: str = "fail",
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Returns images and labels without those images whose label does not exist.

    Args:
        images: Image files.
        labels: The label file that each should have.
        exists: Tells whether a label file exists.
        missing_label: `"fail"`, or `"skip"` to leave such images out with a warning.

    Raises:
        InputError: For an image without label, unless skipped; or if none is left.
    """
    if missing_label not in ("fail", "skip"):
        raise InputError(
            f'missing_label is "fail" or "skip", not {missing_label!r}; correct it.'
        )
    kept, missing = [], []
    for pair in zip(images, labels, strict=True):
        (kept if exists(pair[1]) else missing).append(pair)
    if missing:
        message = (
            f"{len(missing)} of {len(images)} images have no label: "
            f"{abbreviate(image for image, _ in missing)} (expected e.g. "
            f"{missing[0][1]}{_near(missing[0][1])})"
        )
        if missing_label == "fail" or not kept:
            raise InputError(
                f'{message}. Add the labels, or set missing_label="skip" to leave out '
                "images without one."
            )
        warnings.warn(f"{message}; they are left out.", stacklevel=3)
    return tuple(image for image, _ in kept), tuple(label for _, label in kept)


def _near(label: Path) -> str:
    """Says what stands beside a label that is missing, if that may be meant."""
    if (label.parent / label.stem).is_file():
        return f", but there is {label.stem}: a suffix stands before the extension"
    for other in sorted(label.parent.glob(f"{glob.escape(label.stem)}.*")):
        if other.is_file():
            kinds = ", ".join(LABEL_EXTENSIONS)
            return f", but there is {other.name}: labels are {kinds}, without losses"
    return ""


def find_listed(root: Path, text: str) -> Path:
    """The file that a list means: as it says, or as other systems write it.

    Where there is no such file, quotes, a leading slash, backslashes and the other form
    of accented letters are tried.
    """
    plain = text.strip("\"'").replace("\\", "/").lstrip("/")
    forms = plain, *(unicodedata.normalize(form, plain) for form in ("NFC", "NFD"))
    for form in dict.fromkeys((text, *forms)):
        # Path.exists would raise an error for names that are too long.
        if os.path.exists(os.path.join(root, form)):
            return root / form
    return root / text


def check_names(
    images: Sequence[Path], labels: Sequence[Path], list_path: Path
) -> None:
    """Refuses pairs whose file names disagree, as in lists shuffled by mistake.

    A beginning and an end that all images share (`_leftImg8bit`), or all labels, do
    not count. A name that contains the other one agrees with it, unless it is the name
    of another pair (1 and 12).
    """
    image_keys = _without_shared_ends([image.stem for image in images])
    label_keys = _without_shared_ends([label.stem for label in labels])
    others = set(image_keys)
    wrong = []
    for image, label, key, label_key in zip(
        images, labels, image_keys, label_keys, strict=True
    ):
        contained = image.stem in label.stem or label.stem in image.stem
        if key != label_key and (label_key in others or not contained):
            wrong.append(f"{image.name} with {label.name}")
    if wrong:
        raise InputError(
            f"{len(wrong)} of {len(images)} pairs in {list_path} have names that "
            f"disagree: {abbreviate(wrong)}; the list may be shuffled: correct it, or "
            "set FileList.match_names=False if images and labels are named "
            "independently."
        )


def _without_shared_ends(stems: list[str]) -> list[str]:
    start = len(os.path.commonprefix(stems))
    end = len(os.path.commonprefix([stem[start:][::-1] for stem in stems]))
    return [stem[start : len(stem) - end] for stem in stems]


def pair_folders(
    image_folder: Path,
    label_folder: Path | None,
    *,
    image_suffix: str = "",
    label_suffix: str = "",
    missing_label: str = "fail",
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Pairs the images in a folder with the labels of the same names in another.

    Names count with their folders below the two given, without extension and suffix:
    `images/a/1_photo.jpg` goes with `labels/a/1_mask.png` for the suffixes `_photo` and
    `_mask`. The two folders may be the same where suffixes tell images from labels.

    Without `label_folder` there are no labels. Images are in the order of their names.

    Raises:
        InputError: If there are no images, two have the same name, or labels miss.
    """
    labels = {}
    if label_folder is not None:
        labels = _by_name(label_folder, label_suffix, LABEL_EXTENSIONS)
    images = _by_name(image_folder, image_suffix, IMAGE_EXTENSIONS, labels.values())
    if not images:
        raise InputError(
            f"No images match {image_folder}/**/*{image_suffix}"
            f"{{{','.join(IMAGE_EXTENSIONS)}}}; name the data set's folder with "
            "--data_root (--gin_file=quickstart.gin needs no data)."
        )
    if label_folder is None:
        return tuple(images.values()), ()
    wanted = [
        labels.get(name, label_folder / f"{name}{label_suffix}.png") for name in images
    ]
    kept = keep_labelled(
        [*images.values()],
        wanted,
        exists=set(labels.values()).__contains__,
        missing_label=missing_label,
    )
    warn_without_image(labels.values(), wanted)
    return kept


def warn_without_image(labels: Iterable[Path], used: Iterable[Path]) -> None:
    """Warns of labels that belong to no image."""
    unused = sorted({*labels} - {*used})
    if unused:
        warnings.warn(
            f"{len(unused)} labels have no image and are not used: "
            f"{abbreviate(unused)}.",
            stacklevel=4,
        )


def _by_name(
    folder: Path, suffix: str, extensions: tuple[str, ...], others: Iterable[Path] = ()
) -> dict[str, Path]:
    """Files below a folder by their path in it, without suffix and extension."""
    files: dict[str, Path] = {}
    others = {*others}
    found = sorted(walk_files(folder))
    warn_left_out(folder, found, {*IMAGE_EXTENSIONS, *LABEL_EXTENSIONS})
    for path in found:
        fits = path.suffix.lower() in extensions and path.stem.endswith(suffix)
        if not fits or path in others:
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        name = name[: len(name) - len(suffix)]
        if name in files:
            raise InputError(
                f"{files[name]} and {path} have the same name; keep one of them."
            )
        files[name] = path
    return files


def warn_left_out(
    folder: Path, files: Iterable[Path], extensions: Collection[str]
) -> None:
    """Warns of files in a folder that are of other kinds, as `.heic`."""
    kinds = Counter(path.suffix.lower() or "no extension" for path in files)
    other = [
        f"{count} {kind}"
        for kind, count in sorted(kinds.items(), key=lambda row: (-row[1], row[0]))
        if kind not in extensions
    ]
    if other:
        warnings.warn(
            f"Files of other kinds in {folder} are left out: {abbreviate(other)}.",
            stacklevel=4,
        )


def read_names(path: Path, folder: Path, extension: str) -> list[str]:
    """Reads names of images, one on each line, without folder and extension.

    Of a line `image label` the first is the image; names may hold dots and blanks.
    `folder` and `extension` are those of the images, to see which is meant.
    """
    mend = "it is a list with the name of an image on each line"
    lines = read_text(path, mend=mend, most=LARGEST_LIST).split("\n")
    lines = [line.strip() for line in lines if line.strip()]
    names = []
    for line in lines:
        whole, first = (
            re.sub(_EXTENSION, "", PurePosixPath(text.replace("\\", "/")).name)
            for text in (line, line.split()[0])
        )
        is_whole = whole == first or (folder / f"{whole}{extension}").is_file()
        names.append(whole if is_whole else first)
    if not names:
        raise InputError(f"The list {path} is empty; unpack the data set again.")
    return names
