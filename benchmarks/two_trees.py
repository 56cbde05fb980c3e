"""Speed of two checkouts of this project, in turns: what a change made slower.

    python benchmarks/two_trees.py --before=DIR [--rounds=3] [--photos=DIR]
        [--only=training,input,inference]

DIR is the other checkout, from `git worktree add DIR REVISION`; both run in this
environment. Timed are a training step of os32_global on 4x256x512, reading raw files
and shards from a tree of `photo_tree.py`, and the ONNX files that both export. Printed
are medians, and the median of the rounds' ratios: this tree's time by the other's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1]
STEP = "--output_stride=32 --batch=4 --height=256 --width=512 --steps=8".split()
EXPORT = """
import sys
import keras
from keras_lraspp import LRASPP
from keras_lraspp.export.onnx import export_onnx
folder, *strides = sys.argv[1:]
for stride in strides:
    model, name = LRASPP(output_stride=int(stride)), f"os{stride}_global"
    export_onnx(model, f"{folder}/{name}, logits.onnx", size=(512, 1024), outputs=["logits"])
    export_onnx(model, f"{folder}/{name}, labels.onnx", size=(512, 1024))
    export_onnx(model, f"{folder}/{name}, any size.onnx", outputs=["logits"])
"""  # noqa: E501
STRIDES = ("8", "32")


def run(tree: Path, *arguments: str) -> str:
    """Runs Python on the package of a tree; returns the last line that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{tree} {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return (done.stdout.splitlines() or [""])[-1]


def training(trees: dict[str, Path], rounds: int, photos: Path) -> Iterator[tuple]:
    """Yields the case, the tree and milliseconds of a training step."""
    for turn in range(rounds):
        for name in in_turns(trees, turn):
            line = run(trees[name], "benchmarks/training_ours.py", *STEP)
            yield "training step", name, 4e3 / json.loads(line)["images_per_second"]


def input(trees: dict[str, Path], rounds: int, photos: Path) -> Iterator[tuple]:
    """Yields the case, the tree and milliseconds to read an image."""
    if not any(photos.glob("leftImg8bit/train/*/*.png")):
        from photo_tree import make_tree

        make_tree(photos, pictures=16)
    with tempfile.TemporaryDirectory() as folder:
        shards = f"{folder}/shards"
        write = ["-m", "keras_lraspp", "data", "shards", "--dataset=Cityscapes"]
        write += [f"--data_root={photos}", "--split=train", f"--output_dir={shards}"]
        run(HERE, *write)
        for turn in range(rounds):
            for kind, root in (("raw", photos), ("shards", shards)):
                for name in in_turns(trees, turn):
                    flags = f"--root={root}", f"--kind={kind}", "--images=96"
                    script = "benchmarks/input_pipeline_ours.py"
                    found = json.loads(run(trees[name], script, *flags))
                    yield f"read {kind}", name, 1e3 * found["seconds"] / found["images"]


def inference(trees: dict[str, Path], rounds: int, photos: Path) -> Iterator[tuple]:
    """Yields the file, the tree that exported it and milliseconds of a run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    image = np.random.default_rng(0).integers(0, 256, (1, 512, 1024, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        for name, tree in trees.items():
            (Path(folder) / name).mkdir()
            run(tree, "-c", EXPORT, f"{folder}/{name}", *STRIDES)
        for path in sorted((Path(folder) / "this").glob("*.onnx")):
            sessions = {
                name: onnxruntime.InferenceSession(
                    Path(folder, name, path.name), options
                )
                for name in trees
            }
            for turn in range(2 + 10 * rounds):
                for name in in_turns(trees, turn):
                    begun = time.perf_counter()
                    sessions[name].run(None, {"image": image})
                    if turn >= 2:
                        yield path.stem, name, 1e3 * (time.perf_counter() - begun)


def in_turns(trees: dict[str, Path], turn: int) -> list[str]:
    """Names of the trees; every other turn the second one comes first."""
    return list(trees)[:: 1 if turn % 2 == 0 else -1]


def main() -> None:
    """Times both trees and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--before", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="training,input,inference")
    folder = Path(tempfile.gettempdir()) / "photo_tree"
    parser.add_argument("--photos", type=Path, default=folder)
    flags = parser.parse_args()
    trees = {"before": flags.before.resolve(), "this": HERE}
    for case in flags.only.split(","):
        times = {}
        for what, name, taken in globals()[case](trees, flags.rounds, flags.photos):
            times.setdefault(what, {"before": [], "this": []})[name].append(taken)
        for what, found in times.items():
            before, this = found["before"], found["this"]
            ratio = statistics.median(b / a for a, b in zip(before, this, strict=True))
            print(
                f"{what:24}{statistics.median(before):8.1f} ms before"
                f"{statistics.median(this):8.1f} ms now {ratio:7.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
