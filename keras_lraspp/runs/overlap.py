"""Reading ahead and writing behind, so that files are no time lost for the network."""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")

# Decoding and compressing leave Python's lock; more threads only hold more pixels.
THREADS = min(4, os.cpu_count() or 1)


def read_ahead(
    read: Callable[[Item], Value], items: Iterable[Item], threads: int = THREADS
) -> Iterator[tuple[Item, "Future[Value]"]]:
    """Reads items on threads, ahead of their use.

    At most `threads + 1` items are read and not yet asked for. Close the iterator, as
    with `contextlib.closing`, to read no further.

    Args:
        read: Called with each item, on a thread.
        items: May be endless.
        threads: How many are read at once; with 1 they are read in order.

    Yields:
        Each item, in order, with the future of what `read` returned or raised.
    """
    items = iter(items)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    waiting = deque()
    try:
        while True:
            for item in itertools.islice(items, threads + 1 - len(waiting)):
                waiting.append((item, pool.submit(read, item)))
            if not waiting:
                return
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)


class WriteBehind:
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
