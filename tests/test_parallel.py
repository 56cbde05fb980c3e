"""Maps over processes and threads: in order, bounded, errors and deaths reported."""

import hashlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from keras_lraspp.data.datasets.scenes import SceneKey, SceneSettings, write_scene
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.parallel import (
    BackgroundWriter,
    map_processes,
    map_threads,
    run_child,
)


@pytest.mark.parametrize("threads", [1, 3])
def test_items_come_in_order_whatever_they_take(threads):
    def read(item):
        time.sleep(0.02 * (item % 3 == 0))
        return -item

    pairs = [
        (item, future.result())
        for item, future in map_threads(read, range(20), threads)
    ]
    assert pairs == [(item, -item) for item in range(20)]


def test_only_a_few_items_are_read_ahead_of_an_endless_row():
    started = []
    with closing(map_threads(started.append, itertools.count(), threads=2)) as items:
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
    for item, future in map_threads(read, [1, 0, 2], threads=2):
        ends[item] = future.exception() or future.result()
    assert isinstance(ends.pop(0), ZeroDivisionError)
    assert ends == {1: 1.0, 2: 0.5}


def test_nothing_to_read():
    assert list(map_threads(abs, [])) == []


def test_writing_waits_when_too_much_is_unfinished():
    go, written = threading.Event(), []

    def write(item):
        assert go.wait(10)
        written.append(item)

    submitted = []

    def submit_all():
        with BackgroundWriter(threads=1) as results:
            for item in range(6):
                results.submit(write, item)
                submitted.append(item)

    worker = threading.Thread(target=submit_all)
    worker.start()
    deadline = time.monotonic() + 10
    while len(submitted) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)  # for a third, which must wait
    assert submitted == [0, 1]
    go.set()
    worker.join(10)
    assert written == list(range(6))


def test_an_error_of_the_last_task_is_raised():
    with pytest.raises(ZeroDivisionError):
        with BackgroundWriter(threads=2) as results:
            results.submit(divmod, 1, 0)


def test_after_an_error_what_did_not_begin_is_dropped():
    began, go, written = threading.Event(), threading.Event(), []

    def write(item):
        began.set()
        assert go.wait(10)
        written.append(item)

    with pytest.raises(KeyboardInterrupt):
        with BackgroundWriter(threads=1) as results:
            results.submit(write, 0)
            results.submit(write, 1)
            assert began.wait(10)
            threading.Timer(0.1, go.set).start()
            raise KeyboardInterrupt
    assert written == [0]


SETTINGS = SceneSettings(64, 96, 2)
JOBS = [SceneKey("train", index) for index in range(18)]


def draw(root, jobs, **options):
    return map_processes(
        partial(write_scene, root, SETTINGS),
        jobs,
        description="drawing scenes",
        unit="scenes",
        progress=False,
        **options,
    )


def digests(root):
    return {
        path.relative_to(root): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.*")
    }


def process_id(item):
    """Runs in a worker."""
    return item, os.getpid()


def die(item):
    """Runs in a worker: ends it as the system does when memory ran out."""
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)


def refuse(item):
    """Runs in a worker."""
    raise InputError("job 5 is wrong") if item == 5 else OSError("disk full")


def running(pids):
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


OPTIONS = {"description": "counting", "unit": "number", "progress": False}


@pytest.mark.parametrize(("workers", "fewest"), [(1, 1), (2, 1), (3, 1), (3, 100)])
def test_results_come_in_the_order_of_the_items(workers, fewest):
    results = map_processes(
        process_id, range(20), workers=workers, fewest=fewest, **OPTIONS
    )
    assert [item for item, _ in results] == list(range(20))
    pids = {pid for _, pid in results}
    if workers == 1 or fewest == 100:
        assert pids == {os.getpid()}
    else:
        assert os.getpid() not in pids and len(pids) <= workers
        assert not running(pids)


def test_number_of_workers_changes_no_byte(tmp_path):
    found = []
    for workers in (1, 2, 3):
        draw(tmp_path / str(workers), JOBS, workers=workers)
        found.append(digests(tmp_path / str(workers)))
    assert len(found[0]) == 4 * len(JOBS)
    assert found[0] == found[1] == found[2]


def test_without_an_interpreter_to_start_it_maps_itself(monkeypatch):
    monkeypatch.setattr(sys, "executable", None)  # as in a frozen program
    results = map_processes(process_id, range(12), workers=2, fewest=1, **OPTIONS)
    assert {pid for _, pid in results} == {os.getpid()}


def test_no_items_are_no_work():
    assert map_processes(process_id, [], **OPTIONS) == []


def test_killed_worker_is_reported():
    began = time.monotonic()
    with pytest.raises(StorageError, match="counting.* died.*run again"):
        map_processes(die, range(300), workers=2, **OPTIONS)
    assert time.monotonic() - began < 60  # it does not wait for the rest


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("item", "kind", "says"),
    [(5, InputError, "job 5 is wrong"), (6, StorageError, "disk full")],
)
def test_errors_of_an_item_arrive_as_what_they_are(workers, item, kind, says):
    with pytest.raises(kind, match=says):
        map_processes(refuse, [item] * 12, workers=workers, **OPTIONS)


def test_it_says_what_could_not_be_written(tmp_path):
    (tmp_path / "scenes").write_text("a file, not a folder")
    with pytest.raises(StorageError, match="scenes"):
        draw(tmp_path / "scenes", JOBS, workers=2)


SCRIPT = """
import os, sys, time
sys.path.insert(0, {tests!r})
from keras_lraspp.parallel import map_processes
from test_parallel import pids_and_wait
print("started", flush=True)
map_processes(pids_and_wait, range(100), description="d", unit="u", workers=2,
              fewest=1, progress=False)
"""


def pids_and_wait(item):
    """Runs in a worker: notes who is working."""
    with open(os.path.join(os.environ["PIDS"], str(os.getpid())), "w"):
        time.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_program_that_started_them(tmp_path, number):
    # The script has no `if __name__ == "__main__"`: workers do not import it.
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent)))
    pids = tmp_path / "pids"
    pids.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PIDS": str(pids)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(list(pids.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    if number == signal.SIGINT:  # as the terminal sends it, to the whole group
        os.killpg(process.pid, number)
    else:
        process.kill()
    output, errors = process.communicate(timeout=20)
    assert output.count("started") == 1
    assert errors.count("KeyboardInterrupt") <= 2  # of the program alone
    working = [int(path.name) for path in pids.iterdir()]
    assert len(working) == 2
    deadline = time.monotonic() + 10
    while running(working) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(working)


@pytest.mark.parametrize(
    "program, result",
    [
        ("print('words'); print('{\"bytes\": 3}')", {"bytes": 3}),
        (
            "import sys; sys.exit('warning\\nerror: it is too small')",
            {"error": "it is too small"},
        ),
        ("import os; os.kill(os.getpid(), 9)", {"error": "the process ended with -9"}),
        ("raise SystemExit(3)", {"error": "the process ended with 3"}),
    ],
)
def test_a_child_says_its_result_or_why_there_is_none(program, result):
    assert run_child(["-c", program], {}) == result
