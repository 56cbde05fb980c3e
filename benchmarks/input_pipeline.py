"""How fast training images are read: our pipeline beside PaddleSeg's, in turns.

    python benchmarks/input_pipeline.py [--tree=DIR] [--paddle_python=PYTHON]
        [--images=N] [--rounds=N]

Reads 2048x1024 PNG images and their labels, applies the whole recipe and makes batches
of four 1024x512 crops. DIR is a Cityscapes tree; if it is missing, it is filled with
pictures of a photograph's entropy. PYTHON is the interpreter of an environment with
paddlepaddle and paddleseg. Each round times every contestant in a process of its own,
after a warm-up; printed are the medians, ratios to PaddleSeg with two workers (or to
our raw files), processor time, and the most memory that a contestant and its children
held.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
REFERENCE = "PaddleSeg, 2 workers"
_LONGEST = 600  # seconds; PaddleSeg's workers have been seen to hang


class Contestant(NamedTuple):
    """A process to time: it prints one line of JSON."""

    name: str
    command: list[str]


class Run(NamedTuple):
    """What a process came to."""

    images_per_second: float
    processor_ms: float  # for an image, of all its processes
    mib: float  # at most, of all its processes


def contestants(arguments: argparse.Namespace, shards: Path) -> list[Contestant]:
    """All that take part."""
    counts = [f"--images={arguments.images}"]
    ours = [sys.executable, str(HERE / "input_pipeline_ours.py"), *counts]
    tree, packed = str(arguments.tree), str(shards)
    found = [
        Contestant("PNG decoding alone", [*ours, f"--root={tree}", "--kind=decode"]),
        Contestant("ours, raw files", [*ours, f"--root={tree}", "--kind=raw"]),
        Contestant("ours, shards", [*ours, f"--root={packed}", "--kind=shards"]),
    ]
    if arguments.paddle_python:
        theirs = [arguments.paddle_python, str(HERE / "input_pipeline_paddle.py")]
        theirs += [*counts, f"--root={tree}"]
        found += [
            Contestant(f"PaddleSeg, {n} workers", [*theirs, f"--workers={n}"])
            for n in (2, 0)
        ]
    return found


def run(contestant: Contestant) -> Run:
    """Runs a process, watching its memory."""
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            contestant.command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
        )
        highest = [0.0]
        watcher = threading.Thread(target=_watch, args=(child, highest), daemon=True)
        watcher.start()
        try:
            output, _ = child.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            child.kill()
            message = f"{contestant.name} did not end in {_LONGEST} s."
            raise SystemExit(message) from None
        if child.returncode:
            errors.seek(0)
            message = errors.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{contestant.name} failed:\n{message}")
    result = json.loads(output.splitlines()[-1])
    images = result["images"]
    return Run(
        images / result["seconds"], 1e3 * result["processor"] / images, highest[0]
    )


def _watch(child: subprocess.Popen, highest: list[float]) -> None:
    while child.poll() is None:
        highest[0] = max(highest[0], sum(map(_mib, _family(child.pid))))
        time.sleep(0.1)


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:  # it has ended
                continue
    return found


def _mib(pid: int) -> float:
    """Memory of a process; what several share counts in parts (PSS)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def prepare(arguments: argparse.Namespace, shards: Path) -> None:
    """Makes the tree if it is missing, and shards of it."""
    if not any(Path(arguments.tree).glob("leftImg8bit/train/*/*.png")):
        from photo_tree import make_tree

        make_tree(Path(arguments.tree), pictures=arguments.pictures)
    command = [sys.executable, "-m", "keras_lraspp", "data", "shards"]
    flags = [f"--data_root={arguments.tree}", "--split=train", f"--output_dir={shards}"]
    subprocess.run([*command, "--dataset=Cityscapes", *flags], cwd=ROOT, check=True)


def main() -> None:
    """Times all contestants in turns and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tree", default=Path(tempfile.gettempdir()) / "photo_tree")
    parser.add_argument("--paddle_python")
    parser.add_argument("--pictures", type=int, default=24, help="to make")
    parser.add_argument("--images", type=int, default=96, help="to time")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shards = Path(folder) / "shards"
        prepare(arguments, shards)
        _print_sizes(Path(arguments.tree), shards)
        rows = contestants(arguments, shards)
        runs = [[run(row) for row in rows] for _ in range(arguments.rounds)]
    medians = [
        Run(*(statistics.median(values) for values in zip(*column, strict=True)))
        for column in zip(*runs, strict=True)
    ]
    names = [row.name for row in rows]
    reference = REFERENCE if REFERENCE in names else "ours, raw files"
    base = medians[names.index(reference)].images_per_second
    for name, median in zip(names, medians, strict=True):
        print(
            f"{name:22}{median.images_per_second:7.1f} images/s "
            f"{median.images_per_second / base:6.2f}x "
            f"{median.processor_ms:7.1f} ms of processor time {median.mib:7.0f} MiB"
        )


def _print_sizes(tree: Path, shards: Path) -> None:
    files = list(tree.glob("leftImg8bit/train/*/*.png"))
    labels = list(tree.glob("gtFine/train/*/*_labelTrainIds.png"))
    raw = sum(path.stat().st_size for path in files + labels)
    packed = sum(path.stat().st_size for path in shards.iterdir())
    print(
        f"{len(files)} images; files {raw / len(files) / 1e6:.2f} MB and shards "
        f"{packed / len(files) / 1e6:.2f} MB each ({packed / raw:.2f}x)"
    )


if __name__ == "__main__":
    main()
