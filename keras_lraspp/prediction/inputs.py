"""What a prediction is made of: images, folders, patterns, lists, videos."""

import glob
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.data.pairing import LARGEST_LIST, find_listed, warn_left_out
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.files import check_regular, walk_files
from keras_lraspp.schema import read_text

_SUFFIXES = tuple(".bmp .gif .jpeg .jpg .npy .png .ppm .tif .tiff .webp".split())
_VIDEO_SUFFIXES = tuple(
    ".3gp .avi .m4v .mkv .mov .mp4 .mpeg .mpg .ts .webm .wmv".split()
)


class ImageFiles(NamedTuple):
    """Images, and the folder that their results mirror."""

    root: Path
    paths: list[Path]


class Inputs(NamedTuple):
    """The images, if there are any, and the videos."""

    images: ImageFiles | None
    videos: list[Path]


def find_inputs(
    sources: str | os.PathLike | Sequence[str | os.PathLike], output_dir: Path
) -> Inputs:
    """Finds images and videos by one or several paths.

    Each is a video, or what `find_images` takes. Of several the `root` is the lowest
    folder that holds all their images; a second mention of one is not kept.
    """
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    if "-" in sources:
        raise InputError(
            "Nothing is read from the standard input; save it as a file and give the "
            "name of that, or ./- for a file named -."
        )
    paths = [Path(os.path.expanduser(source)) for source in sources]
    if not paths:
        raise InputError("There is nothing to segment; name an image, folder or video.")
    videos = [*dict.fromkeys(path for path in paths if _is_video_file(path))]
    found = [find_images(path, output_dir) for path in paths if path not in videos]
    if len(found) < 2:
        return Inputs(found[0] if found else None, videos)
    root = os.path.commonpath([os.path.abspath(images.root) for images in found])
    files = [os.path.abspath(path) for images in found for path in images.paths]
    return Inputs(ImageFiles(Path(root), [*map(Path, dict.fromkeys(files))]), videos)


def _is_video_file(path: Path) -> bool:
    return is_video(path) and os.path.lexists(path) and not path.is_dir()


def is_video(path: Path) -> bool:
    """Whether a file is a video, by its name."""
    return path.suffix.lower() in _VIDEO_SUFFIXES


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
    """
    if source.is_dir():
        refused = []
        files = [*walk_files(source, refused)]
        found = _filter_images(files, source, output_dir)
        if source in refused:
            _check_readable(source)
        if not found + refused:
            _raise_no_image(source, files)
        warn_left_out(source, files, _SUFFIXES)
        return ImageFiles(source, sorted(found + refused))
    if os.path.lexists(source):
        if source.suffix.lower() == ".txt":
            return _read_list(source)
        _check_readable(source)
        return ImageFiles(source.parent, [source])
    if not glob.has_magic(str(source)):
        raise InputError(
            f"There is no image, folder or video {source}; check its name."
        )
    root, matches = _match_pattern(source)
    found = _filter_images(matches, root, output_dir)
    if not found:
        raise InputError(
            f"No image matches {source}; looked for {', '.join(_SUFFIXES)}. Quote the "
            f"pattern, and write ** for any sub-folders."
        )
    return ImageFiles(root, found)


def _match_pattern(pattern: Path) -> tuple[Path, Iterator[Path]]:
    """Returns the part before the first wildcard, and what matches the rest.

    `**` passes links over, which may lead back to their own folder.
    """
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts)
    root = Path(*fixed)
    rest = Path(*pattern.parts[len(root.parts) :])
    # pathlib's own ** at the end stands for folders alone.
    rest = rest / "*" if rest.name == "**" else rest
    return root, root.glob(str(rest))


def _filter_images(paths: Iterable[Path], folder: Path, output_dir: Path) -> list[Path]:
    """Returns what is named as an image; whether it can be read is seen later."""
    own = os.path.realpath(output_dir)
    inside = own != os.path.realpath(folder)
    found = set()
    try:
        for path in paths:
            hidden = any(part[0] == "." for part in path.relative_to(folder).parts)
            if hidden or path.suffix.lower() not in _SUFFIXES or os.path.isdir(path):
                continue
            if not (inside and _is_below(path, own)):
                found.add(path)
    except ValueError as error:
        raise InputError(f"{error}; correct the pattern.") from error
    except RecursionError as error:
        raise InputError(
            f"The folders in {folder} are too deep; name one of them."
        ) from error
    return sorted(found)


def _is_below(path: Path, folder: str) -> bool:
    return os.path.realpath(path).startswith(os.path.join(folder, ""))


def _raise_no_image(folder: Path, files: Sequence[Path]) -> None:
    video = next((path for path in sorted(files) if is_video(path)), None)
    hint = ""
    if video:
        hint = f" A video is segmented if it is named itself, as {video}."
    raise InputError(
        f"There is no image in {folder} or below; looked for {', '.join(_SUFFIXES)}."
        f"{hint}"
    )


def _check_readable(path: Path) -> None:
    try:
        check_regular(path)
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}; check the path and its permissions."
        ) from error


def _read_list(path: Path) -> ImageFiles:
    mend = "give a list with one image per line"
    lines = read_text(path, mend=mend, most=LARGEST_LIST).splitlines()
    names = (line.strip() for line in lines)
    chosen = [name for name in names if name and not name.startswith("#")]
    if any("\0" in name for name in chosen):
        raise InputError(f"The list {path} is not text; write one image per line.")
    if not chosen:
        raise InputError(f"The list {path} names no image; write one per line.")
    # Links are not resolved: a result is named after the one that was listed.
    files = (os.path.abspath(_listed_image(path.parent, name)) for name in chosen)
    images = [*dict.fromkeys(files)]
    if not any(map(os.path.lexists, images)):
        raise InputError(
            f"None of the {len(images)} images in {path} exists: {abbreviate(images)}; "
            f"correct the names, which are relative to the list or absolute."
        )
    root = Path(os.path.commonpath({os.path.dirname(image) for image in images}))
    return ImageFiles(root, [*map(Path, images)])


def _listed_image(folder: Path, line: str) -> Path:
    """The file that a line of a list names; of `image label` it is the first."""
    path, first = find_listed(folder, line), line.split()[0]
    if first != line and not os.path.exists(path):
        path_of_first = find_listed(folder, first)
        return path_of_first if os.path.exists(path_of_first) else path
    return path
