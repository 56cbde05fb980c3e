"""What was measured of each variant in each format."""

from dataclasses import asdict, dataclass
from statistics import median, quantiles


@dataclass(kw_only=True)
class BenchmarkRow:
    """A variant in a format.

    Attributes:
        variant: Its name.
        format: A key of `OPENERS`.
        miou: Published on Cityscapes val, in percent; `None` where there is none.
        parameters: Trainable ones.
        multiply_adds: Of one image.
        file_bytes: Of the file, or of all files in the folder.
        milliseconds: Of each call with a whole batch.
        first_call_ms: Of the first call, which compiles.
        peak_bytes: Of the process that ran it, its runtime included.
        error: Why there is nothing of it.
    """

    variant: str
    format: str
    miou: float | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    file_bytes: int | None = None
    milliseconds: list[float] | None = None
    first_call_ms: float | None = None
    peak_bytes: int | None = None
    error: str | None = None

    @property
    def median_ms(self) -> float | None:
        """The median of the calls."""
        return median(self.milliseconds) if self.milliseconds else None

    @property
    def p90_ms(self) -> float | None:
        """What nine of ten calls stay below."""
        if not self.milliseconds:
            return None
        if len(self.milliseconds) == 1:
            return self.milliseconds[0]
        return quantiles(self.milliseconds, n=10, method="inclusive")[-1]

    def as_dict(self) -> dict:
        """Returns it for JSON."""
        return {**asdict(self), "median_ms": self.median_ms, "p90_ms": self.p90_ms}


# Title, width, and text of a row; a failed row has what is known of it.
_COLUMNS = (
    ("variant", -24, lambda row: row.variant),
    ("format", -12, lambda row: row.format),
    ("parameters", 11, lambda row: _scaled(row.parameters, 1e6, "M")),
    ("mult-adds", 10, lambda row: _scaled(row.multiply_adds, 1e9, "G")),
    ("file", 9, lambda row: _scaled(row.file_bytes, 1e6, "MB", 1)),
    ("median", 10, lambda row: _scaled(row.median_ms, 1, "ms", 1)),
    ("p90", 10, lambda row: _scaled(row.p90_ms, 1, "ms", 1)),
    ("memory", 9, lambda row: _scaled(row.peak_bytes, 1e6, "MB", 0)),
    ("mIoU", 7, lambda row: "" if row.miou is None else f"{row.miou:.2f}"),
)


def heading() -> str:
    """Returns the first line of the table."""
    return "".join(_cell(title, width) for title, width, _ in _COLUMNS).rstrip()


def line(row: BenchmarkRow) -> str:
    """Returns the line of a row, without what is unknown."""
    text = "".join(_cell(value(row), width) for _, width, value in _COLUMNS).rstrip()
    return text if row.error is None else f"{text}  failed: {row.error}"


def _cell(text: str, width: int) -> str:
    return f"{text:<{-width}} " if width < 0 else f"{text:>{width}} "


def _scaled(value: float | None, unit: float, name: str, digits: int = 2) -> str:
    return "" if value is None else f"{value / unit:.{digits}f} {name}"
