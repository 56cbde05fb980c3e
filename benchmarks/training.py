"""Speed of a training step: ours beside PaddleSeg's and torchvision's, in turns.

    python benchmarks/training.py [--paddle_python=PYTHON] [--torchvision_python=PYTHON]
        [--rounds=N] [--steps=N] [--memory] [--backends=torch,jax] [--case=NAME]

Trains os32_global on 4x256x512 and os8_global on 2x256x512 random images: forward,
backward, update. Ours has the recipe's OHEM loss and coupled L2; the others have plain
cross entropy, which is less work. Each PYTHON is the interpreter of an environment with
paddlepaddle and paddleseg, or torch and torchvision. Each round runs all contestants
one after the other, every one in a process of its own; printed are the medians over the
rounds and the median of the rounds' ratios. `--backends` adds ours on other backends of
Keras, which `--case=os32_small`, 4x128x256, is enough for; give torchvision the same
release of PyTorch. `--memory` also steps os8_global on
4x512x1024 for its peak of resident memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
OURS = "ours"


class Case(NamedTuple):
    """A network and its batch."""

    name: str
    output_stride: int
    batch: int
    height: int
    width: int


CASES = (
    Case("os32_global", 32, 4, 256, 512),
    Case("os8_global", 8, 2, 256, 512),
    Case("os32_small", 32, 4, 128, 256),
)
MEMORY = Case("os8_global", 8, 4, 512, 1024)


def contestants(arguments: argparse.Namespace, case: Case) -> dict[str, list[str]]:
    """Name and command of all that take part; torchvision has no output stride 8."""
    found = {OURS: [sys.executable, "training_ours.py", "--extras"]}
    for backend in filter(None, arguments.backends.split(",")):
        found[f"on {backend}"] = found[OURS]
    if arguments.paddle_python:
        found["PaddleSeg"] = [arguments.paddle_python, "training_paddle.py"]
    if arguments.torchvision_python and case.output_stride == 32:
        found["torchvision"] = [arguments.torchvision_python, "training_torchvision.py"]
    return found


def run(
    command: list[str], case: Case, steps: int, backend: str | None = None
) -> dict[str, float]:
    """Runs a contestant, ours on a backend of Keras; returns what it measured."""
    python, script, *more = command
    sizes = [f"--{name}={value}" for name, value in case._asdict().items()][1:]
    done = subprocess.run(
        [python, str(HERE / script), *sizes, f"--steps={steps}", *more],
        capture_output=True,
        text=True,
        env=environment(script) | ({"KERAS_BACKEND": backend} if backend else {}),
    )
    if done.returncode:
        sys.exit(f"{script} ended with code {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def environment(script: str) -> dict[str, str]:
    """This process's environment; only ours gets the path of this package."""
    import os

    found = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if script == "training_ours.py":
        paths = [str(HERE.parent), found.get("PYTHONPATH", "")]
        found["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return found


def compare(case: Case, commands: dict[str, list[str]], rounds: int, steps: int):
    """Prints a table of all contestants on one case."""
    runs = {name: [] for name in commands}
    for turn in range(rounds):  # every other round backwards: who is first, varies
        for name in list(commands)[:: 1 if turn % 2 == 0 else -1]:
            backend = name.removeprefix("on ") if name.startswith("on ") else None
            runs[name].append(run(commands[name], case, steps, backend))
    print(f"\n{case.name} {case.batch}x{case.height}x{case.width}, {rounds} rounds")
    print(f"{'':12} images/s   ours/it  first step  peak MiB")
    for name, done in runs.items():
        ratio = statistics.median(
            ours["images_per_second"] / other["images_per_second"]
            for ours, other in zip(runs[OURS], done, strict=True)
        )
        print(
            f"{name:12} {median(done, 'images_per_second'):8.2f} {ratio:8.2f}x"
            f"{median(done, 'first_step'):10.1f} s{median(done, 'mib'):10.0f}"
        )
    if "fit" in runs[OURS][0]:
        share = median(runs[OURS], "loss_and_optimizer")
        print(f"loss and optimizer {share:.1%} of our step; ", end="")
        print(f"fit at {median(runs[OURS], 'fit'):.1%} of the bare step", flush=True)


def median(runs: list[dict[str, float]], key: str) -> float:
    """Median of one figure."""
    return statistics.median(done[key] for done in runs)


def main() -> None:
    """Compares on each case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--paddle_python")
    parser.add_argument("--torchvision_python")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--backends", default="")
    parser.add_argument("--case", choices=[case.name for case in CASES])
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    for case in CASES:
        if arguments.case == case.name or not arguments.case and case.height == 256:
            commands = contestants(arguments, case)
            compare(case, commands, arguments.rounds, arguments.steps)
    if arguments.memory:
        bare = {k: v[:2] for k, v in contestants(arguments, MEMORY).items()}
        compare(MEMORY, bare, 1, 1)


if __name__ == "__main__":
    main()
