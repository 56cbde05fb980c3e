"""The `predict` command: label, colour and overlay pictures of images or a video."""

import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from keras_lraspp.classes import CLASS_SETS, ClassSet, cityscapes_train_to_id
from keras_lraspp.devices import precision_policy
from keras_lraspp.errors import InputError
from keras_lraspp.images import read_image
from keras_lraspp.inference.tta import InferenceOptions
from keras_lraspp.models.keras_file import find_classes, load_weights, open_weights
from keras_lraspp.parallel import BackgroundWriter, map_threads
from keras_lraspp.prediction.inputs import find_images, is_video
from keras_lraspp.prediction.outputs import (
    DrawingStyle,
    Job,
    check_result_kinds,
    check_writable,
    image_jobs,
    results_function,
    video_job,
    with_path,
    write_results,
)
from keras_lraspp.prediction.segmenter import Segmenter, is_exported, open_predictor
from keras_lraspp.prediction.video import predict_video, read_video
from keras_lraspp.visualize import read_palette

_IMAGE_OUTPUTS = ("labels", "color", "overlay")
_VIDEO_OUTPUTS = ("overlay",)


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
    opacity: float = 0.5,
    legend: bool = False,
    flip: bool = False,
    scales: tuple[float, ...] = (1.0,),
    sliding_window: tuple[int, int] | None = None,
    stride: tuple[int, int] | None = None,
    precision: str = "float32",
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

    Returns:
        The images, or the one video, and what was written for them.

    Raises:
        InputError: For bad weights or arguments, if there is no image, or, at the end,
            if images could not be read or the video is damaged.
        StorageError: If `output_dir` cannot be written.
    """
    options = InferenceOptions(
        flip=flip, scales=scales, sliding_window=sliding_window, stride=stride
    )
    source, target = Path(input_path).expanduser(), Path(output_dir).expanduser()
    video = read_video(source) if is_video(source) and source.is_file() else None
    kinds = check_result_kinds(outputs or (_VIDEO_OUTPUTS if video else _IMAGE_OUTPUTS))
    network = None
    if is_exported(weights):
        network, known = open_predictor(weights, options)
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
        jobs = image_jobs(find_images(source, target), target, kinds)
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
        return _predict_images(jobs, segmenter, style, target)


def _label_ids(classes: ClassSet):
    if classes.names != CLASS_SETS["cityscapes"].names:
        raise InputError(
            f"predict.label_ids is for Cityscapes' 19 classes; of these "
            f"{len(classes.names)} the first is {classes.names[0]!r}: leave out "
            f"--label_ids."
        )
    return cityscapes_train_to_id()


def _predict_images(
    jobs: list[Job], segmenter: Segmenter, style: DrawingStyle, output_dir: Path
) -> list[Job]:
    """Segments images and writes their results; raises InputError if some failed.

    The network runs in the caller's thread; decoding and compressing, which take as
    long as a small network does, run on others. An image that cannot be read or is of
    a size that the model does not take is reported on stderr.
    """
    segment = results_function(segmenter, jobs[0])
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
                bar.write(with_path(job.image, error), file=sys.stderr)
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


def _read(job: Job) -> np.ndarray:
    return read_image(job.image, apply_exif=True)
