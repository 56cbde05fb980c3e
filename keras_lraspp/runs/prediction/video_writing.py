"""A video, written frame by frame, by way of PyAV."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from keras_lraspp.errors import StorageError
from keras_lraspp.files import replacing
from keras_lraspp.runs.prediction.video_reading import pyav

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


@contextmanager
def video_writer(path: Path, rate: Fraction) -> Iterator[WriteFrame]:
    """Writes an MP4, which takes its place when the context ends without an error.

    The frames are H.264 (MPEG-4 part 2 where FFmpeg cannot encode that) in BT.709
    colours, which take even sides: an odd one gets a copy of its last row or column.
    Only one frame is held. Without any frame, no file is written.

    Args:
        path: The file.
        rate: Frames per second.

    Yields:
        A function of a frame, uint8 RGB (H, W, 3), always of the same size, and its
        time in seconds, `None` if unknown.

    Raises:
        StorageError: If it cannot be encoded or written.
    """
    av = pyav()
    clock = _Clock(rate)
    container = stream = None
    with _storage_errors(path), ExitStack() as stack:

        def write(pixels: np.ndarray, seconds: Fraction | None) -> None:
            nonlocal container, stream
            odd = [(0, side % 2) for side in pixels.shape[:2]]
            pixels = np.pad(pixels, (*odd, (0, 0)), "edge")
            with _storage_errors(path):
                if stream is None:
                    temporary = stack.enter_context(replacing(path))
                    container = stack.enter_context(av.open(str(temporary), "w"))
                    stream = _stream(container, rate, *pixels.shape[:2])
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
                frame.pts, frame.time_base = clock.steps(seconds), clock.step
                container.mux(stream.encode(frame))

        yield write
        if stream is not None:
            container.mux(stream.encode())


def _stream(container, rate: Fraction, height: int, width: int):
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
    """Turns times into steps of an eighth frame from the first, ever later."""

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
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except pyav().FFmpegError as error:
        raise StorageError(
            f"Cannot write {path}: {error.strerror}. Free some space or choose another "
            f"folder."
        ) from error
