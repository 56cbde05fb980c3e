"""Soak test of training: killed, damaged and starved at random, again and again.

    python benchmarks/soak.py --minutes=30 [--seed=0] [--limit=30] [--work=DIR]

Trains a tiny network by the command's own door, and lets one accident after the other
happen to it, in an order drawn by the seed: kill -9, SIGTERM, Ctrl-C, damaged
checkpoints, best model and records, damaged images while it runs, a disk that is full,
and a second training into the same folder. After each round nothing that was good
may be lost; what comes to its end must have the weights and losses of a run that
nothing happened to. Exits with 1 at the first fault, and leaves DIR as it was then.
"""

import argparse
import collections
import csv
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

ITERATIONS = 400
CHILD = f"""
import os, pathlib, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # as the command sets it before the import
sys.path[:0] = {sys.path[:2]!r}
import keras_lraspp.config
from harness import tiny
from keras_lraspp.__main__ import run_process

pictures, output = map(pathlib.Path, sys.argv[1:])
keras_lraspp.config.load_config = lambda *files: None
keras_lraspp.config.call = lambda run, **flags: tiny.run(
    pictures, output, iterations={ITERATIONS}, save_interval=7, eval_interval=40,
    log_interval=10, keep=2, resume=True, deterministic=True,
)
run_process(["train", "--gin_file=soak.gin"])
"""
# A second signal, or one after the last step, ends it at once.
STOPPED = {128 + signal.SIGTERM, -signal.SIGTERM}
CODES = {  # how a round may end, by what happens in it
    "kill": {-signal.SIGKILL},
    "terminate": STOPPED,
    "interrupt": {128 + signal.SIGINT},
    "checkpoint": STOPPED,
    "best": STOPPED,
    "record": STOPPED,
    "picture": {2},
    "full": {3},
    "second": STOPPED,
}


class Fault(Exception):
    """Something good was lost, or a process did not end as it should."""


class Soak:
    """One run folder, its pictures, and what was good in it so far."""

    def __init__(self, work: Path, seed: int, limit: float):
        from harness import tiny

        self.work, self.limit = work, limit
        self.rng = np.random.default_rng(seed)
        self.pictures = tiny.write_pictures(work / "pictures", train_images=12)
        shutil.copytree(self.pictures, work / "sound")
        self.output = work / "run"
        self.log = work / "log.txt"
        self.slowest = 0.0  # seconds to the end of a process that was told to end
        self.log_is_whole = True

    def start(self, output: Path | None = None, bytes_at_most: int | None = None):
        """Starts or resumes a training."""

        def limit_files():
            if bytes_at_most is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, 2 * (bytes_at_most,))

        with open(self.log, "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-c", CHILD, self.pictures, output or self.output],
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=limit_files,
            )

    def running(self, process, seconds: float) -> bool:
        """Waits for the first step, then some seconds; whether it still runs."""
        while process.poll() is None and "first step" not in self.said():
            time.sleep(0.05)
        until = time.monotonic() + self.rng.uniform(0, seconds)
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        return process.poll() is None

    def said(self) -> str:
        """What the last training printed."""
        return self.log.read_text(errors="replace")

    def end(self, process, number: int | None = None) -> int:
        """Sends a signal, and returns the exit code; waits for it within limits."""
        if number is not None:
            process.send_signal(number)
        began = time.monotonic()
        try:
            code = process.wait(self.limit if number is not None else 600)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Fault(f"it did not end within {self.limit} s: {number}") from None
        if number is not None:
            self.slowest = max(self.slowest, time.monotonic() - began)
        return code

    def damage(self, path: Path) -> None:
        """Cuts, empties or changes a file, as a bad disk does."""
        content = bytearray(path.read_bytes())
        at = int(self.rng.integers(1, max(2, len(content))))
        how = self.rng.integers(3)
        if how == 0:
            del content[at:]
        elif how == 1:
            content.clear()
        else:
            content[at - 1 : at + 60] = self.rng.bytes(60)
        path.write_bytes(content)

    def damage_of_run(self, *names: str) -> None:
        """Damages those of a run's files that are there yet."""
        for path in (self.output / name for name in names):
            if path.is_file():
                self.damage(path)

    def whole_steps(self) -> list[int]:
        """Steps of the checkpoints that load, newest first."""
        from keras_lraspp.errors import InputError
        from keras_lraspp.run_dir.folder import CheckpointFolder, read_state

        steps = []
        for path in CheckpointFolder(self.output / "checkpoints").paths():
            try:
                steps.append(read_state(path).step)
            except InputError:
                continue
        return steps

    def best(self, name: str) -> float:
        """The mIoU of a best model; -1 if there is none."""
        from keras_lraspp.run_dir.best_model import read_best

        best = read_best(self.output / name)
        return -1.0 if best is None else best.miou

    def happen(self, name: str) -> int:
        """Lets an accident happen; returns the exit code of the training."""
        checkpoints = sorted((self.output / "checkpoints").glob("*.keras"))
        if name == "checkpoint":
            for path in checkpoints[1:]:  # the first one stays whole
                self.damage(path)
        if name == "best":
            self.damage_of_run("best.keras")
        if name == "record":
            self.damage_of_run("run.json", "log.csv", "versions.json", "report.html")
            self.log_is_whole = False
        largest = max((path.stat().st_size for path in checkpoints), default=99)
        process = self.start(bytes_at_most=largest // 2 if name == "full" else None)
        if name in ("kill", "terminate") and self.rng.random() < 0.3:
            time.sleep(self.rng.uniform(0, 5))  # also before the first step
        elif not self.running(process, 3) and name not in ("full",):
            return self.end(process)
        if name == "picture":
            for path in self.pictures.glob(
                f"image/{self.rng.choice(['train', 'val'])}*"
            ):
                self.damage(path)
            return self.end(process)
        if name == "full":
            return self.end(process)
        if name == "second":
            said, own_log = self.said(), self.log
            self.log = self.work / "second.txt"
            code = self.start().wait(self.limit + 120)
            second, self.log = self.said(), own_log
            refused = code == 3 and "Another training" in second
            if not refused and process.poll() is None:  # else it had come to its end
                raise Fault(f"the second training: {code} {second[-500:]} {said[-99:]}")
        number = {"kill": signal.SIGKILL, "interrupt": signal.SIGINT}.get(
            name, signal.SIGTERM
        )
        return self.end(process, number)

    def round(self, name: str) -> str:
        """Lets one accident happen and checks what is left; says how it went."""
        before, best = self.whole_steps(), self.best("best.keras")
        code = self.happen(name)
        shutil.copytree(self.work / "sound", self.pictures, dirs_exist_ok=True)
        if code not in CODES[name] and code != 0:
            raise Fault(f"exit code {code}: {self.said()[-1500:]}")
        if "Traceback" in self.said():
            raise Fault(f"a traceback: {self.said()[-2500:]}")
        after = self.whole_steps()
        sure = before[-1:] if name == "checkpoint" else before[:1]
        if sure and (not after or after[0] < sure[0]):
            raise Fault(f"whole checkpoints: {before} before, {after} after")
        if name != "best" and self.best("best.keras") < best:
            raise Fault(f"best mIoU: {best} before, {self.best('best.keras')} after")
        if code == 0:
            self.compare()
        return f"exit {code:4}  step {after[0] if after else 0:4}  best {best:.4f}"

    def compare(self) -> None:
        """Compares a finished run with the one that nothing happened to."""
        newest = f"checkpoints/step_{ITERATIONS:08d}.keras"
        ours, theirs = (
            weights(folder / newest) for folder in (self.output, self.work / "whole")
        )
        different = [i for i, pair in enumerate(zip(ours, theirs, strict=True))
                     if not np.array_equal(*pair)]  # fmt: skip
        if different:
            raise Fault(f"weights {different} differ from those of a whole run")
        if self.log_is_whole and losses(self.output) != losses(self.work / "whole"):
            raise Fault("the log differs from that of a whole run")
        shutil.rmtree(self.output)
        self.log_is_whole = True


def weights(path: Path) -> list[np.ndarray]:
    """The weights of the tiny network in a checkpoint."""
    from harness import tiny
    from keras_lraspp.models.keras_file import load_weights

    network = tiny.network(3)
    load_weights(network, path)
    return network.get_weights()


def losses(folder: Path) -> list[tuple[str, str]]:
    """Steps and mean losses of a log."""
    with open(folder / "log.csv", newline="") as file:
        return [(r["step"], r["loss"]) for r in csv.DictReader(file) if r["loss"]]


def main() -> int:
    """Soaks, and prints a line for each round and a summary."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=30, help="seconds to an end")
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="soak-"))
    soak = Soak(work, arguments.seed, arguments.limit)
    until = time.monotonic() + 60 * arguments.minutes
    if code := soak.end(soak.start(work / "whole")):
        print(f"the run without accidents: exit {code}\n{soak.said()}")
        return 1
    counts, deck = collections.Counter(), []
    try:
        while time.monotonic() < until:
            # Each kind comes before any comes again, or one may never be drawn.
            deck = deck or soak.rng.permutation([*CODES]).tolist()
            name = deck.pop()
            if name not in ("kill", "terminate") and not soak.whole_steps():
                name = "kill"  # nothing to lose yet
            began = time.monotonic()
            text = soak.round(name)
            counts[name] += 1
            seconds = time.monotonic() - began
            print(f"{counts.total():4}  {name:11}{text}  {seconds:5.1f} s", flush=True)
        if code := soak.end(soak.start()):
            raise Fault(f"the last run: exit {code}: {soak.said()[-1500:]}")
        soak.compare()
    except Fault as fault:
        print(f"FAULT in round {counts.total() + 1} ({name}), see {work}: {fault}")
        return 1
    rounds = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    print(f"{counts.total()} rounds without a fault: {rounds}")
    print(f"slowest end after a signal {soak.slowest:.1f} s; seed {arguments.seed}")
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
