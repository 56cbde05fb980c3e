"""The `predict` command: label, colour and overlay pictures of images or a video."""

import errno
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Annotated

import keras
import numpy as np

from keras_lraspp.classes import (
    CLASS_SETS,
    ClassSet,
    cityscapes_train_to_id,
    foreground_classes,
)
from keras_lraspp.data.dataset import (
    SegmentationDataset,
    White,
    configured_classes,
)
from keras_lraspp.devices import precision_policy
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.images import MAX_PIXELS, WHITE, read_image
from keras_lraspp.inference.tta import InferenceOptions
from keras_lraspp.models.keras_file import settle_classes
from keras_lraspp.models.loading import load_network
from keras_lraspp.palettes import Palette, picture_palette, read_palette
from keras_lraspp.parallel import BackgroundWriter, map_threads
from keras_lraspp.prediction.engines import (
    RUNTIMES,
    Engine,
    RuntimePredictor,
    with_engine,
)
from keras_lraspp.prediction.inputs import find_inputs
from keras_lraspp.prediction.outputs import (
    DrawingStyle,
    Job,
    check_result_kinds,
    check_writable,
    image_jobs,
    video_jobs,
    with_path,
    write_results,
)
from keras_lraspp.prediction.predictors import (
    KerasPredictor,
    is_exported,
    open_predictor,
)
from keras_lraspp.prediction.segmentation import ClassTotals
from keras_lraspp.prediction.segmenter import Segmenter, results_function
from keras_lraspp.prediction.video import predict_video, read_video
from keras_lraspp.progress import ProgressBar
from keras_lraspp.schema import Bounds, Share, check_call
from keras_lraspp.terminal import emphasize_head

_IMAGE_OUTPUTS = ("labels", "color", "overlay")
_VIDEO_OUTPUTS = ("overlay",)
# Errors of writing that would befall each image: they end the run.
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE}


def predict(
    *,
    weights: str | Path,
    input_path: str | Path | Sequence[str | Path],
    output_dir: str | Path = "output/predictions",
    model: Callable[..., keras.Model] | None = None,
    outputs: Sequence[str] | None = None,
    classes: str | int | Sequence[str] | None = None,
    dataset: Callable[..., SegmentationDataset] | None = None,
    palette: str | Path | None = None,
    label_ids: bool = False,
    opacity: Share = 0.5,
    legend: bool = False,
    min_region: Annotated[int, Bounds(0, 2**40)] = 0,
    flip: bool = False,
    scales: tuple[float, ...] = (1.0,),
    sliding_window: tuple[int, int] | None = None,
    stride: tuple[int, int] | None = None,
    precision: str = "float32",
    engine: Engine = "keras",
    max_pixels: Annotated[int, Bounds(1, 2**40)] = MAX_PIXELS,
    white: White = WHITE,
) -> list[Job]:
    """Segments images and the frames of videos.

    For each image as many files are written as there are `outputs`, all of the
    upright image's size: `<name>_labels.png`, in grey, holds the class of each pixel;
    `<name>_color.png` shows them in the palette; `<name>_overlay.png` shows them over
    the image; `<name>_probabilities.npz` has `probabilities`, float16 (H, W, classes),
    `classes`, their names, and `palette`. An image that cannot be read is reported on
    stderr, and the others are done.

    For a video, `overlay` and `color` are MP4s, `labels` and `probabilities` folders
    with a file for each frame.

    Args:
        weights: A `.keras` or `.weights.h5` file, weights of another code base
            (`.pdparams`, `.pth`, `.pt`, `.safetensors`), the name of a preset, or an
            exported file.
        input_path: An image, a folder, a pattern (`photos/**/*.jpg`), a `.txt` file
            with an image per line, or a video; or several of these.
        output_dir: Gets the results; sub-folders as in the input, or, of several, as
            below the lowest folder that holds all their images.
        model: Called as `model(num_classes=...)`; `None` for the network that the
            weights name, as all but a `.weights.h5` file do.
        outputs: Some of `"labels"`, `"color"`, `"overlay"` and `"probabilities"`;
            `None` for the first three, and for a video the overlay.
        classes: Names and number of the classes: `"cityscapes"`, `"camvid"`, a list of
            names, or a number; `None` for those that are in `weights`.
        dataset: A data set's classes are taken where `weights` say none and the network
            has as many. It need not be there.
        palette: File with other colours, as `read_palette` takes it; `"pictures"` for
            those of `picture_palette`, `"labels"` for the classes' own; `None` for the
            classes' own in `<name>_color.png` and those of pictures in overlays.
        label_ids: Whether label PNGs hold Cityscapes' labelIds instead of trainIds.
        opacity: Weight of the colours in overlays, 0 to 1.
        legend: Whether overlays get a strip with the classes' names and shares below.
        min_region: Overlays leave out regions of fewer pixels, the labels do not.
        flip: As in `InferenceOptions`, like the next three.
        scales: Factors of the image's sides.
        sliding_window: Height and width of the windows; `None` for none.
        stride: Pixels from window to window; `None` for two thirds of them.
        precision: `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`.
        engine: `"keras"`; `"onnx"` for ONNX Runtime or `"litert"` for LiteRT, by an
            export that is made once and kept, LiteRT's for each size of images; or
            `"auto"` for `"onnx"` where that is likely to pay, see `with_engine`.
        max_pixels: The most pixels (height x width) of an image or frame; larger ones
            are refused before they are decoded.
        white: Value of white in images of 16 bits, see `read_image`.

    Returns:
        The videos and images, and what was written for them.

    Raises:
        InputError: For bad weights or arguments, if there is no image, or, at the end,
            if images could not be read or a video is damaged.
        StorageError: If `output_dir` cannot be written.
    """
    check_call("predict", predict, locals())
    options = InferenceOptions(
        flip=flip, scales=scales, sliding_window=sliding_window, stride=stride
    )
    target = Path(os.path.expanduser(output_dir))
    inputs = find_inputs(input_path, target)
    videos = [read_video(path, max_pixels) for path in inputs.videos]
    kinds = check_result_kinds(outputs or _IMAGE_OUTPUTS)
    jobs = image_jobs(*inputs.images, target, kinds) if inputs.images else []
    kinds = check_result_kinds(outputs or _VIDEO_OUTPUTS)
    films = video_jobs(inputs.videos, target, kinds)
    with precision_policy(precision):
        opened, class_set = _open_network(weights, model, classes, dataset, options)
    expected = len(jobs) + sum(video.length or 0 for video in videos)
    predictor = with_engine(opened, engine, expected)
    if isinstance(predictor, RuntimePredictor):
        print(f"{RUNTIMES[predictor.runtime]} runs the network", file=sys.stderr)
    class_set, laid = _with_palette(class_set, palette)
    style = DrawingStyle(
        classes=class_set,
        palette=laid,
        opacity=opacity,
        legend=legend,
        min_region=min_region,
        values=_label_ids(class_set) if label_ids else None,
    )
    check_writable(target)
    segmenter = Segmenter(predictor, class_set)
    totals = ClassTotals(class_set.names, "images" if jobs else "frames")
    runs = [
        partial(predict_video, job, video, segmenter, style, totals)
        for job, video in zip(films, videos, strict=True)
    ]
    if jobs:
        settings = {"white": white, "channels": segmenter.channels}
        read = partial(read_image, max_pixels=max_pixels, **settings)
        given = jobs, segmenter, style, target, read, totals
        runs.append(partial(_predict_images, *given))
    _run_all(runs, totals)
    return films + jobs


def _run_all(runs: Sequence[Callable[[], object]], totals: ClassTotals) -> None:
    """Calls all, whatever is wrong with an input of one, and raises that at the end.

    Before, it prints what classes were found.
    """
    errors = []
    for run in runs:
        try:
            run()
        except InputError as error:
            errors.append(error)
    if table := totals.table():
        print(emphasize_head(table))
    if len(errors) > 1:
        raise InputError(" ".join(map(str, errors))) from errors[0]
    if errors:
        raise errors[0]


def _open_network(weights, model, classes, dataset, options: InferenceOptions):
    """Loads a network or opens an exported file; returns a predictor, its classes."""
    if not is_exported(weights):
        configured = partial(configured_classes, dataset, None)
        found = load_network(weights, model, classes, "predict", configured)
        one_channel = found.model.output_shape[-1] == 1
        named = foreground_classes(found.classes) if one_channel else found.classes
        return KerasPredictor(found.model, options), named
    exported, known = open_predictor(weights, options)
    return exported, settle_classes(classes, known, weights, "predict")


def _with_palette(
    classes: ClassSet, palette: str | Path | None
) -> tuple[ClassSet, Palette]:
    """Returns the classes with the colours asked for, and the colours of overlays."""
    if palette is None:
        return classes, picture_palette(classes)
    if palette == "pictures":
        colors = tuple(picture_palette(classes))
    elif palette == "labels":
        colors = classes.palette
    else:
        colors = read_palette(palette, classes.names)
    return ClassSet(classes.names, colors), colors


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
    totals: ClassTotals,
) -> list[Job]:
    """Segments images and writes their results; raises InputError if some failed.

    The network runs in the caller's thread; decoding and compressing, which take as
    long as a small network does, run on others. What concerns one image alone is
    reported on stderr: it cannot be read, is of a size that the model does not take or
    the memory does not hold, or its results cannot get their names.
    """
    segment = results_function(segmenter, jobs[0])
    failed = []
    bar = ProgressBar("predict", len(jobs), "images")

    def fail(job: Job, error: Exception) -> None:
        failed.append(job)
        bar.write(with_path(job.image, error))

    def write(job: Job, *results) -> None:  # pixels, labels, probabilities
        try:
            write_results(job, style, *results)
            totals.add(results[1])
        except StorageError as error:
            if getattr(error.__cause__, "errno", None) in _OF_THE_DISK:
                raise
            fail(job, error)
        except MemoryError as error:
            fail(job, error)

    def read(job: Job) -> np.ndarray:
        return read_file(job.image)

    images = closing(map_threads(read, jobs))
    with bar, ExitStack() as stack, warnings.catch_warnings():
        # Pillow's remarks on odd metadata name no file, and the pixels are whole.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        results = stack.enter_context(BackgroundWriter())
        for job, pixels in stack.enter_context(images):
            try:
                pixels = pixels.result()
                results.submit(write, job, pixels, *segment(pixels))
            except (InputError, MemoryError) as error:
                fail(job, error)
            bar.update()
    done = len(jobs) - len(failed)
    if failed:
        raise InputError(
            f"{len(failed)} of {len(jobs)} images failed, each named above; the "
            f"results of the other {done} are in {output_dir}."
        )
    kinds = ", ".join(jobs[0].results)
    print(f"{done} image{'' if done == 1 else 's'}: {kinds} in {output_dir}")
    return jobs
