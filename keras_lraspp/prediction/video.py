"""Segmentation of videos, frame by frame: read, predict, write."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import check_regular, replacing
from keras_lraspp.images import MAX_PIXELS, DamagedFileError, damage_sentence
from keras_lraspp.parallel import BackgroundWriter, map_threads
from keras_lraspp.prediction.outputs import (
    DrawingStyle,
    Job,
    Results,
    frame_job,
    with_path,
    write_results,
)
from keras_lraspp.prediction.segmentation import ClassTotals
from keras_lraspp.prediction.segmenter import Segmenter, results_function
from keras_lraspp.progress import ProgressBar

# What holds pictures itself; by its content, whatever the name.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf"
_DEFAULT_RATE = 25  # frames per second, where a file does not say
# The first that is there. PyAV's wheels have x264; FFmpeg without its GPL parts has the
# others.
ENCODERS = {
    "libx264": {"crf": "20", "preset": "veryfast"},
    "libopenh264": {"b": "8000000"},
    "mpeg4": {"b": "8000000"},
}
_BT709 = 1  # FFmpeg's number for the colours of HD video
_STEPS = 8  # times are kept to this fraction of a frame

WriteFrame = Callable[[np.ndarray, Fraction | None], None]


class Frame(NamedTuple):
    """One picture of a video: upright, uint8 RGB (H, W, 3), and its time."""

    pixels: np.ndarray
    seconds: Fraction | None


@dataclass(frozen=True)
class Video:
    """What a video's header says."""

    path: Path
    rate: Fraction  # frames per second, on average
    seconds: Fraction | None  # how long it is, if the file says it
    max_pixels: int = MAX_PIXELS  # of a frame

    @property
    def length(self) -> int | None:
        """About how many frames there are."""
        return None if self.seconds is None else round(self.seconds * self.rate)

    def frames(self) -> Iterator[Frame]:
        """Decodes the frames, upright; raises `DamagedFileError` after a cut."""
        av = pyav()
        first = last = None
        with _open_container(self.path) as container:
            stream = container.streams.video[0]
            # Later frames may be larger than the header says.
            stream.codec_context.options = {"max_pixels": str(self.max_pixels)}
            try:
                for frame in container.decode(stream):
                    _check_size(self.path, frame, self.max_pixels)
                    last = None if frame.pts is None else frame.pts * frame.time_base
                    first = last if first is None else first
                    yield Frame(_upright(frame), last)
            except av.FFmpegError as error:
                _check_size(self.path, stream.codec_context, self.max_pixels)
                raise DamagedFileError(
                    damage_sentence(self.path, error.strerror)
                ) from error
        if None not in (first, last, self.seconds):
            self._check_end(last - first + 1 / self.rate)

    def _check_end(self, played: Fraction) -> None:
        """Raises an error for a video that was cut off, which often ends quietly."""
        if played < self.seconds - max(3 / self.rate, self.seconds / 50):
            ended = f"it ends at {float(played):.1f} of {float(self.seconds):.1f} s"
            raise DamagedFileError(damage_sentence(self.path, ended))


def predict_video(
    job: Job,
    video: Video,
    segmenter: Segmenter,
    style: DrawingStyle,
    totals: ClassTotals,
) -> Job:
    """Segments the frames of a video and writes the results of its job.

    Decoding, the network and encoding overlap. Whatever ends it early, the frames
    before that are kept, and are in `totals`. A legend names all classes, as a video
    has one size.
    """
    if segmenter.channels != 3:
        raise InputError(
            f"{job.image} is a video, whose frames are RGB, but the network takes "
            f"{segmenter.channels}-channel images; give such images."
        )
    segment = results_function(segmenter, job)
    done, ended = 0, None
    with ExitStack() as stack:
        write = _frame_writer(job, video, style, totals, stack)
        results = stack.enter_context(BackgroundWriter(threads=1))  # in order
        frames = stack.enter_context(closing(video.frames()))
        ahead = map_threads(lambda _: next(frames, None), repeat(None), threads=1)
        ahead = stack.enter_context(closing(ahead))
        bar = ProgressBar("predict", video.length, "frames")
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
        raise InputError(f"{with_path(job.image, ended)} {kept}") from ended
    if ended is not None:
        raise ended
    print(f"{done} frames: {where}")
    return job


def _frame_writer(
    job: Job, video: Video, style: DrawingStyle, totals, stack: ExitStack
):
    """Makes the function that writes all results of a frame."""
    videos = {
        kind: stack.enter_context(video_writer(path, video.rate))
        for kind, path in job.results.items()
        if kind in ("color", "overlay")
    }

    def write(index: int, frame: Frame, results: Results) -> None:
        labels, probabilities = results
        files = frame_job(job, index)
        write_results(files, style, frame.pixels, labels, probabilities)
        if "color" in videos:
            videos["color"](style.color(labels), frame.seconds)
        if "overlay" in videos:
            laid = style.overlay(frame.pixels, labels, every=True)
            videos["overlay"](laid, frame.seconds)
        totals.add(labels)

    return write


def read_video(path: Path, max_pixels: int = MAX_PIXELS) -> Video:
    """Reads a video's header; raises `InputError` if it is missing or broken.

    Its pictures may have `max_pixels` pixels.
    """
    with _open_container(path) as container:
        if not container.streams.video:
            raise InputError(f"{path} has no pictures; give a video or an image.")
        stream = container.streams.video[0]
        _check_size(path, stream, max_pixels)
        rate = stream.average_rate or stream.guessed_rate or _DEFAULT_RATE
        rate = Fraction(min(max(rate, Fraction(1, 60)), 1000))
        return Video(path, rate, _duration(container, stream), max_pixels)


def _check_size(path: Path, picture, max_pixels: int) -> None:
    if not 0 < picture.width * picture.height <= max_pixels:
        raise InputError(
            f"{path} claims {picture.height}x{picture.width} pixels, more than the "
            f"limit of {max_pixels} (--max_pixels) or none; scale it down."
        )


def pyav() -> ModuleType:
    """Imports PyAV; raises `InputError` if it is not installed."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            'Videos need PyAV, which is not installed; run `pip install "av>=14.2"`.'
        ) from error
    return av


@contextmanager
def _open_container(path: Path):
    av = pyav()
    try:
        check_regular(path)
        container = av.open(
            str(path.absolute()),
            metadata_errors="ignore",
            # A list in disguise must reach neither into the network nor other files.
            options={"protocol_whitelist": "file", "format_whitelist": _CONTAINERS},
        )
    except InputError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DamagedFileError(
            f"{path} is not a video that can be read ({reason}); replace it."
        ) from error
    with container:
        yield container


def _duration(container, stream) -> Fraction | None:
    """Returns the length of the pictures by the header, which a cut does not change."""
    duration = re.fullmatch(
        r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "")
    )
    if duration:  # Matroska and WebM
        hours, minutes, seconds = map(Fraction, duration.groups())
        return 3600 * hours + 60 * minutes + seconds
    if container.format.name == "avi":  # its duration is worked out from the file
        return stream.frames * stream.time_base if stream.frames else None
    if stream.duration is None:
        return None
    return stream.duration * stream.time_base


def _upright(frame) -> np.ndarray:
    # Without a word on its colours, HD is BT.709, and what is smaller BT.601.
    unspecified_hd = frame.colorspace == 2 and frame.height >= 720
    rgb = frame.to_ndarray(
        format="rgb24", src_colorspace="ITU709" if unspecified_hd else None
    )
    # Degrees against the clock.
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90)))


@contextmanager
def video_writer(path: Path, rate: Fraction) -> Iterator[WriteFrame]:
    """Writes an MP4 atomically: yields a function of a frame and its time in seconds.

    The frames are H.264 (MPEG-4 part 2 where FFmpeg cannot encode that) in BT.709
    colours, which take even sides: an odd one gets a copy of its last row or column.
    Only one frame is held. Without any frame, no file is written. Raises
    `StorageError` if it cannot be encoded or written.
    """
    av = pyav()
    clock = _Clock(rate)
    container = stream = None
    with _raise_storage_errors(path), ExitStack() as stack:

        def write(pixels: np.ndarray, seconds: Fraction | None) -> None:
            nonlocal container, stream
            odd = [(0, side % 2) for side in pixels.shape[:2]]
            pixels = np.pad(pixels, (*odd, (0, 0)), "edge")
            with _raise_storage_errors(path):
                if stream is None:
                    temporary = stack.enter_context(replacing(path))
                    container = stack.enter_context(av.open(str(temporary), "w"))
                    stream = _add_stream(container, rate, *pixels.shape[:2])
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
                frame.pts, frame.time_base = clock.steps(seconds), clock.step
                container.mux(stream.encode(frame))

        yield write
        if stream is not None:
            container.mux(stream.encode())


def _add_stream(container, rate: Fraction, height: int, width: int):
    encoder = next(name for name in ENCODERS if name in pyav().codecs_available)
    stream = container.add_stream(encoder, rate=rate, options=ENCODERS[encoder])
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.time_base = 1 / (rate * _STEPS)
    if encoder == "mpeg4":  # its limit
        context.time_base = context.time_base.limit_denominator(65535)
    return stream


class _Clock:
    """Turns times into increasing steps of an eighth frame, counted from the first."""

    def __init__(self, rate: Fraction):
        self.step = 1 / (rate * _STEPS)
        self._first = self._last = None

    def steps(self, seconds: Fraction | None) -> int:
        if self._last is None:
            self._first, self._last = seconds, 0
        elif None in (seconds, self._first):
            self._last += _STEPS
        else:
            now = round((seconds - self._first) / self.step)
            self._last = max(now, self._last + 1)
        return self._last


@contextmanager
def _raise_storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except pyav().FFmpegError as error:
        raise StorageError(
            f"Cannot write {path}: {error.strerror}. Free some space or choose another "
            f"folder."
        ) from error
