"""Input images of a prediction: a file, a folder, a pattern or a list of files."""

import glob
import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.errors import InputError

SUFFIXES = tuple(".bmp .gif .jpeg .jpg .png .ppm .tif .tiff .webp".split())
VIDEO_SUFFIXES = tuple(
    ".3gp .avi .m4v .mkv .mov .mp4 .mpeg .mpg .ts .webm .wmv".split()
)


class ImageFiles(NamedTuple):
    """Images, and the folder that their results mirror."""

    root: Path
    paths: list[Path]


def is_video(path: Path) -> bool:
    """Whether a file is a video, by its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def find_images(source: Path, output_dir: Path) -> ImageFiles:
    """Finds the images that `source` names.

    A folder is searched with its sub-folders, in the order of their paths. A pattern
    such as `photos/**/*.jpg` is one where no file has that name; `**` stands for any
    sub-folders. Of both only files named as images count; hidden ones, and those in an
    `output_dir` inside the folder, are left out.

    A list is a `.txt` file with one image per line, absolute or relative to the list;
    blank lines and lines that begin with `#` are skipped. Its order is kept, a second
    mention is not. Its files are not looked for here: a missing one is an image that
    cannot be read.

    The `root` of the images is the folder; the part of a pattern before its first
    wildcard; or the lowest folder that holds all files of a list.

    Raises:
        InputError: If there is no image.
    """
    if source.is_dir():
        found = _filter_images(source.rglob("*"), source, output_dir)
        if not found:
            _raise_no_image(source)
        return ImageFiles(source, found)
    if source.suffix.lower() == ".txt" and source.is_file():
        return _read_list(source)
    if source.is_file():
        return ImageFiles(source.parent, [source])
    if not glob.has_magic(str(source)):
        raise InputError(f"There is no image or folder {source}; check --input.")
    root = Path(
        *itertools.takewhile(lambda part: not glob.has_magic(part), source.parts)
    )
    matches = map(Path, glob.iglob(str(source), recursive=True))
    found = _filter_images(matches, root, output_dir)
    if not found:
        raise InputError(
            f"No image matches {source}; looked for {', '.join(SUFFIXES)}. Quote the "
            f"pattern, and write ** for any sub-folders."
        )
    return ImageFiles(root, found)


def _filter_images(paths: Iterable[Path], folder: Path, output_dir: Path) -> list[Path]:
    own = output_dir.resolve()
    inside = own != folder.resolve()
    return sorted(
        {
            path
            for path in paths
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and not (inside and own in path.resolve().parents)
            and path.is_file()
        }
    )


def _raise_no_image(folder: Path) -> None:
    video = next((path for path in sorted(folder.rglob("*")) if is_video(path)), None)
    hint = f" A video is segmented by itself: --input={video}." if video else ""
    raise InputError(
        f"There is no image in {folder} or below; looked for {', '.join(SUFFIXES)}."
        f"{hint}"
    )


def _read_list(path: Path) -> ImageFiles:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(
            f"Cannot read the list {path}: {error.strerror}; check its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"The list {path} is not UTF-8 text; write one image per line."
        ) from error
    names = (line.strip() for line in lines)
    chosen = [name for name in names if name and not name.startswith("#")]
    # Links are not resolved: a result is named after the one that was listed.
    images = [Path(os.path.abspath(path.parent / name)) for name in chosen]
    if not images:
        raise InputError(f"The list {path} names no image; write one per line.")
    root = Path(os.path.commonpath([image.parent for image in images]))
    return ImageFiles(root, list(dict.fromkeys(images)))
