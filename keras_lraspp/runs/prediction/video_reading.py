"""Videos, one frame at a time, by way of PyAV."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.images import MAX_PIXELS, DamagedFileError, broken

_USUAL_RATE = 25  # frames per second, where a file does not say


class Frame(NamedTuple):
    """One picture of a video: upright, uint8 RGB (H, W, 3), and its time."""

    pixels: np.ndarray
    seconds: Fraction | None


@dataclass(frozen=True)
class Video:
    """What a video's header says.

    Attributes:
        path: The file.
        rate: Frames per second, on average.
        seconds: How long it is; `None` if the file does not say.
    """

    path: Path
    rate: Fraction
    seconds: Fraction | None

    @property
    def length(self) -> int | None:
        """About how many frames there are."""
        return None if self.seconds is None else round(self.seconds * self.rate)

    def frames(self) -> Iterator[Frame]:
        """Decodes the video and turns it upright, as its rotation says.

        Raises:
            DamagedFileError: After the last frame, if the file is cut off or damaged.
        """
        av = pyav()
        first = last = None
        with _opened(self.path) as container:
            try:
                for frame in container.decode(container.streams.video[0]):
                    last = None if frame.pts is None else frame.pts * frame.time_base
                    first = last if first is None else first
                    yield Frame(_upright(frame), last)
            except av.FFmpegError as error:
                raise DamagedFileError(broken(self.path, error.strerror)) from error
        if None not in (first, last, self.seconds):
            self._check_end(last - first + 1 / self.rate)

    def _check_end(self, played: Fraction) -> None:
        """Tells a video that was cut off, which often ends without an error."""
        if played < self.seconds - max(3 / self.rate, self.seconds / 50):
            ended = f"it ends at {float(played):.1f} of {float(self.seconds):.1f} s"
            raise DamagedFileError(broken(self.path, ended))


def read_video(path: Path) -> Video:
    """Reads a video's header.

    Raises:
        DamagedFileError: If the file is no video or its header is broken.
        InputError: If PyAV is missing, or there are no pictures or too large ones.
    """
    with _opened(path) as container:
        if not container.streams.video:
            raise InputError(f"{path} has no pictures; give a video or an image.")
        stream = container.streams.video[0]
        if not 0 < stream.width * stream.height <= MAX_PIXELS:
            raise InputError(
                f"{path} claims {stream.height}x{stream.width} pixels, more than the "
                f"limit of {MAX_PIXELS} or none; scale it down."
            )
        rate = stream.average_rate or stream.guessed_rate or _USUAL_RATE
        rate = Fraction(min(max(rate, Fraction(1, 60)), 1000))
        return Video(path, rate, _seconds(container, stream))


def pyav() -> ModuleType:
    """Imports PyAV.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise InputError(
            'Videos need PyAV, which is not installed; run `pip install "av>=14.2"`.'
        ) from error
    return av


@contextmanager
def _opened(path: Path):
    av = pyav()
    try:
        container = av.open(
            str(path.absolute()),
            metadata_errors="ignore",
            # A playlist in disguise must not reach into the network.
            options={"protocol_whitelist": "file"},
        )
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DamagedFileError(
            f"{path} is not a video that can be read ({reason}); replace it."
        ) from error
    with container:
        yield container


def _seconds(container, stream) -> Fraction | None:
    """How long the pictures run, by the header, which a cut does not change."""
    noted = re.fullmatch(
        r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "")
    )
    if noted:  # Matroska and WebM
        hours, minutes, seconds = map(Fraction, noted.groups())
        return 3600 * hours + 60 * minutes + seconds
    if container.format.name == "avi":  # its duration is worked out from the file
        return stream.frames * stream.time_base if stream.frames else None
    if stream.duration is None:
        return None
    return stream.duration * stream.time_base


def _upright(frame) -> np.ndarray:
    # Without a word on its colours, HD is BT.709, and what is smaller BT.601.
    unsaid = frame.colorspace == 2 and frame.height >= 720
    rgb = frame.to_ndarray(format="rgb24", src_colorspace="ITU709" if unsaid else None)
    # Degrees against the clock.
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90)))
