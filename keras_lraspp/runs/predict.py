"""One prediction: label, colour and overlay pictures of photographs."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from tqdm import tqdm

from keras_lraspp.data.reading import read_image
from keras_lraspp.errors import InputError
from keras_lraspp.files import replacing
from keras_lraspp.inference.overlay import overlay
from keras_lraspp.inference.palette import Palette, colorize
from keras_lraspp.models.loading import load_weights
from keras_lraspp.runs.classes import find_classes
from keras_lraspp.runs.image_files import Job, check_writable, list_jobs
from keras_lraspp.runs.precision import precision_policy
from keras_lraspp.segmenter import Segmenter


def predict(
    *,
    model: Callable[..., keras.Model],
    weights: str | Path,
    input_path: str | Path,
    output_dir: str | Path,
    classes: str | int | Sequence[str] | None = None,
    opacity: float = 0.5,
    precision: str = "float32",
) -> list[Job]:
    """Segments an image, or all images in a folder and below.

    For each image three PNGs of its size are written: `<name>_labels.png`, in grey,
    holds the class of each pixel; `<name>_color.png` shows them in the palette;
    `<name>_overlay.png` shows them over the image. An image that cannot be read is
    reported on stderr, and the others are done.

    Args:
        model: Called as `model(num_classes=...)`.
        weights: `.keras` or `.weights.h5` file of the model.
        input_path: An image, or a folder.
        output_dir: Gets the pictures; sub-folders as in the input.
        classes: Names and number of the classes: `"cityscapes"`, `"camvid"`, a list of
            names, or a number; `None` for what training noted in `weights`.
        opacity: Weight of the colours in overlays, 0 to 1.
        precision: `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`.

    Returns:
        The images and what was written for them.

    Raises:
        InputError: For bad weights or arguments, if there is no image, or, at the end,
            if images could not be read.
        StorageError: If `output_dir` cannot be written.
    """
    if not 0 <= opacity <= 1:
        raise InputError(f"predict.opacity is 0..1, not {opacity!r}.")
    jobs = list_jobs(Path(input_path), Path(output_dir))
    check_writable(Path(output_dir))
    class_set = find_classes(classes, weights)
    with precision_policy(precision):
        network = model(num_classes=len(class_set.names))
    load_weights(network, weights)
    segmenter = Segmenter(network, class_set)

    done = []
    for job in tqdm(jobs, unit="image", desc="predict"):
        try:
            pixels = read_image(job.image, apply_exif=True)
            labels = segmenter(pixels)
        except InputError as error:
            tqdm.write(str(error), file=sys.stderr)
            continue
        _write_pictures(job, pixels, labels, class_set.palette, opacity)
        done.append(job)
    if len(done) < len(jobs):
        raise InputError(
            f"{len(jobs) - len(done)} of {len(jobs)} images failed, each named above; "
            f"the other {len(done)} are in {output_dir}."
        )
    print(f"{len(done)} images: labels, colours and overlays are in {output_dir}")
    return done


def _write_pictures(
    job: Job, pixels: np.ndarray, labels: np.ndarray, palette: Palette, opacity: float
) -> None:
    narrow = labels.dtype == np.uint8
    _write(job.labels, Image.fromarray(labels if narrow else labels.astype(np.uint16)))
    if narrow:  # a palette PNG: smaller and faster than RGB, and the same to the eye
        color = Image.fromarray(labels)
        color.putpalette(colorize(np.arange(256, dtype=np.uint8), palette).tobytes())
    else:
        color = Image.fromarray(colorize(labels, palette))
    _write(job.color, color)
    _write(job.overlay, Image.fromarray(overlay(pixels, labels, palette, opacity)))


def _write(path: Path, picture: Image.Image) -> None:
    with replacing(path) as temporary:
        # The fastest compression: four times as fast as the default on an overlay,
        # and a fifth larger.
        picture.save(temporary, "PNG", compress_level=1)
