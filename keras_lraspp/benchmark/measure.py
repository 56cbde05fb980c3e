"""Times one file; run as a script, so that it brings no more than the file needs.

    python child.py '{"path": ..., "format": ..., "size": [H, W], ...}'

It prints one line of JSON: the milliseconds of each call, and its own memory's peak.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose names may hide others'

import numpy as np

WARM_UP = 3  # calls


def main(job: dict) -> dict:
    """Times a file.

    Args:
        job: `path`, `format`, `size` (height and width), `batch`, `threads`, `runs`.

    Returns:
        `milliseconds`, one per call; `peak_bytes`, `None` where the system does not
        tell; `first_call_ms`, which compiles.
    """
    _keep_to(job["threads"])
    shape = (job["batch"], *job["size"], 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    run = OPENERS[job["format"]](job["path"], images, job["threads"])
    taken = []
    for _ in range(WARM_UP + job["runs"]):
        started = time.perf_counter()
        run()
        taken.append(1000 * (time.perf_counter() - started))
    return {
        "milliseconds": taken[WARM_UP:],
        "first_call_ms": taken[0],
        "peak_bytes": _peak_bytes(),
    }


def _keep_to(threads: int) -> None:
    """Leaves so many processors to this process, whatever its runtime starts."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _open_keras(path: str, images: np.ndarray, threads: int) -> Callable[[], object]:
    import keras

    from keras_lraspp import LRASPP
    from keras_lraspp.inference import label_function

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(threads)
    labels = label_function(LRASPP.from_preset(path))
    return lambda: labels(images)


def _open_saved_model(path: str, images: np.ndarray, _: int) -> Callable[[], object]:
    from keras_lraspp.export.runtimes import open_saved_model

    opened = open_saved_model(path)
    return lambda: opened.labels(images)


def _open_onnx(path: str, images: np.ndarray, threads: int) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(["labels"], {"image": images})


def _open_litert(path: str, images: np.ndarray, threads: int) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=threads)
    run = interpreter.get_signature_runner()
    return lambda: [run(image=image[None]) for image in images]  # it takes one


OPENERS = {
    "keras": _open_keras,
    "saved_model": _open_saved_model,
    "onnx": _open_onnx,
    "litert": _open_litert,
}


def _peak_bytes() -> int | None:
    status = Path("/proc/self/status")
    if status.is_file():  # Linux, whose getrusage counts what the parent had
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        return 1024 * int(found[1])
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def print_result(work: Callable[[dict], dict]) -> None:
    """Prints what `work` returns of the job on the command line, or why it fails."""
    try:
        print(json.dumps(work(json.loads(sys.argv[1]))))
    except Exception as error:  # of any runtime; its first line has to do
        said = (str(error).splitlines() or [type(error).__name__])[0]
        sys.exit(f"error: {said}")


if __name__ == "__main__":
    print_result(main)
