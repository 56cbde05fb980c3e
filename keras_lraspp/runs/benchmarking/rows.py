"""Measures variant after variant, each file in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence

from keras_lraspp.models.variants import Variant
from keras_lraspp.runs.benchmarking import child
from keras_lraspp.runs.benchmarking.table import BenchmarkRow


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
    program = ["-m", "keras_lraspp.runs.benchmarking.files"]
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
