"""Other people's LR-ASPPs beside ours: files, logits, parameters, and ONNX speed.

    python benchmarks/peers.py --python=PYTHON [--only=files,backbones,back,speed]
        [--peers=torchvision,fastseg,mmseg] [--sizes=520x520,512x1024] [--rounds=20]
        [--threads=2] [--folder=DIR]

PYTHON is the interpreter of an environment with some of torchvision, fastseg (with
geffnet) and mmsegmentation (mmcv-lite will do). There, each of a peer's networks gets
random weights and is saved as its checkpoints are: as published, in PyTorch's old
format, and as its training saves them.

    files      ours reads these files by `from_preset` and gives the same logits
    backbones  `import_weights` reads torchvision's classifiers; features agree
    back       `keras-lraspp convert --to=PEER`; the peer loads that file, all of it
    speed      torchvision's network as our ONNX file and as PyTorch's, in turns

The exit status is 1 if anything that ran differs. DIR keeps the files.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from inference import onnx_session

HERE = Path(__file__).resolve().parent
PEERS = ("torchvision", "fastseg", "mmseg")
PARTS = ("files", "backbones", "back", "speed")
FORMS = ("zip", "legacy", "training")  # of a file of `peers_theirs.py save`
LIMIT, AGREEING, FASTEST = 1e-4, 0.9995, 1.0
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Bench:
    """The folder of files, the other Python, and what has failed so far."""

    def __init__(self, python: str, folder: Path):
        self.python, self.folder, self.failures = python, folder, 0
        np.save(folder / "image.npy", smooth_image(401, 433))

    def ask(self, *arguments: str) -> dict:
        """Runs `peers_theirs.py` in the other Python; returns what it says."""
        command = [self.python, str(HERE / "peers_theirs.py"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{arguments} failed:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def row(self, good: bool, *cells: str) -> None:
        """Prints a line of a table, and counts it if it is not good."""
        self.failures += not good
        print(f"{cells[0]:24}{'  '.join(cells[1:])}{'' if good else '  DIFFERS'}")
        sys.stdout.flush()

    def compare(self, name: str, what: str, ours, theirs, note: str = "") -> None:
        """Prints how far logits or features (H, W, channels) are from a peer's."""
        error = np.abs(ours - theirs).max() / np.abs(theirs).max()
        same = (ours.argmax(-1) == theirs.argmax(-1)).mean()
        good = bool(error <= LIMIT and same >= AGREEING)
        cells = f"{what:12}", f"error {error:.1e}", f"labels {100 * same:.4f} %", note
        self.row(good, name, *cells)


def main() -> None:
    """Prints a table for each part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", required=True)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--sizes", default="520x520,512x1024")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = flags.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(flags.python, folder)
        for peer in flags.peers.split(","):
            parameters = bench.ask("save", peer, str(folder))
            if "missing" in parameters:
                print(f"{peer} is not in {flags.python}: {parameters['missing']}")
                continue
            for part in flags.only.split(","):
                PART[part](bench, peer, parameters, flags)
    sys.exit(bool(bench.failures))


def files(bench: Bench, peer: str, parameters: dict[str, int], flags) -> None:
    """Reads each file of a peer; its logits and parameters against the peer's."""
    from keras_lraspp import LRASPP

    image = np.load(bench.folder / "image.npy")
    for variant, count in parameters.items():
        theirs = np.load(bench.folder / f"{variant}.npy")
        for form in FORMS:
            try:
                model = LRASPP.from_preset(bench.folder / f"{variant}.{form}.pth")
            except Exception as error:
                bench.row(False, variant, f"{form:12}", f"{error}")
                continue
            own = sum(int(np.prod(each.shape)) for each in model.trainable_weights)
            note = f"parameters {own} of {count}"
            bench.compare(
                variant, form, np.asarray(model(image[None]))[0], theirs, note
            )
            bench.failures += own != count


def backbones(bench: Bench, peer: str, parameters: dict[str, int], flags) -> None:
    """Features of torchvision's classifiers at the strides 2 to 32."""
    from keras_lraspp import MobileNetV3, import_weights

    if peer != "torchvision":
        return
    image = np.load(bench.folder / "image.npy")
    bench.ask("backbones", str(bench.folder))
    for variant in ("large", "small"):
        model = MobileNetV3(variant, output_stride=32, family="torchvision")
        import_weights(model, bench.folder / f"backbone_{variant}.pth")
        features = np.load(bench.folder / f"backbone_{variant}.npz")
        for stride, ours in zip((2, 4, 8, 16, 32), model(image[None]), strict=True):
            theirs = features[f"stride_{stride}"]
            bench.compare(
                f"backbone_{variant}", f"stride {stride}", np.asarray(ours)[0], theirs
            )


def back(bench: Bench, peer: str, parameters: dict[str, int], flags) -> None:
    """Converts our models to a peer's files, which the peer then loads and runs."""
    from keras_lraspp import LRASPP
    from keras_lraspp.__main__ import main as run_command

    for variant in parameters:
        ours = bench.folder / f"{variant}.keras"
        target = bench.folder / f"{variant}.back.pth"
        LRASPP.from_preset(bench.folder / f"{variant}.zip.pth").save(ours)
        target.unlink(missing_ok=True)
        if run_command(["convert", str(ours), str(target), f"--to={peer}"]):
            bench.row(False, variant, "convert failed")
    failures = bench.ask("check", peer, str(bench.folder))
    for variant in parameters:
        if variant in failures:
            bench.row(False, variant, "loaded back ", failures[variant])
        elif (bench.folder / f"{variant}.back.pth").exists():
            found = np.load(bench.folder / f"{variant}.back.npy")
            theirs = np.load(bench.folder / f"{variant}.npy")
            bench.compare(variant, "loaded back", found, theirs)


def speed(bench: Bench, peer: str, parameters: dict[str, int], flags) -> None:
    """Times torchvision's network in ONNX Runtime: our file and PyTorch's."""
    from keras_lraspp import LRASPP
    from keras_lraspp.export.onnx import export_onnx

    if peer != "torchvision":
        return
    (variant,) = parameters
    model = LRASPP.from_preset(bench.folder / f"{variant}.zip.pth")
    sizes = flags.sizes.split(",")
    failures = bench.ask("onnx", str(bench.folder), *sizes)
    for size in sizes:
        height, width = map(int, size.split("x"))
        image = smooth_image(height, width)
        path = bench.folder / f"ours.{size}.onnx"
        options = {"outputs": ["logits"], "overwrite": True}
        export_onnx(model, path, size=(height, width), **options)
        pixels = (image / np.float32(255) - np.float32(MEAN)) / np.float32(DEVIATION)
        pixels = pixels.transpose(2, 0, 1)[None].astype("float32").copy()
        runs = {"ours": session_run(path, image[None], flags.threads)}
        for kind in ("dynamo", "script"):
            name = f"{kind}.{size}.onnx"
            if name in failures:
                print(f"torch.onnx {kind} failed at {size}: {failures[name]}")
                continue
            runs[kind] = session_run(bench.folder / name, pixels, flags.threads)
        wanted = runs["ours"]()[0]
        for kind in runs.keys() - {"ours"}:
            theirs = runs[kind]()[0].transpose(1, 2, 0)
            bench.compare(f"{size}", f"ONNX, {kind}", wanted, theirs)
        print_speed(bench, size, in_turns(runs, flags.rounds))


def session_run(path: Path, image: np.ndarray, threads: int):
    """Opens an ONNX file; returns a function that runs it and gives its output."""
    session = onnx_session(path, threads)
    (given,) = session.get_inputs()
    return lambda: session.run(None, {given.name: image})[0]


class Times(NamedTuple):
    """Milliseconds of each round: on the clock, and of all processors together."""

    clock: list[float]
    processors: list[float]


def in_turns(runs, rounds: int) -> dict[str, Times]:
    """Times each run in each round."""
    times = {name: Times([], []) for name in runs}
    for turn in range(rounds + 2):
        for name, run in list(runs.items())[:: 1 if turn % 2 else -1]:
            begun = time.perf_counter(), time.process_time()
            run()
            ended = time.perf_counter(), time.process_time()
            for taken, one, other in zip(times[name], begun, ended, strict=True):
                if turn >= 2:
                    taken.append(1e3 * (other - one))
    return times


def print_speed(bench: Bench, size: str, times: dict[str, Times]) -> None:
    """Prints medians, and ours by the fastest of the others."""
    for name, taken in times.items():
        clock, processors = map(statistics.median, taken)
        cells = f"{clock:7.1f} ms", f"{processors:7.1f} ms of processors"
        bench.row(True, size, f"{name:12}", *cells)
    others = [taken for name, taken in times.items() if name != "ours"]
    if others:
        other = min(others, key=lambda taken: statistics.median(taken.processors))
        clock, processors = (
            statistics.median(one / two for one, two in zip(*pair, strict=True))
            for pair in zip(times["ours"], other, strict=True)
        )
        target = f"{processors:.3f} of processors (to reach: {FASTEST:.2f})"
        bench.row(processors <= FASTEST, size, f"ours is {clock:.3f}, {target}")


def smooth_image(height: int, width: int) -> np.ndarray:
    """A colourful image (H, W, 3) of waves and noise."""
    rng = np.random.default_rng(height * width)
    y, x = np.mgrid[:height, :width][..., None]
    waves = sum(
        np.sin(rng.uniform(0, 6, 3) + rng.uniform(0, 0.2) * x + rng.uniform(0, 0.2) * y)
        for _ in range(12)
    )
    noisy = 127.5 + 30 * waves + rng.normal(0, 6, waves.shape)
    return np.clip(np.rint(noisy), 0, 255).astype("uint8")


PART = {"files": files, "backbones": backbones, "back": back, "speed": speed}

if __name__ == "__main__":
    main()
