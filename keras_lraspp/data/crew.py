"""Drawing many scenes at once.

Scenes are drawn by processes of their own, started as `python worker.py`. Forking
would copy a parent in which TensorFlow's threads may hold locks; spawning through
multiprocessing would import the user's main script again (which fails if it has no
`__main__` guard) and Keras with it, seconds per worker; threads do not help, since
most of the work is Python that holds the interpreter's lock. A plain child process has
none of these faults: it starts in about 0.2 s and needs NumPy and Pillow only.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from keras_lraspp.data.scenes.manifest import Settings
from keras_lraspp.data.scenes.tree import Job, write_scene
from keras_lraspp.errors import StorageError

_WORKER = Path(__file__).with_name("worker.py")

# Below this many scenes, another worker costs more than it saves.
_SCENES_PER_WORKER = 6


def draw_jobs(
    root: Path, settings: Settings, jobs: Sequence[Job], progress: bool = True
) -> None:
    """Draws and writes scenes on all cores.

    Args:
        root: Folder of the tree.
        settings: Size and seed of the scenes.
        jobs: Which scenes.
        progress: Whether to show a bar on standard error, after two seconds.

    Raises:
        StorageError: If a file cannot be written or a worker dies. Scenes that were
            finished stay.
    """
    workers = min(_cores(), len(jobs) // _SCENES_PER_WORKER)
    bar = tqdm(
        total=len(jobs), desc="Drawing scenes", unit="scene", delay=2.0,
        disable=not progress,
    )  # fmt: skip
    with bar:
        if workers < 2 or not sys.executable:
            for job in jobs:
                write_scene(root, settings, job)
                bar.update()
            return
        for _ in _drawn_by_workers(root, settings, jobs, workers):
            bar.update()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _drawn_by_workers(root: Path, settings: Settings, jobs, workers: int):
    """Yields once for each scene; ends all workers however it is left."""
    answers: queue.Queue[dict] = queue.Queue()
    with contextlib.ExitStack() as stack:
        for number in range(workers):
            worker = _start(root, settings, jobs[number::workers])
            stack.callback(_end, worker)
            threading.Thread(target=_listen, args=(worker, answers)).start()
        working = workers
        while working:
            answer = answers.get()
            if "error" in answer:
                raise StorageError(answer["error"])
            if "drawn" in answer:
                yield tuple(answer["drawn"])
            else:
                working -= 1


def _start(root: Path, settings: Settings, jobs: Sequence[Job]) -> subprocess.Popen:
    worker = subprocess.Popen(
        [sys.executable, str(_WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    orders = {
        "root": str(root),
        "settings": settings._asdict(),
        "jobs": jobs,
        "path": [entry or os.getcwd() for entry in sys.path],
    }
    with contextlib.suppress(BrokenPipeError):
        worker.stdin.write(json.dumps(orders) + "\n")
        worker.stdin.close()
    return worker


def _listen(worker: subprocess.Popen, answers: queue.Queue) -> None:
    """Passes a worker's answers on; the last one is empty, or says why it died."""
    for line in worker.stdout:
        with contextlib.suppress(ValueError):
            answers.put(json.loads(line))
    code = worker.wait()
    if code:
        answers.put(
            {
                "error": f"A process that draws scenes ended with code {code} (-9 often"
                " means that memory ran out); run again, finished scenes are kept."
            }
        )
    answers.put({})


def _end(worker: subprocess.Popen) -> None:
    if worker.poll() is None:
        worker.terminate()
    worker.wait()
