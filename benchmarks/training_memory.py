"""Memory of a training over its steps, and the time of a step.

    python benchmarks/training_memory.py --root=DIR [--gin_file=FILE] [--steps=N]

DIR holds Cityscapes, or scenes of its size (drawn there if it is missing). Runs
`train.py` as a child and samples its resident memory until the last step. Prints the
memory in the first and the last quarter of the steps, and their ratio: 1.0 means that
memory does not grow.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def resident_mib(pid: int) -> float:
    """Resident memory of a process in MiB; 0 once it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    rows = dict(line.split(":", 1) for line in status.splitlines())
    return int(rows.get("VmRSS", "0 kB").split()[0]) / 1024


def command(arguments: argparse.Namespace, output_dir: str) -> list[str]:
    """The training to look at: no evaluation, a line after each step."""
    bindings = {
        "train.iterations": arguments.steps,
        "train.eval_interval": arguments.steps * 10,
        "train.save_interval": arguments.steps * 10,
        "train.log_interval": 1,
        "WarmupPolynomial.warmup_steps": 1,
    }
    return [
        sys.executable,
        "train.py",
        f"--gin_file={arguments.gin_file}",
        f"--data_root={arguments.root}",
        f"--output_dir={output_dir}",
        *(f"--gin_bindings={name}={value}" for name, value in bindings.items()),
    ]


def main() -> None:
    """Runs the training and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", required=True)
    parser.add_argument("--gin_file", default="os8_global.gin")
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    if not Path(arguments.root).is_dir():
        draw = "data scenes --train=24 --val=2 --size=1024x2048".split()
        draw = [sys.executable, "-m", "keras_lraspp", *draw]
        subprocess.run([*draw, f"--output_dir={arguments.root}"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as output_dir:
        watch(command(arguments, output_dir), arguments.steps)


def watch(training: list[str], steps: int) -> None:
    """Prints memory and time for each step that the training reports."""
    child = subprocess.Popen(training, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    highest = [0.0]

    def sample() -> None:
        while child.poll() is None:
            highest[0] = max(highest[0], resident_mib(child.pid))
            time.sleep(0.02)

    threading.Thread(target=sample, daemon=True).start()
    peaks, before = [], time.perf_counter()
    for line in child.stdout:
        if not line.startswith("iteration ") or "loss" not in line:
            continue
        now = time.perf_counter()
        peaks.append(highest[0])
        highest[0] = 0.0
        loss = line.split("loss")[1].split()[0]
        print(
            f"step {len(peaks):3}  {now - before:6.1f} s  peak {peaks[-1]:7.0f} MiB"
            f"  loss {loss}"
        )
        before = now
    if child.wait() or len(peaks) != steps:
        sys.exit(f"the training ended with code {child.returncode}")
    early = max(peaks[: max(2, steps // 4)])
    late = max(peaks[-max(2, steps // 4) :])
    print(f"first quarter {early:.0f} MiB, last quarter {late:.0f} MiB", end="")
    print(f", ratio {late / early:.3f}")


if __name__ == "__main__":
    main()
