"""How large and how fast the variants are, on this machine."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import keras

from keras_lraspp.benchmark import measure as child
from keras_lraspp.benchmark.measure import OPENERS
from keras_lraspp.errors import InputError
from keras_lraspp.export.graph import require_tensorflow
from keras_lraspp.files import package_versions, replacing
from keras_lraspp.models.variants import VARIANTS, Variant, find_variant


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


def measured(
    variants: Iterable[Variant], formats: Sequence[str], job: dict
) -> Iterator[BenchmarkRow]:
    """Measures variants, one after the other.

    Args:
        variants: The variants.
        formats: Keys of `OPENERS`.
        job: `size` (height and width), `batch`, `threads`, `runs`.

    Yields:
        A row for each variant and format, as soon as there is one.
    """
    for variant in variants:
        about = {"variant": variant.name, "miou": variant.miou}
        with tempfile.TemporaryDirectory() as folder:
            made = _made({**job, "variant": variant.name, "folder": folder}, formats)
            for name in formats:
                row = BenchmarkRow(format=name, **about)
                _fill(row, made[name], job)
                yield row


def _made(job: dict, formats: Sequence[str]) -> dict[str, dict]:
    """Writes a variant's files; returns by format what is known of each."""
    program = ["-m", "keras_lraspp.benchmark.export_variant"]
    place = tempfile.mkdtemp(dir=job["folder"])  # without what a failed try left
    made = _child(program, {**job, "formats": list(formats), "folder": place})
    if "error" in made and len(formats) > 1:  # one may have failed for all
        return {name: _made(job, [name])[name] for name in formats}
    return dict.fromkeys(formats, made)


def _fill(row: BenchmarkRow, made: dict, job: dict) -> None:
    """Times a file and notes what is known of it."""
    row.error = made.get("error")
    if row.error is not None:
        return
    row.parameters, row.multiply_adds = made["parameters"], made["multiply_adds"]
    file = made["files"][row.format]
    row.file_bytes = file["bytes"]
    script = [child.__file__]
    timed = _child(script, {**job, "format": row.format, "path": file["path"]})
    for name, value in timed.items():
        setattr(row, name, value)


def _child(program: list[str], job: dict) -> dict:
    """Returns what a program printed, or its last words as `error`."""
    modules = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, *program, json.dumps(job)],
        env={**os.environ, "PYTHONPATH": modules},
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    words = [text for text in done.stderr.splitlines() if text.strip()]
    said = words[-1].removeprefix("error: ") if words else ""
    return {"error": said or f"the process ended with {done.returncode}"}


FORMATS = tuple(OPENERS)
ALL = "all"
_PACKAGES = (
    "keras-lraspp",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "onnxruntime",
    "ai-edge-litert",
)


def benchmark(
    *,
    variants: Sequence[str] = (ALL,),
    formats: Sequence[str] = ("keras",),
    size: tuple[int, int] = (512, 1024),
    batch: int = 1,
    threads: int | None = None,
    runs: int = 20,
    output_dir: str | Path = "benchmark",
) -> list[BenchmarkRow]:
    """Measures variants, each in a process of its own, and prints a table.

    What is timed is the same for all: from uint8 images in memory to labels. The
    weights are random: the time does not depend on them. `output_dir` gets
    `benchmark.json`, and `benchmark.png` with the latency against the published mIoU.

    Args:
        variants: Names from the table of variants, or `"all"`.
        formats: Some of `FORMATS`; all but `"keras"` need TensorFlow to be written.
        size: Height and width of the images.
        batch: Images per call. LiteRT takes them one by one.
        threads: Threads, and on Linux processors, of each process; `None` for all.
        runs: Calls to time, after a warm-up.
        output_dir: Gets the files.

    Returns:
        A row for each variant and format; `error` says why one has no numbers.

    Raises:
        InputError: For unknown names or numbers out of range.
        StorageError: If `output_dir` cannot be written.
    """
    chosen, formats = _chosen(variants), list(dict.fromkeys(formats))
    _check(formats, {"batch": batch, "threads": threads or 1, "runs": runs})
    if set(formats) != {"keras"}:
        require_tensorflow("An exported file")
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)  # a wrong folder is said at once
    threads = min(threads or _processors(), _processors())
    job = {"size": size, "batch": batch, "threads": threads, "runs": runs}
    print(f"{size[0]}x{size[1]}, batch {batch}, {threads} threads, {runs} calls")
    print(heading())
    rows = []
    for row in measured(chosen, formats, job):
        print(line(row))
        rows.append(row)
    _write(output_dir, rows, job)
    return rows


def _chosen(names: Sequence[str]) -> list[Variant]:
    if ALL in names:
        return list(VARIANTS)
    found = [find_variant(name) for name in names]
    for name, variant in zip(names, found, strict=True):
        if variant is None:
            known = ", ".join(variant.name for variant in VARIANTS)
            raise InputError(
                f"There is no variant {name!r}; take {ALL} or some of {known}."
            )
    return list(dict.fromkeys(found))  # each once


def _check(formats: Sequence[str], numbers: dict[str, int]) -> None:
    if not formats or set(formats) - set(FORMATS):
        given = ",".join(formats)
        raise InputError(f"--format is some of {', '.join(FORMATS)}, not {given!r}.")
    for name, number in numbers.items():
        if number < 1:
            raise InputError(f"--{name} is at least 1, not {number}.")


def _write(folder: Path, rows: list[BenchmarkRow], job: dict) -> None:

    content = {**job, **_machine(), "rows": [row.as_dict() for row in rows]}
    with replacing(folder / "benchmark.json") as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    points = [
        Point(row.variant, row.format, row.median_ms, row.miou)
        for row in rows
        if row.miou is not None and row.median_ms is not None
    ]
    written = [folder / "benchmark.json"]
    if points:
        title = f"{job['size'][0]}x{job['size'][1]}, batch {job['batch']}, "
        title += f"{job['threads']} threads"
        with replacing(folder / "benchmark.png") as temporary:
            draw_latencies(points, title, temporary)
        written.append(folder / "benchmark.png")
    print(f"written: {', '.join(map(str, written))}")


def _machine() -> dict:
    return {
        "backend": keras.backend.backend(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "versions": package_versions(_PACKAGES),
    }


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_MARKS = {"keras": "o", "saved_model": "s", "onnx": "D", "litert": "^"}
_COLORS = {
    "keras": "#c43c31",
    "saved_model": "#e08a1e",
    "onnx": "#1f5fa8",
    "litert": "#3c8d40",
}


class Point(NamedTuple):
    """A variant in a format.

    Attributes:
        variant: Its name.
        format: `"keras"`, `"saved_model"`, `"onnx"` or `"litert"`.
        latency: In milliseconds.
        miou: In percent.
    """

    variant: str
    format: str
    latency: float
    miou: float


def draw_latencies(points: list[Point], title: str, path: Path) -> None:
    """Draws the latency of variants against their mIoU, as PNG.

    A line joins the formats of a variant, whose name stands above it.

    Args:
        points: At least one.
        title: What was measured.
        path: The file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.add_subplot()
    slowest = max(point.latency for point in points)
    for variant in dict.fromkeys(point.variant for point in points):
        own = sorted(
            (point for point in points if point.variant == variant),
            key=lambda point: point.latency,
        )
        axes.plot(
            [point.latency for point in own],
            [point.miou for point in own],
            color="#bbbbbb",
            linewidth=1,
            zorder=1,
        )
        on_the_right = own[0].latency > 0.7 * slowest  # no room for the name there
        axes.annotate(
            f"{variant}  {own[0].miou:.2f}",
            (own[-1 if on_the_right else 0].latency, own[0].miou),
            xytext=(0, 9),
            textcoords="offset points",
            horizontalalignment="right" if on_the_right else "left",
            fontsize=9,
        )
    for name in dict.fromkeys(point.format for point in points):
        own = [point for point in points if point.format == name]
        axes.scatter(
            [point.latency for point in own],
            [point.miou for point in own],
            marker=_MARKS[name],
            color=_COLORS[name],
            edgecolors="white",  # where two stand on one another
            s=60,
            label=name,
            zorder=2,
        )
    figure.suptitle(f"From image to labels: {title}", fontsize=10)
    axes.set_xlabel("latency, median of the calls, ms")
    axes.set_ylabel("published mIoU on Cityscapes val, %")
    axes.set_xlim(left=0, right=1.05 * slowest)
    axes.margins(y=0.25)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside lower center", ncols=len(_MARKS))
    figure.savefig(path, format="png", dpi=150)
