"""Which files a prediction writes, and what they are called."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.runs.prediction.image_files import Images

_SUFFIXES = {
    "labels": ".png",
    "color": ".png",
    "overlay": ".png",
    "probabilities": ".npz",
}
KINDS = tuple(_SUFFIXES)


class Job(NamedTuple):
    """One image or video, and what is to be made of it.

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


def check_outputs(outputs: Sequence[str]) -> tuple[str, ...]:
    """Checks the kinds of results that are asked for.

    Args:
        outputs: Some of `KINDS`.

    Returns:
        The same in the order of `KINDS`, each once.

    Raises:
        InputError: For none, or one that does not exist.
    """
    outputs = [outputs] if isinstance(outputs, str) else list(outputs)
    wrong = [kind for kind in outputs if kind not in KINDS]
    if wrong or not outputs:
        given = ", ".join(map(repr, wrong)) or "nothing"
        raise InputError(
            f"predict.outputs are some of {', '.join(KINDS)}, not {given}; name at "
            f"least one of them."
        )
    return tuple(kind for kind in KINDS if kind in outputs)


def image_jobs(images: Images, output_dir: Path, outputs: Iterable[str]) -> list[Job]:
    """Names the results of images.

    They are named after the image, `<stem>_labels.png`, in the sub-folder of
    `output_dir` that the image has below the images' root; after its full name where
    two images of one folder differ only in the suffix.

    Args:
        images: As `find_images` gives them.
        output_dir: Where results go.
        outputs: Kinds of results.

    Returns:
        Jobs, in the order of the images.

    Raises:
        InputError: If a result would overwrite an image.
    """
    stems = Counter(image.with_suffix("") for image in images.paths)
    jobs = []
    for image in images.paths:
        unique = stems[image.with_suffix("")] == 1
        base = output_dir / image.relative_to(images.root).parent
        name = image.stem if unique else image.name
        results = {kind: base / f"{name}_{kind}{_SUFFIXES[kind]}" for kind in outputs}
        jobs.append(Job(image, **results))
    _keep_inputs(jobs)
    return jobs


def video_job(video: Path, output_dir: Path, outputs: Iterable[str]) -> Job:
    """Names the results of a video: MP4s to look at, folders of frames to work with.

    Raises:
        InputError: If a result would overwrite the video.
    """
    endings = {"labels": "", "color": ".mp4", "overlay": ".mp4", "probabilities": ""}
    results = {
        kind: output_dir / f"{video.stem}_{kind}{endings[kind]}" for kind in outputs
    }
    job = Job(video, **results)
    _keep_inputs([job])
    return job


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
    """Makes a folder, if missing, and makes sure that files can be put there.

    Raises:
        StorageError: If not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"Cannot write to the output folder {folder}: {error.strerror or error}. "
            f"Choose another --output_dir."
        ) from error


def _keep_inputs(jobs: list[Job]) -> None:
    inputs = {job.image.resolve() for job in jobs}
    for job in jobs:
        for result in job.results.values():
            if result.resolve() in inputs:
                raise InputError(
                    f"The result {result} would overwrite an image of the input; "
                    f"choose another --output_dir."
                )
