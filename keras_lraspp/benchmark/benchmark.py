"""Benchmark of the variants on this machine: size, latency, memory, a plot."""

import json
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles

import keras

from keras_lraspp.benchmark.measure import OPENERS, split_kind
from keras_lraspp.errors import InputError
from keras_lraspp.export.graph import require_tensorflow
from keras_lraspp.export.metadata import FILE_PRECISIONS, fitting_precisions
from keras_lraspp.files import package_versions, replacing
from keras_lraspp.parallel import processors, run_child
from keras_lraspp.schema import Channels, Count, check_call
from keras_lraspp.weights.published import VARIANTS, Variant, find_variant

_ALL = "all"
_CHILD = ("-m", "keras_lraspp.benchmark.measure")
_PACKAGES = (
    "keras-lraspp",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "onnxruntime",
    "ai-edge-litert",
)
_MARKERS = {
    "keras": ("o", "#c43c31"),
    "saved_model": ("s", "#e08a1e"),
    "onnx": ("D", "#1f5fa8"),
    "litert": ("^", "#3c8d40"),
}


@dataclass(kw_only=True)
class BenchmarkRow:
    """Measurements of a variant in a kind of file; `None` where there is none."""

    variant: str
    format: str  # a key of `OPENERS`
    precision: str = "float32"
    miou: float | None = None  # published on Cityscapes val, in percent
    parameters: int | None = None  # trainable ones
    multiply_adds: int | None = None  # of one image
    file_bytes: int | None = None  # of all files in the folder, if it is one
    milliseconds: list[float] | None = None  # of each call with a whole batch
    first_call_ms: float | None = None  # which compiles
    peak_bytes: int | None = None  # of the process, its runtime included
    error: str | None = None  # why there are no measurements

    @property
    def kind(self) -> str:
        """Format, and precision unless it is float32: "litert int8"."""
        return _kind(self.format, self.precision)

    @property
    def median_ms(self) -> float | None:
        """The median of the calls."""
        return median(self.milliseconds) if self.milliseconds else None

    @property
    def p90_ms(self) -> float | None:
        """The 90th percentile of the calls."""
        if not self.milliseconds:
            return None
        if len(self.milliseconds) == 1:
            return self.milliseconds[0]
        return quantiles(self.milliseconds, n=10, method="inclusive")[-1]

    def as_dict(self) -> dict:
        """Returns it for JSON."""
        return {**asdict(self), "median_ms": self.median_ms, "p90_ms": self.p90_ms}


def benchmark(
    *,
    variants: Sequence[str] = (_ALL,),
    formats: Sequence[str] = ("keras",),
    precisions: Sequence[str] = ("float32",),
    size: tuple[Count, Count] = (512, 1024),
    channels: Channels = 3,
    batch: Count = 1,
    threads: Count | None = None,
    runs: Count = 20,
    output_dir: str | Path = "benchmark",
) -> list[BenchmarkRow]:
    """Measures variants, each in a process of its own, and prints a table.

    What is timed is the same for all: from uint8 images in memory to labels. The
    weights are random: the time does not depend on them. `output_dir` gets
    `benchmark.json`, and `benchmark.png` with the latency against the published mIoU.

    Args:
        variants: Names from the table of variants, or `"all"`.
        formats: Keys of `OPENERS`; all but `"keras"` need TensorFlow to be written.
        precisions: Of LiteRT and ONNX files, a row for each that the format has, as
            `"int8"`; the other formats are measured in float32.
        size: Height and width of the images.
        channels: Number of their channels; 3 for RGB.
        batch: Images per call. LiteRT takes them one by one.
        threads: Threads, and on Linux processors, of each process; `None` for all.
        runs: Calls to time, after a warm-up.
        output_dir: Gets the files.

    Returns:
        A row for each variant and kind of file; `error` says why one has no numbers.

    Raises:
        InputError: For unknown names or numbers out of range.
        StorageError: If `output_dir` cannot be written.
    """
    chosen = _find_variants(variants)
    check_call("benchmark", benchmark, locals())
    kinds = _list_kinds(formats, precisions)
    if set(formats) != {"keras"}:
        require_tensorflow("An exported file")
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)  # a wrong folder is an error at once
    threads = min(threads or processors(), processors())
    images = {"size": size, "channels": channels, "batch": batch}
    job = {**images, "threads": threads, "runs": runs}
    shape = "x".join(map(str, (*size, channels)))
    print(f"{shape}, batch {batch}, {threads} threads, {runs} calls")
    print(table_head())
    rows = []
    for variant in chosen:
        for row in _measure_variant(variant, kinds, job):
            print(table_line(row))
            rows.append(row)
    for line in compared_precisions(rows):
        print(line)
    _write_results(output_dir, rows, job)
    return rows


def _find_variants(names: Sequence[str]) -> list[Variant]:
    if _ALL in names:
        return list(VARIANTS)
    variants = [find_variant(name) for name in names]
    for name, variant in zip(names, variants, strict=True):
        if variant is None:
            known = ", ".join(variant.name for variant in VARIANTS)
            raise InputError(
                f"There is no variant {name!r}; take {_ALL} or some of {known}."
            )
    return list(dict.fromkeys(variants))  # each once


def _list_kinds(formats: Sequence[str], precisions: Sequence[str]) -> list[str]:
    """Lists the kinds of files to measure, each once, see `split_kind`."""
    if not formats or set(formats) - set(OPENERS):
        raise InputError(
            f"--format is some of {', '.join(OPENERS)}, not {','.join(formats)!r}."
        )
    known = {name: FILE_PRECISIONS.get(name, ("float32",)) for name in formats}
    missing = set(precisions) - set().union(*known.values())
    if not precisions or missing:
        has = "; ".join(f"{name}: {', '.join(rows)}" for name, rows in known.items())
        raise InputError(
            f"--precision is some of those of the formats ({has}), not "
            f"{','.join(precisions)!r}."
        )
    kinds = []
    for name in known:
        fitting = fitting_precisions(name, precisions)
        kinds += [_kind(name, precision) for precision in fitting]
    return list(dict.fromkeys(kinds))


def _kind(name: str, precision: str) -> str:
    return name if precision == "float32" else f"{name} {precision}"


def _measure_variant(
    variant: Variant, kinds: Sequence[str], job: dict
) -> Iterator[BenchmarkRow]:
    """Yields a row for each kind of file, as soon as there is one."""
    with tempfile.TemporaryDirectory() as folder:
        job = {**job, "variant": variant.name, "folder": folder}
        exported = _export_kinds(job, kinds)
        for kind in kinds:
            results = exported[kind]
            if "error" not in results:
                file = results["files"][kind]
                timing = {**job, "kind": kind, "path": file["path"]}
                results = {
                    "parameters": results["parameters"],
                    "multiply_adds": results["multiply_adds"],
                    "file_bytes": file["bytes"],
                    **run_child((*_CHILD, "time"), timing),
                }
            name, precision = split_kind(kind)
            miou = variant.miou if variant.dataset == "Cityscapes" else None
            about = {"format": name, "precision": precision, "miou": miou}
            yield BenchmarkRow(variant=variant.name, **about, **results)


def _export_kinds(job: dict, kinds: Sequence[str]) -> dict[str, dict]:
    """Exports a variant; returns the results of the export by kind of file."""
    folder = tempfile.mkdtemp(dir=job["folder"])  # without what a failed try left
    job = {**job, "kinds": list(kinds)}
    results = run_child((*_CHILD, "export"), {**job, "folder": folder})
    if "error" in results and len(kinds) > 1:  # one may have failed for all
        return {kind: _export_kinds(job, [kind])[kind] for kind in kinds}
    return dict.fromkeys(kinds, results)


# Title, width, and text of a row; a failed row has what is known of it.
_COLUMNS = (
    ("variant", -24, lambda row: row.variant),
    ("format", -16, lambda row: row.kind),
    ("parameters", 11, lambda row: _scaled(row.parameters, 1e6, "M")),
    ("mult-adds", 10, lambda row: _scaled(row.multiply_adds, 1e9, "G")),
    ("file", 9, lambda row: _scaled(row.file_bytes, 1e6, "MB", 1)),
    ("median", 10, lambda row: _scaled(row.median_ms, 1, "ms", 1)),
    ("p90", 10, lambda row: _scaled(row.p90_ms, 1, "ms", 1)),
    ("memory", 9, lambda row: _scaled(row.peak_bytes, 1e6, "MB", 0)),
    ("mIoU", 7, lambda row: "" if row.miou is None else f"{row.miou:.2f}"),
)


def table_head() -> str:
    """Returns the titles of the table."""
    return "".join(_cell(title, width) for title, width, _ in _COLUMNS).rstrip()


def table_line(row: BenchmarkRow) -> str:
    """Returns the line of a row, without what is unknown."""
    text = "".join(_cell(value(row), width) for _, width, value in _COLUMNS).rstrip()
    return text if row.error is None else f"{text}  failed: {row.error}"


def compared_precisions(rows: Sequence[BenchmarkRow]) -> list[str]:
    """Returns a line for each row whose variant and format has a float32's time too."""
    plain = {
        (row.variant, row.format): row.median_ms
        for row in rows
        if row.precision == "float32"
    }
    lines = []
    for row in rows:
        whole = plain.get((row.variant, row.format))
        if row.precision != "float32" and whole and row.median_ms:
            ratio = row.median_ms / whole
            lines.append(
                f"{row.variant}: {row.kind} takes {ratio:.2f} of float32's time"
            )
    return lines


def _cell(text: str, width: int) -> str:
    return f"{text:<{-width}} " if width < 0 else f"{text:>{width}} "


def _scaled(value: float | None, unit: float, name: str, digits: int = 2) -> str:
    return "" if value is None else f"{value / unit:.{digits}f} {name}"


def _write_results(folder: Path, rows: list[BenchmarkRow], job: dict) -> None:
    """Writes `benchmark.json`, and `benchmark.png` if there are points for it."""
    content = {
        **job,
        "backend": keras.backend.backend(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "versions": package_versions(_PACKAGES),
        "rows": [row.as_dict() for row in rows],
    }
    written = [folder / "benchmark.json"]
    with replacing(written[0]) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    known = [row for row in rows if row.miou is not None and row.median_ms is not None]
    if known:
        height, width = job["size"]
        batch, threads = job["batch"], job["threads"]
        title = f"{height}x{width}, batch {batch}, {threads} threads"
        written.append(folder / "benchmark.png")
        with replacing(written[1]) as temporary:
            plot_latency(known, title, temporary)
    print(f"written: {', '.join(map(str, written))}")


def plot_latency(rows: list[BenchmarkRow], title: str, path: Path) -> None:
    """Plots the median latency of variants against their mIoU, as PNG.

    A line joins the formats of a variant, whose name stands above it; other precisions
    than float32 are hollow.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.add_subplot()
    slowest = max(row.median_ms for row in rows)
    for variant in dict.fromkeys(row.variant for row in rows):
        points = sorted(
            (row.median_ms, row.miou) for row in rows if row.variant == variant
        )
        axes.plot(*zip(*points, strict=True), color="#bbbbbb", linewidth=1, zorder=1)
        on_the_right = points[0][0] > 0.7 * slowest  # no room for the name there
        axes.annotate(
            f"{variant}  {points[0][1]:.2f}",
            points[-1 if on_the_right else 0],
            xytext=(0, 9),
            textcoords="offset points",
            horizontalalignment="right" if on_the_right else "left",
            fontsize=9,
        )
    for kind in dict.fromkeys(row.kind for row in rows):
        name, precision = split_kind(kind)
        marker, color = _MARKERS[name]
        points = [(row.median_ms, row.miou) for row in rows if row.kind == kind]
        filled = precision == "float32"
        axes.scatter(
            *zip(*points, strict=True),
            marker=marker,
            color=color if filled else "white",
            edgecolors="white" if filled else color,  # where two stand on one another
            s=60,
            label=kind,
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
    figure.legend(frameon=False, loc="outside lower center", ncols=len(_MARKERS))
    figure.savefig(path, format="png", dpi=150)
