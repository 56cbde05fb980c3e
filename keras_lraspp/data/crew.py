"""Many small jobs done by several processes, which all end whatever happens.

The processes are started as `python worker.py`. Forking would copy a parent in which
TensorFlow's threads may hold locks; spawning through multiprocessing would import the
user's main script again (which fails if it has no `__main__` guard) and Keras with it,
seconds per worker; threads do not help where most of the work is Python that holds the
interpreter's lock. A plain child process has none of these faults: it starts in about
0.2 s. And one that is killed, say because memory ran out, is noticed.
"""

import contextlib
import importlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from keras_lraspp.errors import InputError, StorageError

_WORKER = Path(__file__).with_name("worker.py")
_ERRORS = {"InputError": InputError, "StorageError": StorageError}


def run_jobs(
    task: str,
    settings: Any,
    jobs: Sequence[Any],
    *,
    description: str,
    unit: str,
    workers: int | None = None,
    fewest: int = 6,
    progress: bool = True,
) -> list[Any]:
    """Does jobs on several cores.

    Args:
        task: `"module:function"` of a module in `keras_lraspp.data` that imports no
            TensorFlow. Called as `function(settings, job)`.
        settings: What all jobs have in common; JSON can hold it.
        jobs: JSON can hold each of them.
        description: Stands beside the bar, as "drawing scenes".
        unit: One job, as "scene".
        workers: Number of processes; `None` for one per processor.
        fewest: Jobs that make another process worth its start.
        progress: Whether to show a bar with the time left on standard error, after two
            seconds.

    Returns:
        What the function returned for each job, as JSON gives it back.

    Raises:
        InputError: As the function does.
        StorageError: As the function does, for its `OSError`, or if a process dies.
            What was finished stays.
    """
    workers = min(workers or processors(), len(jobs) // fewest)
    if workers < 2 or not sys.executable:  # a frozen program has no interpreter
        answers = _done_here(task, settings, jobs)
    else:
        answers = _done_by_workers(task, settings, jobs, workers, description)
    results: list[Any] = [None] * len(jobs)
    bar = tqdm(
        total=len(jobs), desc=description, unit=unit, delay=2.0, disable=not progress
    )
    with bar, contextlib.closing(answers):
        for index, result in answers:
            results[index] = result
            bar.update()
    return results


def processors() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_task(task: str):
    """Imports the function `"module:function"`."""
    module, _, name = task.partition(":")
    return getattr(importlib.import_module(module), name)


def _done_here(task: str, settings, jobs: Sequence) -> Iterator[tuple[int, Any]]:
    function = find_task(task)
    for index, job in enumerate(jobs):
        yield index, function(settings, job)


def _done_by_workers(
    task: str, settings, jobs: Sequence, workers: int, description: str
) -> Iterator[tuple[int, Any]]:
    """Yields once for each job; ends all workers however it is left."""
    answers: queue.Queue[dict] = queue.Queue()
    numbered = list(enumerate(jobs))
    with contextlib.ExitStack() as stack:
        for number in range(workers):
            worker = _start(task, settings, numbered[number::workers])
            stack.callback(_end, worker)
            arguments = (worker, answers, description)
            threading.Thread(target=_listen, args=arguments).start()
        working = workers
        while working:
            answer = answers.get()
            if "error" in answer:
                raise _ERRORS[answer["kind"]](answer["error"])
            if "job" in answer:
                yield answer["job"], answer["result"]
            else:
                working -= 1


def _start(task: str, settings, jobs: Sequence) -> subprocess.Popen:
    worker = subprocess.Popen(
        [sys.executable, str(_WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    orders = {
        "task": task,
        "settings": settings,
        "jobs": jobs,
        "path": [entry or os.getcwd() for entry in sys.path],
    }
    with contextlib.suppress(BrokenPipeError):
        worker.stdin.write(json.dumps(orders) + "\n")
        worker.stdin.close()
    return worker


def _listen(worker: subprocess.Popen, answers: queue.Queue, description: str) -> None:
    """Passes a worker's answers on; the last one is empty, or says why it died."""
    for line in worker.stdout:
        with contextlib.suppress(ValueError):
            answers.put(json.loads(line))
    code = worker.wait()
    if code:
        answers.put(
            {
                "error": f"A process ({description}) ended with code {code} (-9 often "
                "means that memory ran out); run again, what is finished is kept.",
                "kind": "StorageError",
            }
        )
    answers.put({})


def _end(worker: subprocess.Popen) -> None:
    if worker.poll() is None:
        worker.terminate()
    worker.wait()
