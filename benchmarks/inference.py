"""How fast exported files run, beside PaddleSeg's own export, in turns.

    python benchmarks/inference.py [--variants=os8_global,os32_global]
        [--size=512x1024] [--threads=2] [--rounds=30] [--paddle_python=PYTHON]
        [--competitor=VARIANT=FILE.onnx ...]

Each variant is exported anew, with random weights. All its files take turns in one
process, one image at a time; printed are medians and the median of each round's ratio
to the row that its target names. PYTHON is the interpreter of an environment with
paddlepaddle, paddleseg and paddle2onnx, which writes PaddleSeg's file; or give a file.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

HERE = Path(__file__).resolve().parent
PADDLE, FIXED, LABELS = "PaddleSeg, fixed size", "ONNX, fixed size", "ONNX, to labels"
DYNAMIC, LITERT = "ONNX, any size", "LiteRT float32"
INT8 = "ONNX int8, to labels"
TRUNK = "ONNX, up to the scores of cells"


class Target(NamedTuple):
    """How a row should compare with another one."""

    row: str
    ratio: float


TARGETS = {
    FIXED: Target(PADDLE, 0.97),
    DYNAMIC: Target(FIXED, 1.10),
    LITERT: Target(FIXED, 1.0),
    LABELS: Target(TRUNK, 1.15),
    INT8: Target(LABELS, 0.60),
}


def main() -> None:
    """Prints a table for each variant."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--variants", default="os8_global,os32_global")
    parser.add_argument("--size", default="512x1024")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--paddle_python")
    parser.add_argument("--competitor", action="append", default=[])
    flags = parser.parse_args()
    height, width = map(int, flags.size.split("x"))
    given = dict(item.split("=", 1) for item in flags.competitor)
    for variant in flags.variants.split(","):
        with tempfile.TemporaryDirectory() as folder:
            files = _exported(variant, (height, width), Path(folder))
            competitor = given.get(variant)
            if competitor is None and flags.paddle_python:
                competitor = str(Path(folder) / "paddle.onnx")
                _write_paddle(flags.paddle_python, competitor, variant, height, width)
            if competitor is not None:
                files = {PADDLE: Path(competitor), **files}
            runs = {
                name: _opened(path, (height, width), flags.threads)
                for name, path in files.items()
            }
            times = _times(runs, flags.rounds)
        print(f"{variant}, {height}x{width}, {flags.threads} threads")
        _print_table(times)


def _exported(variant: str, size, folder: Path) -> dict[str, Path]:
    from keras_lraspp import LRASPP
    from keras_lraspp.export.litert import export_litert
    from keras_lraspp.export.onnx import export_onnx
    from keras_lraspp.export.parity import draw_image
    from keras_lraspp.weights.published import find_variant

    row = find_variant(variant)
    model = LRASPP(row.num_classes, **row.arguments)
    names = (FIXED, DYNAMIC, LABELS, TRUNK, INT8)
    files = {name: folder / f"{index}.onnx" for index, name in enumerate(names)}
    export_onnx(model, files[FIXED], size=size, outputs=["logits"])
    export_onnx(model, files[DYNAMIC], outputs=["logits"])
    export_onnx(model, files[LABELS], size=size)
    _cut(files[LABELS], files[TRUNK])
    given = {"precision": "int8", "representative": draw_image(*size)}
    export_onnx(model, files[INT8], size=size, **given)
    files[LITERT] = folder / "0.tflite"
    export_litert(model, files[LITERT], size=size, outputs=["logits"])
    return files


def _cut(path: Path, target: Path) -> None:
    """Writes an ONNX file of labels without what follows the network's scores."""
    import onnx

    best = [node for node in onnx.load(path).graph.node if node.op_type == "ArgMax"]
    onnx.utils.extract_model(str(path), str(target), ["image"], [best[0].input[0]])


def _write_paddle(python: str, path: str, variant: str, *size: int) -> None:
    command = [python, str(HERE / "inference_paddle.py"), path, variant]
    done = subprocess.run([*command, *map(str, size)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"PaddleSeg's export failed:\n{(done.stdout + done.stderr)[-2000:]}")


def onnx_session(path: Path, threads: int):
    """Opens an ONNX file for timing it beside others."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # One file's threads must not still be waiting for work when the next one runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )


def _opened(path: Path, size, threads: int) -> Callable[[], object]:
    """Returns a function that runs a file once."""
    from keras_lraspp.export.parity import draw_image

    image = draw_image(*size)
    if path.suffix == ".tflite":
        return _opened_litert(path, image, threads)
    session = onnx_session(path, threads)
    (given,) = session.get_inputs()
    if given.type == "tensor(float)":
        pixels = image.astype("float32") / 127.5 - 1
        image = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return lambda: session.run(None, {given.name: image})


def _opened_litert(path: Path, image, threads: int) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()

    def run():
        interpreter.set_tensor(given["index"], image)
        interpreter.invoke()  # C++ reads the logits where they are; no copy is timed

    return run


def _times(runs, rounds: int) -> dict[str, list[float]]:
    for run in runs.values():
        run(), run()
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - started))
    return times


def _print_table(times: dict[str, list[float]]) -> None:
    for name, taken in times.items():
        line = f"{name:36}{statistics.median(taken):7.1f} ms"
        target = TARGETS.get(name)
        if target is not None and target.row in times:
            pairs = zip(taken, times[target.row], strict=True)
            ratio = statistics.median(ours / other for ours, other in pairs)
            line += f"  {ratio:.3f} x {target.row} (to reach: {target.ratio:.2f})"
        print(line)


if __name__ == "__main__":
    main()
