"""Which images a prediction reads, and which files it writes for them."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.errors import InputError, StorageError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


class Job(NamedTuple):
    """One image and the pictures to be made of it."""

    image: Path
    labels: Path
    color: Path
    overlay: Path


def list_jobs(input_path: Path, output_dir: Path) -> list[Job]:
    """Finds the images and names their results.

    A folder is searched with its sub-folders, which `output_dir` mirrors. Hidden files
    and what lies in an `output_dir` inside the folder are left out. Results are named
    after the image, `<stem>_labels.png`; after its full name where two images of one
    folder differ only in the suffix.

    Args:
        input_path: An image, or a folder.
        output_dir: Where results go.

    Returns:
        Jobs, in the order of their paths.

    Raises:
        InputError: If there is no image, or a result would overwrite an image.
    """
    if input_path.is_dir():
        root, images = input_path, _search(input_path, output_dir)
    elif input_path.is_file():
        root, images = input_path.parent, [input_path]
    else:
        raise InputError(f"There is no image or folder {input_path}; check --input.")
    stems = Counter(image.with_suffix("") for image in images)
    jobs = []
    for image in images:
        unique = stems[image.with_suffix("")] == 1
        base = output_dir / image.relative_to(root).parent
        name = image.stem if unique else image.name
        results = [base / f"{name}_{kind}.png" for kind in Job._fields[1:]]
        jobs.append(Job(image, *results))
    _keep_inputs(jobs)
    return jobs


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


def _search(folder: Path, output_dir: Path) -> list[Path]:
    own = output_dir.resolve()
    inside = own != folder.resolve()
    images = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and not (inside and own in path.resolve().parents)
        and path.is_file()
    )
    if not images:
        raise InputError(
            f"There is no image in {folder} or below; looked for {', '.join(SUFFIXES)}."
        )
    return images


def _keep_inputs(jobs: list[Job]) -> None:
    inputs = {job.image.resolve() for job in jobs}
    for job in jobs:
        for result in job[1:]:
            if result.resolve() in inputs:
                raise InputError(
                    f"The result {result} would overwrite an image of the input; "
                    f"choose another --output_dir."
                )
