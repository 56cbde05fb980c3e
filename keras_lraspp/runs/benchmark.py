"""How large and how fast the variants are, on this machine."""

import json
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.export.graph import require_tensorflow
from keras_lraspp.files import replacing
from keras_lraspp.models.variants import VARIANTS, Variant, find_variant
from keras_lraspp.runs.benchmarking.child import OPENERS
from keras_lraspp.runs.benchmarking.rows import measured
from keras_lraspp.runs.benchmarking.table import BenchmarkRow, heading, line

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
    from keras_lraspp.reports.latency_plot import Point, draw_latencies

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
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "backend": keras.backend.backend(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "versions": versions,
    }


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
