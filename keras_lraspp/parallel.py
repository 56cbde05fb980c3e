"""Parallel maps over processes and threads, a background writer, a child process."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from keras_lraspp.errors import StorageError
from keras_lraspp.progress import ProgressBar

Item = TypeVar("Item")
Value = TypeVar("Value")

# Decoding and compressing leave Python's lock; more threads only hold more pixels.
THREADS = min(4, os.cpu_count() or 1)


def processors() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_child(program: Sequence[str], job: Mapping[str, object]) -> dict:
    """Runs Python with arguments, the last of them a job as JSON, to its end.

    Returns:
        The JSON object that it printed last. If it failed, or was killed, its last
        words as `error`.
    """
    modules = os.pathsep.join(path for path in sys.path if path)
    child = subprocess.run(
        [sys.executable, *program, json.dumps(job)],
        env={**os.environ, "PYTHONPATH": modules},
        capture_output=True,
        text=True,
    )
    if child.returncode == 0:
        return json.loads(child.stdout.splitlines()[-1])
    lines = [text for text in child.stderr.splitlines() if text.strip()]
    message = lines[-1].removeprefix("error: ") if lines else ""
    return {"error": message or f"the process ended with {child.returncode}"}


def map_processes(
    function: Callable[[Item], Value],
    items: Sequence[Item],
    *,
    description: str,
    unit: str,
    workers: int | None = None,
    fewest: int = 6,
    progress: bool = True,
) -> list[Value]:
    """Calls a function for each item, in worker processes.

    The processes are new interpreters (loky's), which import the function's module and
    neither the caller's main script nor Keras; all have ended when this returns or
    raises.

    Args:
        function: Of a module that imports no TensorFlow, or a `functools.partial` of
            one; it can be pickled, as its items and what it returns.
        items: What it is called with.
        description: Stands beside the bar, as "drawing scenes".
        unit: What items are, as "scenes".
        workers: Number of processes; `None` for one per processor.
        fewest: Items that make another process worth its start.
        progress: Whether to show how far it is, after two seconds, see `ProgressBar`.

    Returns:
        What the function returned, in the order of the items.

    Raises:
        InputError: As the function does.
        StorageError: As the function does, for its `OSError`, or if a process dies.
            What was finished stays.
    """
    workers = min(workers or processors(), len(items) // fewest)
    bar = ProgressBar(description, len(items), unit, delay=2.0, show=progress)
    try:
        with bar, contextlib.closing(_results(function, items, workers)) as values:
            results = []
            for result in values:
                results.append(result)
                bar.update()
            return results
    except BrokenProcessPool as error:
        raise StorageError(
            f"A process ({description}) died, often because memory ran out; run again, "
            "what is finished is kept."
        ) from error
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"While {description}: {error}; free some space or name another folder."
        ) from error


def _results(function, items: Sequence, workers: int) -> Generator:
    """Yields results in order; no worker is left when it is closed."""
    if workers < 2 or not sys.executable:  # a frozen program has no interpreter
        yield from map(function, items)
        return

    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(
        workers, initializer=_begin_worker, initargs=(os.getpid(),)
    )
    try:
        # Few items in flight: an error is known before the rest is begun.
        for _, future in _ahead(pool, function, items, 4 * workers):
            yield future.result()
    finally:
        pool.shutdown(kill_workers=True)


def _begin_worker(parent: int) -> None:
    """Makes a worker end with its parent, however that ends, and not by Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def map_threads(
    function: Callable[[Item], Value], items: Iterable[Item], threads: int = THREADS
) -> Generator[tuple[Item, "Future[Value]"]]:
    """Calls a function for each item, on threads, a little ahead of their use.

    At most `threads + 1` items are in work or not yet asked for. Close the iterator,
    as with `contextlib.closing`, to begin no more.

    Args:
        function: Called with each item, on a thread.
        items: May be endless; drawn in the caller's thread.
        threads: How many calls run at once; with 1 they run in order.

    Yields:
        Each item, in order, with the future of what the function returned or raised.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="map")
    try:
        yield from _ahead(pool, function, items, threads + 1)
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(pool, function, items: Iterable, most: int) -> Generator[tuple]:
    """Yields items in order with their futures; at most `most` are under way."""
    items = iter(items)
    waiting = deque()
    while True:
        for item in itertools.islice(items, most - len(waiting)):
            waiting.append((item, pool.submit(function, item)))
        if not waiting:
            return
        yield waiting.popleft()


class BackgroundWriter:
    """Runs tasks on threads while the caller goes on; a context manager.

    `submit` waits while `threads + 1` tasks are not finished, so that results never
    pile up. At the end all tasks are waited for; after an error those that did not
    begin are dropped.

    Args:
        threads: How many tasks run at once; with 1 they run in order.
    """

    def __init__(self, threads: int = THREADS):
        """Starts no thread before the first task."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="write")
        self._most = threads + 1
        self._unfinished = deque()

    def submit(self, task: Callable[..., object], *arguments) -> None:
        """Runs a task soon.

        Raises:
            Exception: What an earlier task raised.
        """
        while len(self._unfinished) >= self._most:
            self._unfinished.popleft().result()
        self._unfinished.append(self._pool.submit(task, *arguments))

    def __enter__(self):
        """Returns itself."""
        return self

    def __exit__(self, kind, error, trace):
        """Waits for the tasks; raises what one of them raised."""
        try:
            while kind is None and self._unfinished:
                self._unfinished.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)
