"""How fast `keras-lraspp predict` is, beside fastseg's and PaddleSeg's, in turns.

    python benchmarks/predict.py [--images=100] [--size=1024x2048] [--rounds=1]
        [--engines=keras,onnx,litert] [--fastseg_python=PYTHON] [--paddle_python=PYTHON]

Photographs are drawn street scenes, as JPEG files; all networks are MobileNetV3-large
at output stride 8 with random weights. Each command writes two PNGs of each photograph:
the classes in their colours, and these over the photograph. It is run on a few of them
and on all: the rate is that of the rest, without its start. Memory is the most that the
process held, on a few and on all. An engine that exports the network does so in a run
that is not counted.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

HERE = Path(__file__).resolve().parent
DRAWN = 8  # different photographs
_PHOTOS, _OUTPUT = "{photos}", "{output}"  # in a command
_OURS = "ours, "


class Run(NamedTuple):
    """A command that has ended."""

    seconds: float
    mebibytes: float


def main() -> None:
    """Prints a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--size", default="1024x2048")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--engines", default="keras,onnx,litert")
    parser.add_argument("--fastseg_python")
    parser.add_argument("--paddle_python")
    flags = parser.parse_args()
    few = max(1, flags.images // 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["KERAS_HOME"] = str(folder)
        _draw(folder, *map(int, flags.size.split("x")), counts=(few, flags.images))
        commands = _commands(folder, flags)
        rates: dict[str, list[float]] = {name: [] for name in commands}
        runs: dict[str, list[Run]] = {}
        for name, command in commands.items():
            if name.startswith(_OURS):  # makes the export that the engine keeps
                places = {_PHOTOS: str(folder / "few"), _OUTPUT: str(folder / "first")}
                _run(command, places)
        for turn in range(flags.rounds):
            for name, command in commands.items():
                output = str(folder / f"{name}{turn}")
                runs[name] = []
                for photos in ("few", "all"):
                    places = {_PHOTOS: str(folder / photos), _OUTPUT: output}
                    runs[name].append(_run(command, places))
                rest = runs[name][1].seconds - runs[name][0].seconds
                rates[name].append((flags.images - few) / rest)
    _print(rates, runs)


def _draw(folder: Path, height: int, width: int, counts: tuple[int, int]) -> None:
    from PIL import Image

    from keras_lraspp import LRASPP
    from keras_lraspp.street_scenes import draw_scene

    LRASPP().save(folder / "os8_global.keras")
    pictures = []
    for seed in range(DRAWN):
        pixels = draw_scene(seed, height, width).image
        pictures.append(Image.fromarray(pixels))
    for place, count in zip(("few", "all"), counts, strict=True):
        (folder / place).mkdir()
        for index in range(count):
            path = folder / place / f"{index:04}.jpg"
            pictures[index % DRAWN].save(path, quality=95)


def _commands(folder: Path, flags) -> dict[str, list[str]]:
    commands = {}
    for engine in flags.engines.split(","):
        ours = [sys.executable, "-m", "keras_lraspp", "predict", _PHOTOS]
        ours += [f"--weights={folder / 'os8_global.keras'}", "--classes=cityscapes"]
        ours += ["--outputs=color,overlay", f"--output_dir={_OUTPUT}"]
        commands[f"{_OURS}{engine}"] = [*ours, f"--engine={engine}"]
    theirs = str(HERE / "predict_theirs.py")
    if flags.fastseg_python:
        peer = [flags.fastseg_python, theirs, "fastseg"]
        commands["fastseg"] = [*peer, _PHOTOS, _OUTPUT]
    if flags.paddle_python:
        peer = [flags.paddle_python, theirs, "paddleseg"]
        commands["PaddleSeg"] = [*peer, _PHOTOS, _OUTPUT]
    return commands


def _run(command: list[str], places: dict[str, str]) -> Run:
    for place, path in places.items():
        command = [word.replace(place, path) for word in command]
    start = time.perf_counter()
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Run(time.perf_counter() - start, usage.ru_maxrss / 1024)


def _print(rates: dict[str, list[float]], runs: dict[str, list[Run]]) -> None:
    first = next(iter(rates))
    print(f"{'command':<12} images/s   of {first:<12} MiB, few and all")
    for name, found in rates.items():
        rate = statistics.median(found)
        ratio = statistics.median(
            a / b for a, b in zip(found, rates[first], strict=True)
        )
        few, all_ = (run.mebibytes for run in runs[name])
        print(f"{name:<12} {rate:8.2f}   {ratio:15.2f} {few:7.0f} {all_:7.0f}")


if __name__ == "__main__":
    main()
