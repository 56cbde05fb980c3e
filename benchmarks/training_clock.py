"""What every contestant of `training.py` shares: its arguments, clock and report.

Imports the standard library only, so that it runs in each contestant's environment.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

# Before any framework: a child's time to its first step counts the imports.
START = time.perf_counter()


def arguments(description: str) -> argparse.Namespace:
    """The flags that `training.py` gives each contestant."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output_stride", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--extras", action="store_true")
    return parser.parse_args()


def time_steps(step: Callable[[], object], count: int) -> tuple[float, float]:
    """Median seconds of a step, and seconds from the start to the end of the first.

    Args:
        step: Does one whole step and waits for it.
        count: Timed steps; two more go before them.
    """
    step()
    first = time.perf_counter() - START
    step()
    return median_seconds(step, count), first


def median_seconds(function: Callable[[], object], count: int) -> float:
    """Median seconds of `count` calls."""
    seconds = []
    for _ in range(count):
        before = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - before)
    return statistics.median(seconds)


def peak_mib() -> float:
    """The most resident memory this process has held, in MiB.

    From the process's own status: `ru_maxrss` outlives `exec`, so that a child would
    report its parent's peak if that was higher.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = dict(line.split(":", 1) for line in status.splitlines())
    return int(rows["VmHWM"].split()[0]) / 1024


def report(seconds: float, first: float, batch: int, **more: float) -> None:
    """Prints the line of JSON that `training.py` reads."""
    print(
        json.dumps(
            {
                "images_per_second": batch / seconds,
                "first_step": first,
                "mib": peak_mib(),
                **more,
            }
        )
    )
