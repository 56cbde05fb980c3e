"""How long `import keras_lraspp` takes beside `import keras`, in fresh processes.

    python benchmarks/import_time.py [--rounds=7]

Both are timed in turn, so that a busy machine slows both. Prints the medians, their
difference and their ratio.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATEMENTS = ("import keras", "import keras_lraspp", "import keras, keras_lraspp")


def seconds(statement: str) -> float:
    """Wall time of a process that runs one statement."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", statement], cwd=ROOT, check=True, capture_output=True
    )
    return time.perf_counter() - started


def main() -> None:
    """Times all statements in turn and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    for statement in STATEMENTS:  # fill the disk cache
        seconds(statement)
    times = [[seconds(statement) for statement in STATEMENTS] for _ in range(rounds)]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    keras = medians[0]
    for statement, median in zip(STATEMENTS, medians, strict=True):
        print(
            f"{statement:28} {median:6.2f} s  {median - keras:+6.2f} s"
            f"  {median / keras:5.2f}x"
        )


if __name__ == "__main__":
    main()
