"""The `predict` command: label, colour and overlay pictures of images or a video."""

import errno
import glob
import itertools
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import keras
import numpy as np
from tqdm import tqdm

from keras_lraspp.classes import (
    CLASS_SETS,
    ClassSet,
    cityscapes_train_to_id,
    compare_classes,
    resolve_classes,
)
from keras_lraspp.data.dataset import White
from keras_lraspp.data.pairing import LARGEST_LIST, find_listed, warn_left_out
from keras_lraspp.devices import precision_policy
from keras_lraspp.errors import InputError, StorageError, abbreviate
from keras_lraspp.files import check_regular, walk_files
from keras_lraspp.images import MAX_PIXELS, WHITE, read_image
from keras_lraspp.inference.tta import InferenceOptions
from keras_lraspp.models.keras_file import find_classes, load_weights, open_weights
from keras_lraspp.parallel import BackgroundWriter, map_threads
from keras_lraspp.prediction.outputs import (
    DrawingStyle,
    Job,
    check_result_kinds,
    check_writable,
    image_jobs,
    video_job,
    with_path,
    write_results,
)
from keras_lraspp.prediction.predictors import is_exported, open_predictor
from keras_lraspp.prediction.segmenter import Segmenter, results_function
from keras_lraspp.prediction.video import predict_video, read_video
from keras_lraspp.schema import Bounds, Share, check_call, read_text
from keras_lraspp.visualize import read_palette

_SUFFIXES = tuple(".bmp .gif .jpeg .jpg .png .ppm .tif .tiff .webp".split())
_VIDEO_SUFFIXES = tuple(
    ".3gp .avi .m4v .mkv .mov .mp4 .mpeg .mpg .ts .webm .wmv".split()
)
_IMAGE_OUTPUTS = ("labels", "color", "overlay")
_VIDEO_OUTPUTS = ("overlay",)
# Errors of writing that would befall each image: they end the run.
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE}


def predict(
    *,
    model: Callable[..., keras.Model],
    weights: str | Path,
    input_path: str | Path,
    output_dir: str | Path,
    outputs: Sequence[str] | None = None,
    classes: str | int | Sequence[str] | None = None,
    palette: str | Path | None = None,
    label_ids: bool = False,
    opacity: Share = 0.5,
    legend: bool = False,
    flip: bool = False,
    scales: tuple[float, ...] = (1.0,),
    sliding_window: tuple[int, int] | None = None,
    stride: tuple[int, int] | None = None,
    precision: str = "float32",
    max_pixels: Annotated[int, Bounds(1, 2**40)] = MAX_PIXELS,
    white: White = WHITE,
) -> list[Job]:
    """Segments images, or the frames of a video.

    For each image as many files are written as there are `outputs`, all of the
    upright image's size: `<name>_labels.png`, in grey, holds the class of each pixel;
    `<name>_color.png` shows them in the palette; `<name>_overlay.png` shows them over
    the image; `<name>_probabilities.npz` has `probabilities`, float16 (H, W, classes),
    `classes`, their names, and `palette`. An image that cannot be read is reported on
    stderr, and the others are done.

    For a video, `overlay` and `color` are MP4s, `labels` and `probabilities` folders
    with a file for each frame.

    Args:
        model: Called as `model(num_classes=...)`.
        weights: `.keras` or `.weights.h5` file of the model, or an exported file.
        input_path: An image, a folder, a pattern (`photos/**/*.jpg`), a `.txt` file
            with an image per line, or a video.
        output_dir: Gets the results; sub-folders as in the input.
        outputs: Some of `"labels"`, `"color"`, `"overlay"` and `"probabilities"`;
            `None` for the first three, and for a video the overlay.
        classes: Names and number of the classes: `"cityscapes"`, `"camvid"`, a list of
            names, or a number; `None` for those that are in `weights`.
        palette: File with other colours, as `read_palette` takes it.
        label_ids: Whether label PNGs hold Cityscapes' labelIds instead of trainIds.
        opacity: Weight of the colours in overlays, 0 to 1.
        legend: Whether overlays get a strip with the classes' names below.
        flip: As in `InferenceOptions`, like the next three.
        scales: Factors of the image's sides.
        sliding_window: Height and width of the windows; `None` for none.
        stride: Pixels from window to window; `None` for two thirds of them.
        precision: `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`.
        max_pixels: The most pixels (height x width) of an image or frame; larger ones
            are refused before they are decoded.
        white: Value of white in images of 16 bits, see `read_image`.

    Returns:
        The images, or the one video, and what was written for them.

    Raises:
        InputError: For bad weights or arguments, if there is no image, or, at the end,
            if images could not be read or the video is damaged.
        StorageError: If `output_dir` cannot be written.
    """
    check_call("predict", predict, locals())
    options = InferenceOptions(
        flip=flip, scales=scales, sliding_window=sliding_window, stride=stride
    )
    source = Path(os.path.expanduser(input_path))
    target = Path(os.path.expanduser(output_dir))
    is_file = os.path.lexists(source) and not source.is_dir()
    video = None
    if is_file and is_video(source):
        video = read_video(source, max_pixels)
    kinds = check_result_kinds(outputs or (_VIDEO_OUTPUTS if video else _IMAGE_OUTPUTS))
    network = None
    if is_exported(weights):
        network, known = open_predictor(weights, options)
        if classes is not None and known is not None:
            compare_classes(
                known, resolve_classes(classes), str(weights), "predict.classes"
            )
        classes = known if classes is None else classes
    else:
        weights = open_weights(weights)
    class_set = find_classes(classes, weights, "predict")
    if palette is not None:
        class_set = ClassSet(class_set.names, read_palette(palette, class_set.names))
    style = DrawingStyle(
        classes=class_set,
        opacity=opacity,
        legend=legend,
        values=_label_ids(class_set) if label_ids else None,
    )
    if video:
        jobs = [video_job(source, target, kinds)]
    else:
        jobs = image_jobs(*find_images(source, target), target, kinds)
    check_writable(target)

    if network is None:
        with precision_policy(precision):
            network = model(num_classes=len(class_set.names))
        load_weights(network, weights)
    segmenter = Segmenter(network, class_set, **asdict(options))
    if video:
        return [predict_video(jobs[0], video, segmenter, style)]
    with warnings.catch_warnings():
        # Pillow's remarks on odd metadata name no file, and the pixels are whole.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        read = partial(read_image, max_pixels=max_pixels, white=white)
        return _predict_images(jobs, segmenter, style, target, read)


class ImageFiles(NamedTuple):
    """Images, and the folder that their results mirror."""

    root: Path
    paths: list[Path]


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
        raise InputError(f"There is no image or folder {source}; check --input.")
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
        raise InputError(f"{error}; correct the pattern of --input.") from error
    except RecursionError as error:
        raise InputError(
            f"The folders in {folder} are too deep; give one of them as --input."
        ) from error
    return sorted(found)


def _is_below(path: Path, folder: str) -> bool:
    return os.path.realpath(path).startswith(os.path.join(folder, ""))


def _raise_no_image(folder: Path, files: Sequence[Path]) -> None:
    video = next((path for path in sorted(files) if is_video(path)), None)
    hint = ""
    if video:
        hint = f" A video is segmented by itself: --input={shlex.quote(str(video))}."
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


def _label_ids(classes: ClassSet):
    if classes.names != CLASS_SETS["cityscapes"].names:
        raise InputError(
            f"predict.label_ids is for Cityscapes' 19 classes; of these "
            f"{len(classes.names)} the first is {classes.names[0]!r}: leave out "
            f"--label_ids."
        )
    return cityscapes_train_to_id()


def _predict_images(
    jobs: list[Job],
    segmenter: Segmenter,
    style: DrawingStyle,
    output_dir: Path,
    read_file: Callable[[Path], np.ndarray],
) -> list[Job]:
    """Segments images and writes their results; raises InputError if some failed.

    The network runs in the caller's thread; decoding and compressing, which take as
    long as a small network does, run on others. What concerns one image alone is
    reported on stderr: it cannot be read, is of a size that the model does not take or
    the memory does not hold, or its results cannot get their names.
    """
    segment = results_function(segmenter, jobs[0])
    failed = []
    bar = tqdm(total=len(jobs), unit="image", desc="predict")

    said = 0

    def fail(job: Job, error: Exception) -> None:
        failed.append(with_path(job.image, error))

    def say() -> None:  # seldom: each time the bar is drawn anew
        nonlocal said
        if lines := failed[said:]:
            bar.write("\n".join(lines), file=sys.stderr)
            said += len(lines)

    def write(job: Job, *results) -> None:
        try:
            write_results(job, style, *results)
        except StorageError as error:
            if getattr(error.__cause__, "errno", None) in _OF_THE_DISK:
                raise
            fail(job, error)
        except MemoryError as error:
            fail(job, error)

    def read(job: Job) -> np.ndarray:
        return read_file(job.image)

    images = closing(map_threads(read, jobs))
    with bar, ExitStack() as stack:
        stack.callback(say)
        results = stack.enter_context(BackgroundWriter())
        for job, pixels in stack.enter_context(images):
            try:
                pixels = pixels.result()
                results.submit(write, job, pixels, *segment(pixels))
            except (InputError, MemoryError) as error:
                fail(job, error)
            if bar.update():
                say()
    done = len(jobs) - len(failed)
    if failed:
        raise InputError(
            f"{len(failed)} of {len(jobs)} images failed, each named above; the "
            f"results of the other {done} are in {output_dir}."
        )
    kinds = ", ".join(jobs[0].results)
    print(f"{done} image{'' if done == 1 else 's'}: {kinds} in {output_dir}")
    return jobs
