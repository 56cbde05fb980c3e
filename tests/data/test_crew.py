"""The workers: the same files from any number of them, and their deaths reported."""

import hashlib
import sys
import time

import pytest

from keras_lraspp.data import crew
from keras_lraspp.data.scenes.manifest import Settings
from keras_lraspp.data.scenes.tree import Job, scene_files
from keras_lraspp.errors import InputError, StorageError

SETTINGS = Settings(64, 96, 2)
JOBS = [Job("train", index) for index in range(18)]


def draw(root, settings, jobs, progress):
    return crew.run_jobs(
        "keras_lraspp.data.scenes.tree:draw_job",
        {"root": str(root), **settings._asdict()},
        jobs,
        description="drawing scenes",
        unit="scene",
        progress=progress,
    )


def digests(root):
    return {
        path.relative_to(root): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.*")
    }


@pytest.fixture
def started(monkeypatch):
    """The workers that were started."""
    start, workers = crew._start, []

    def recorded(*args):
        workers.append(start(*args))
        return workers[-1]

    monkeypatch.setattr(crew, "_start", recorded)
    return workers


def test_number_of_workers_changes_no_byte(tmp_path, monkeypatch, started):
    found = []
    for cores, expected in ((1, 0), (2, 2), (3, 3)):
        started.clear()
        monkeypatch.setattr(crew, "processors", lambda cores=cores: cores)
        root = tmp_path / str(cores)
        draw(root, SETTINGS, JOBS, progress=False)
        assert len(started) == expected
        assert all(worker.returncode == 0 for worker in started)
        found.append(digests(root))
    assert len(found[0]) == 4 * len(JOBS)
    assert found[0] == found[1] == found[2]


def test_few_scenes_start_no_worker(tmp_path, monkeypatch, started):
    monkeypatch.setattr(crew, "processors", lambda: 64)
    draw(tmp_path, SETTINGS, JOBS[:3], progress=False)
    draw(tmp_path, SETTINGS, [], progress=False)
    assert started == []
    assert len(digests(tmp_path)) == 12


def test_killed_worker_is_reported_and_the_others_end(tmp_path, monkeypatch, started):
    monkeypatch.setattr(crew, "processors", lambda: 3)
    many = [Job("train", index) for index in range(300)]

    def kill_the_second(*args, start=crew._start):
        worker = start(*args)
        if len(started) == 2:
            worker.kill()
        return worker

    monkeypatch.setattr(crew, "_start", kill_the_second)
    began = time.monotonic()
    with pytest.raises(StorageError, match="ended with code -9.*run again"):
        draw(tmp_path, SETTINGS, many, progress=False)
    assert time.monotonic() - began < 10
    assert all(worker.returncode is not None for worker in started)
    assert not scene_files(tmp_path, many[-2]).image.exists()


def test_worker_that_crashes_is_reported(tmp_path, monkeypatch):
    broken = tmp_path / "worker.py"
    broken.write_text("import sys; sys.stdin.readline(); print('noise'); sys.exit(5)")
    monkeypatch.setattr(crew, "_WORKER", broken)
    monkeypatch.setattr(crew, "processors", lambda: 2)
    with pytest.raises(StorageError, match="ended with code 5"):
        draw(tmp_path / "scenes", SETTINGS, JOBS, progress=False)


def test_worker_says_what_it_could_not_write(tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "processors", lambda: 2)
    (tmp_path / "scenes").write_text("a file, not a folder")
    with pytest.raises(StorageError, match="scenes"):
        draw(tmp_path / "scenes", SETTINGS, JOBS, progress=False)


def test_interrupt_ends_all_workers(tmp_path, monkeypatch, started):
    monkeypatch.setattr(crew, "processors", lambda: 2)
    many = [Job("train", index) for index in range(300)]

    class Interrupting:
        def __init__(self, **kwargs):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def update(self):
            raise KeyboardInterrupt

    monkeypatch.setattr(crew, "tqdm", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path, SETTINGS, many, progress=False)
    assert len(started) == 2
    for worker in started:
        worker.wait(timeout=10)
    assert not scene_files(tmp_path, many[-1]).image.exists()


def test_without_an_interpreter_to_start_it_draws_itself(tmp_path, monkeypatch):
    # As in a frozen program.
    monkeypatch.setattr(sys, "executable", None)
    draw(tmp_path, SETTINGS, JOBS[:12], progress=False)
    assert len(digests(tmp_path)) == 48


JOBS_MODULE = """
from keras_lraspp.errors import InputError
def double(settings, job):
    print("what a job prints is no answer")
    return settings["plus"] + 2 * job
def refuse(settings, job):
    raise InputError(f"job {job} is wrong") if job == 5 else OSError("disk full")
"""


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_the_order_of_the_jobs(tmp_path, monkeypatch, workers):
    (tmp_path / f"our_jobs_{workers}.py").write_text(JOBS_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    results = crew.run_jobs(
        f"our_jobs_{workers}:double",
        {"plus": 7},
        list(range(20)),
        description="doubling",
        unit="number",
        workers=workers,
        progress=False,
    )
    assert results == [7 + 2 * job for job in range(20)]


@pytest.mark.parametrize(
    ("job", "kind", "says"),
    [(5, InputError, "job 5 is wrong"), (6, StorageError, "disk full")],
)
def test_errors_of_a_job_arrive_as_what_they_are(
    tmp_path, monkeypatch, job, kind, says
):
    (tmp_path / "our_errors.py").write_text(JOBS_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(kind, match=says):
        crew.run_jobs(
            "our_errors:refuse", None, [job] * 12, description="refusing", unit="job",
            workers=2, progress=False,
        )  # fmt: skip
