"""The prediction of many images: read, segmented and written at the same time."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from tqdm import tqdm

from keras_lraspp.errors import InputError
from keras_lraspp.images import read_image
from keras_lraspp.parallel import BackgroundWriter, map_threads
from keras_lraspp.runs.prediction.pictures import Style, write_results
from keras_lraspp.runs.prediction.result_files import Job
from keras_lraspp.segmenter import Segmenter

# Pixels, uint8 (H, W, 3) -> labels (H, W), and probabilities (H, W, C) if wanted.
Results = tuple[np.ndarray, np.ndarray | None]


def predict_images(
    jobs: list[Job], segmenter: Segmenter, style: Style, output_dir: Path
) -> list[Job]:
    """Segments images and writes what their jobs ask for.

    The network runs in the caller's thread; decoding and compressing, which take as
    long as a small network does, run on others. An image that cannot be read or is of
    a size that the model does not take is reported on stderr.

    Args:
        jobs: The images, at least one.
        segmenter: The network.
        style: How to draw.
        output_dir: Named in messages.

    Returns:
        `jobs`.

    Raises:
        InputError: At the end, if images failed.
        StorageError: If a result cannot be written.
    """
    segment = results_function(segmenter, wants_probabilities(jobs[0]))
    failed = 0
    images = closing(map_threads(_read, jobs))
    bar = tqdm(total=len(jobs), unit="image", desc="predict")
    with bar, images as images, BackgroundWriter() as results:
        for job, pixels in images:
            try:
                pixels = pixels.result()
                results.submit(write_results, job, style, pixels, *segment(pixels))
            except InputError as error:
                failed += 1
                bar.write(named(job.image, error), file=sys.stderr)
            bar.update()
    done = len(jobs) - failed
    if failed:
        raise InputError(
            f"{failed} of {len(jobs)} images failed, each named above; the results of "
            f"the other {done} are in {output_dir}."
        )
    kinds = ", ".join(jobs[0].results)
    print(f"{done} image{'' if done == 1 else 's'}: {kinds} in {output_dir}")
    return jobs


def wants_probabilities(job: Job) -> bool:
    """Says whether the probabilities of an image or video are written."""
    return job.probabilities is not None


def results_function(
    segmenter: Segmenter, probabilities: bool
) -> Callable[[np.ndarray], Results]:
    """Makes the function from an image to its labels and, if wanted, probabilities.

    The network runs once: with probabilities, the labels are their arg-max.
    """
    if not probabilities:
        return lambda pixels: (segmenter(pixels), None)

    def both(pixels: np.ndarray) -> Results:
        soft = segmenter.probabilities(pixels)
        wide = soft.shape[-1] > 256
        labels = soft.argmax(-1).astype(np.int32 if wide else np.uint8)
        # Half the bytes; 11 bits are finer than any network's calibration.
        return labels, soft.astype(np.float16)

    return both


def named(path: Path, error: InputError) -> str:
    """Returns an error's message, with the file's name if it lacks it."""
    message = str(error)
    return message if str(path) in message else f"{path}: {message}"


def _read(job: Job) -> np.ndarray:
    return read_image(job.image, apply_exif=True)
