"""Result files of a prediction: their names, how they are drawn and written."""

import os
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import replacing
from keras_lraspp.legends import with_legend
from keras_lraspp.palettes import Palette, picture_palette
from keras_lraspp.visualize import colorize, overlay

_SUFFIXES = {
    "labels": ".png",
    "color": ".png",
    "overlay": ".png",
    "probabilities": ".npz",
}
KINDS = tuple(_SUFFIXES)

# Labels (H, W), uint8 or, for more than 256 classes, int32; and, if they are wanted,
# probabilities, float16 (H, W, classes).
Results = tuple[np.ndarray, np.ndarray | None]


class Job(NamedTuple):
    """One image or video, and the result files that are asked for.

    Attributes:
        image: The image or video.
        labels: PNG of the classes, or for a video the folder of its frames' PNGs.
        color: PNG of the classes in colour, or for a video an MP4.
        overlay: PNG of the classes laid over the image, or for a video an MP4.
        probabilities: NumPy archive, or for a video the folder of its frames' archives.
    """

    image: Path
    labels: Path | None = None
    color: Path | None = None
    overlay: Path | None = None
    probabilities: Path | None = None

    @property
    def results(self) -> dict[str, Path]:
        """The results that are asked for, by kind."""
        paths = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: path for kind, path in paths.items() if path}


def check_result_kinds(
    outputs: Sequence[str], name: str = "predict.outputs"
) -> tuple[str, ...]:
    """Returns kinds in the order of `KINDS`, each once; raises `InputError`."""
    outputs = [outputs] if isinstance(outputs, str) else list(outputs)
    wrong = [kind for kind in outputs if kind not in KINDS]
    if wrong or not outputs:
        given = ", ".join(map(repr, wrong)) or "nothing"
        raise InputError(
            f"{name} are some of {', '.join(KINDS)}, not {given}; name at "
            f"least one of them."
        )
    return tuple(kind for kind in KINDS if kind in outputs)


def image_jobs(
    root: Path, images: Sequence[Path], output_dir: Path, outputs: Iterable[str]
) -> list[Job]:
    """Names the results of images, none of which may overwrite an image.

    They are named after the image, `<stem>_labels.png`, in the sub-folder of
    `output_dir` that the image has below the images' `root`; after its full name where
    two images of one folder differ only in the suffix.
    """
    folders = cache(lambda folder: output_dir / folder.relative_to(root))
    places = [(folders(image.parent), image.stem, image.name) for image in images]
    stems = Counter((folder, stem) for folder, stem, _ in places)
    named = {(folder, name) for folder, _, name in places}
    jobs = []
    for image, (folder, stem, name) in zip(images, places, strict=True):
        # "a.png" takes the name of "a.png.png"'s stem where there is an "a.jpg".
        if stems[folder, stem] == 1 and (folder, stem) not in named:
            name = stem
        jobs.append(Job(image, **result_paths(folder, name, outputs)))
    _check_inputs_stay(jobs)
    return jobs


def result_paths(folder: Path, name: str, outputs: Iterable[str]) -> dict[str, Path]:
    """Names the results of an image, by kind."""
    return {kind: folder / f"{name}_{kind}{_SUFFIXES[kind]}" for kind in outputs}


def video_job(video: Path, output_dir: Path, outputs: Iterable[str]) -> Job:
    """Names the results of a video: MP4s to look at, folders of frames to work with."""
    endings = {"labels": "", "color": ".mp4", "overlay": ".mp4", "probabilities": ""}
    results = {
        kind: output_dir / f"{video.stem}_{kind}{endings[kind]}" for kind in outputs
    }
    job = Job(video, **results)
    _check_inputs_stay([job])
    return job


def video_jobs(
    videos: Sequence[Path], output_dir: Path, outputs: Sequence[str]
) -> list[Job]:
    """Names the results of several videos, as `video_job` does for each."""
    stems = {}
    for video in videos:
        if (first := stems.setdefault(video.stem, video)) is not video:
            raise InputError(
                f"The results of {first} and {video} would have the same names; give "
                f"them one at a time, each with its own --output_dir."
            )
    return [video_job(video, output_dir, outputs) for video in videos]


def frame_job(job: Job, index: int) -> Job:
    """Names the files of one frame of a video: `<stem>_labels/000000.png`, ..."""
    folders = {kind: job.results.get(kind) for kind in ("labels", "probabilities")}
    files = {
        kind: folder / f"{index:06}{_SUFFIXES[kind]}"
        for kind, folder in folders.items()
        if folder
    }
    return Job(job.image, **files)


def check_writable(folder: Path) -> None:
    """Makes a folder; raises `StorageError` if files cannot be put there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"Cannot write to the output folder {folder}: {error.strerror or error}. "
            f"Choose another --output_dir."
        ) from error


def _check_inputs_stay(jobs: list[Job]) -> None:
    real = cache(os.path.realpath)

    def place(path: Path) -> str:  # a result replaces a link, not what it leads to
        return os.path.join(real(path.parent), path.name)

    inputs = {place(job.image) for job in jobs}
    inputs |= {real(job.image) for job in jobs if os.path.islink(job.image)}
    for job in jobs:
        for result in job.results.values():
            if place(result) in inputs:
                raise InputError(
                    f"The result {result} would overwrite an image of the input; "
                    f"choose another --output_dir."
                )


@dataclass(frozen=True, kw_only=True)
class DrawingStyle:
    """How results are drawn and written."""

    classes: ClassSet
    # Colours of overlays; `None` for those of `picture_palette`.
    palette: Palette | None = None
    opacity: float = 0.5  # weight of the colours in overlays, 0 to 1
    legend: bool = False  # whether overlays get a strip with names and shares below
    min_region: int = 0  # overlays leave out regions of fewer pixels
    # uint8 (256,), what label PNGs have for each class; `None` for the class itself.
    values: np.ndarray | None = None

    def __post_init__(self):
        """Checks the values."""
        if not 0 <= self.opacity <= 1:
            raise InputError(
                f"predict.opacity is 0..1, not {self.opacity!r}; correct it."
            )

    def color(self, labels: np.ndarray) -> np.ndarray:
        """Paints labels (H, W) in the classes' colours: uint8 RGB (H, W, 3)."""
        return colorize(labels, self.classes.palette)

    def overlay(
        self, pixels: np.ndarray, labels: np.ndarray, *, every: bool = False
    ) -> np.ndarray:
        """Lays labels over an image: uint8 RGB of its size, higher with a legend.

        The legend has the classes that are there, or `every` class, see `legend`.
        """
        palette = self.palette or picture_palette(self.classes)
        laid = overlay(
            pixels, labels, palette, self.opacity, min_region=self.min_region
        )
        if not self.legend:
            return laid
        return with_legend(laid, labels, self.classes.names, palette, every=every)


def write_results(
    job: Job,
    style: DrawingStyle,
    pixels: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray | None,
) -> None:
    """Writes the result files of one image; raises `StorageError` if it cannot."""
    if job.labels:
        _write_png(job.labels, _label_picture(labels, style))
    if job.color:
        _write_png(job.color, _color_picture(labels, style))
    if job.overlay:
        _write_png(job.overlay, Image.fromarray(style.overlay(pixels, labels)))
    if job.probabilities:
        _write_archive(
            job.probabilities,
            probabilities=probabilities,
            classes=np.array(style.classes.names),
            palette=np.array(style.classes.palette, np.uint8),
        )


def _label_picture(labels: np.ndarray, style: DrawingStyle) -> Image.Image:
    if style.values is not None:
        return Image.fromarray(style.values[labels])
    narrow = labels.dtype == np.uint8
    return Image.fromarray(labels if narrow else labels.astype(np.uint16))


def _color_picture(labels: np.ndarray, style: DrawingStyle) -> Image.Image:
    if labels.dtype != np.uint8:
        return Image.fromarray(style.color(labels))
    # A palette PNG: smaller and faster than RGB, and the same to the eye.
    color = Image.fromarray(labels)
    color.putpalette(style.color(np.arange(256, dtype=np.uint8)).tobytes())
    return color


def _write_png(path: Path, picture: Image.Image) -> None:
    with replacing(path) as temporary:
        # The fastest compression: four times as fast as the default on an overlay,
        # and a fifth larger.
        picture.save(temporary, "PNG", compress_level=1)


def _write_archive(path: Path, **arrays: np.ndarray) -> None:
    """Writes what `np.savez_compressed` would, with the fastest compression."""
    with replacing(path) as temporary:
        with zipfile.ZipFile(
            temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1
        ) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)


def with_path(path: Path, error: Exception) -> str:
    """Returns an error's message in one line, with the file's name if it lacks it."""
    message = str(error)
    if isinstance(error, MemoryError):
        message = "it does not fit in the memory; cut it into smaller images."
    message = message if str(path) in message else f"{path}: {message}"
    # Names of files may hold line feeds and what a terminal obeys.
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda odd: repr(odd[0])[1:-1], message)
