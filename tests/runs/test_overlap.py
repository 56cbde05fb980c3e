"""Reading ahead and writing behind: in order, bounded, and errors where they belong."""

import itertools
import threading
import time
from contextlib import closing

import pytest

from keras_lraspp.runs.overlap import WriteBehind, read_ahead


@pytest.mark.parametrize("threads", [1, 3])
def test_items_come_in_order_whatever_they_take(threads):
    def read(item):
        time.sleep(0.02 * (item % 3 == 0))
        return -item

    pairs = [
        (item, future.result()) for item, future in read_ahead(read, range(20), threads)
    ]
    assert pairs == [(item, -item) for item in range(20)]


def test_only_a_few_items_are_read_ahead_of_an_endless_row():
    started = []
    with closing(read_ahead(started.append, itertools.count(), threads=2)) as items:
        for _ in range(5):
            next(items)
        time.sleep(0.05)
        assert started and max(started) <= 4 + 2
    count = len(started)
    time.sleep(0.05)
    assert len(started) == count  # closed: nothing goes on


def test_an_error_belongs_to_its_item():
    def read(item):
        return 1 / item

    ends = {}
    for item, future in read_ahead(read, [1, 0, 2], threads=2):
        ends[item] = future.exception() or future.result()
    assert isinstance(ends.pop(0), ZeroDivisionError)
    assert ends == {1: 1.0, 2: 0.5}


def test_nothing_to_read():
    assert list(read_ahead(abs, [])) == []


def test_writing_waits_when_too_much_is_unfinished():
    go, written = threading.Event(), []

    def write(item):
        assert go.wait(10)
        written.append(item)

    submitted = []

    def submit_all():
        with WriteBehind(threads=1) as results:
            for item in range(6):
                results.submit(write, item)
                submitted.append(item)

    worker = threading.Thread(target=submit_all)
    worker.start()
    time.sleep(0.1)
    assert submitted == [0, 1]
    go.set()
    worker.join(10)
    assert written == list(range(6))


def test_an_error_of_the_last_task_is_raised():
    with pytest.raises(ZeroDivisionError):
        with WriteBehind(threads=2) as results:
            results.submit(divmod, 1, 0)


def test_after_an_error_what_did_not_begin_is_dropped():
    go, written = threading.Event(), []

    def write(item):
        assert go.wait(10)
        written.append(item)

    with pytest.raises(KeyboardInterrupt):
        with WriteBehind(threads=1) as results:
            results.submit(write, 0)
            results.submit(write, 1)
            time.sleep(0.05)
            threading.Timer(0.1, go.set).start()
            raise KeyboardInterrupt
    assert written == [0]
