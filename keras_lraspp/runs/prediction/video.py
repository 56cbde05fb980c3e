"""The prediction of a video: frame by frame, so that its length does not matter."""

from contextlib import ExitStack, closing
from itertools import repeat

import numpy as np
from tqdm import tqdm

from keras_lraspp.errors import InputError
from keras_lraspp.parallel import BackgroundWriter, map_threads
from keras_lraspp.runs.prediction.images import (
    Results,
    named,
    results_function,
    wants_probabilities,
)
from keras_lraspp.runs.prediction.pictures import Style, write_results
from keras_lraspp.runs.prediction.result_files import Job, frame_job
from keras_lraspp.runs.prediction.video_reading import Frame, Video
from keras_lraspp.runs.prediction.video_writing import video_writer
from keras_lraspp.segmenter import Segmenter


def predict_video(job: Job, video: Video, segmenter: Segmenter, style: Style) -> Job:
    """Segments the frames of a video and writes what its job asks for.

    Decoding, the network and encoding overlap. Whatever ends it early, the frames
    before that are kept.

    Args:
        job: The video's results.
        video: The video.
        segmenter: The network.
        style: How to draw; a legend names all classes, as a video has one size.

    Returns:
        `job`.

    Raises:
        InputError: If the video is cut off or damaged, or of a size that the model
            does not take.
        StorageError: If a result cannot be written.
    """
    segment = results_function(segmenter, wants_probabilities(job))
    done, ended = 0, None
    with ExitStack() as stack:
        write = _frame_writer(job, video, style, stack)
        results = stack.enter_context(BackgroundWriter(threads=1))  # in order
        frames = stack.enter_context(closing(video.frames()))
        ahead = map_threads(lambda _: next(frames, None), repeat(None), threads=1)
        ahead = stack.enter_context(closing(ahead))
        bar = tqdm(total=video.length, unit="frame", desc="predict")
        stack.enter_context(bar)
        try:
            for _, future in ahead:
                frame = future.result()
                if frame is None:
                    break
                results.submit(write, done, frame, segment(frame.pixels))
                done += 1
                bar.update()
        except (InputError, KeyboardInterrupt) as error:
            ended = error
    where = ", ".join(map(str, job.results.values()))
    if isinstance(ended, InputError):
        kept = (
            f"The {done} frames before are in {where}."
            if done
            else "There is no frame before."
        )
        raise InputError(f"{named(job.image, ended)} {kept}") from ended
    if ended is not None:
        raise ended
    print(f"{done} frames: {where}")
    return job


def _frame_writer(job: Job, video: Video, style: Style, stack: ExitStack):
    """Makes the function that writes all results of a frame."""
    videos = {
        kind: stack.enter_context(video_writer(path, video.rate))
        for kind, path in job.results.items()
        if kind in ("color", "overlay")
    }
    everything = np.arange(len(style.classes.names))

    def write(index: int, frame: Frame, results: Results) -> None:
        labels, probabilities = results
        files = frame_job(job, index)
        write_results(files, style, frame.pixels, labels, probabilities)
        if "color" in videos:
            videos["color"](style.color(labels), frame.seconds)
        if "overlay" in videos:
            laid = style.overlay(frame.pixels, labels, everything)
            videos["overlay"](laid, frame.seconds)

    return write
