"""How large and how fast the variants are, on this machine."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.export.graph import require_tensorflow
from keras_lraspp.files import replacing
from keras_lraspp.models.variants import VARIANTS, Variant, find_variant
from keras_lraspp.runs import benchmark_child
from keras_lraspp.runs.benchmark_table import BenchmarkRow, heading, line

FORMATS = tuple(benchmark_child.OPENERS)
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
    chosen = _chosen(variants)
    _check(formats, {"batch": batch, "threads": threads or 1, "runs": runs})
    if set(formats) != {"keras"}:
        require_tensorflow("An exported file")
    threads = min(threads or _processors(), _processors())
    job = {"size": size, "batch": batch, "threads": threads, "runs": runs}
    print(f"{size[0]}x{size[1]}, batch {batch}, {threads} threads, {runs} calls")
    print(heading())
    rows = []
    for row in _measured(chosen, formats, job):
        print(line(row))
        rows.append(row)
    _write(Path(output_dir), rows, job)
    return rows


def _chosen(names: Sequence[str]) -> list[Variant]:
    if tuple(names) == (ALL,):
        return list(VARIANTS)
    found = {name: find_variant(name) for name in names}  # each once
    for name, variant in found.items():
        if variant is None:
            known = ", ".join(variant.name for variant in VARIANTS)
            raise InputError(
                f"There is no variant {name!r}; take {ALL} or some of {known}."
            )
    return list(found.values())


def _check(formats: Sequence[str], numbers: dict[str, int]) -> None:
    if not formats or set(formats) - set(FORMATS):
        given = ",".join(formats)
        raise InputError(f"--format is some of {', '.join(FORMATS)}, not {given!r}.")
    for name, number in numbers.items():
        if number < 1:
            raise InputError(f"--{name} is at least 1, not {number}.")


def _measured(
    variants: list[Variant], formats: Sequence[str], job: dict
) -> Iterable[BenchmarkRow]:
    for variant in variants:
        about = {"variant": variant.name, "miou": variant.miou}
        with tempfile.TemporaryDirectory() as folder:
            made = _child(
                ["-m", "keras_lraspp.runs.benchmark_files"],
                {**job, "variant": variant.name, "formats": formats, "folder": folder},
            )
            for name in formats:
                row = BenchmarkRow(format=name, **about)
                _fill(row, made, job)
                yield row


def _fill(row: BenchmarkRow, made: dict, job: dict) -> None:
    """Times a file and notes what is known of it."""
    row.error = made.get("error")
    if row.error is not None:
        return
    row.parameters, row.multiply_adds = made["parameters"], made["multiply_adds"]
    file = made["files"][row.format]
    row.file_bytes = file["bytes"]
    script = [benchmark_child.__file__]
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


def _write(folder: Path, rows: list[BenchmarkRow], job: dict) -> None:
    from keras_lraspp.reports.latency_plot import Point, draw_latencies

    content = {**job, **_machine(), "rows": [row.as_dict() for row in rows]}
    folder.mkdir(parents=True, exist_ok=True)
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
