"""The page while training goes on: there after a kill, and never in its way."""

import functools

import pytest

from harness import tiny
from keras_lraspp.errors import DivergedError
from keras_lraspp.run_dir.best_model import read_best
from keras_lraspp.training.callbacks import Progress
from keras_lraspp.training.validation import TrainingReport


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def at_once(monkeypatch):
    """Writes the page after every evaluation, however soon."""
    start = TrainingReport.__init__
    monkeypatch.setattr(
        TrainingReport, "__init__", functools.partialmethod(start, pause=0.0)
    )


class KilledError(BaseException):
    """Stands for what nothing in a training catches."""


def killed_at(step, monkeypatch):
    plain = Progress.on_step

    def on_step(self, now, logs):
        if now == step:
            raise KilledError
        plain(self, now, logs)

    monkeypatch.setattr(Progress, "on_step", on_step)


@pytest.mark.backends
def test_a_killed_run_has_a_page_and_its_resume_a_whole_one(
    pictures, tmp_path, at_once, monkeypatch
):
    with monkeypatch.context() as patch:
        killed_at(7, patch)
        with pytest.raises(KilledError):
            tiny.run(pictures, tmp_path, eval_interval=3, save_interval=2)
    page = (tmp_path / "report.html").read_text()
    best = read_best(tmp_path / "best.keras")
    assert "at step 6 of 10: still running, or stopped" in page
    assert f">{100 * best.miou:.1f} " in page and best.step in (3, 6)
    assert page.count("<img") == 8  # two images

    changes = {"eval_interval": 3, "save_interval": 2, "resume": True}
    result = tiny.run(pictures, tmp_path, **changes)
    page = (tmp_path / "report.html").read_text()
    assert "finished after 10 steps" in page
    assert f">{100 * result.best_miou:.1f} " in page
    assert read_best(tmp_path / "best.keras").step == result.best_step


def test_pages_are_not_written_too_often(pictures, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        "keras_lraspp.training.validation.write_report",
        lambda folder, examples: written.append(len(examples.best)),
    )
    clock = "keras_lraspp.training.validation.time.monotonic"
    monkeypatch.setattr(clock, Clock(0))
    tiny.run(pictures, tmp_path / "a", eval_interval=1)
    assert written == [1]  # at the end, with the best of two images
    monkeypatch.setattr(clock, Clock(31))
    tiny.run(pictures, tmp_path / "b", eval_interval=5)
    assert len(written) == 4  # after both evaluations and at the end


class Clock:
    """Each look at it is later."""

    def __init__(self, pace):
        self.pace, self.now = pace, 0

    def __call__(self):
        self.now += self.pace
        return self.now


def test_a_page_that_cannot_be_made_costs_a_warning(pictures, tmp_path, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("no ink")

    monkeypatch.setattr("keras_lraspp.training.validation.write_report", broken)
    with pytest.warns(UserWarning, match="Could not write the report of .*: no ink"):
        result = tiny.run(pictures, tmp_path)
    assert result.step == 10 and result.best_path.is_file()
    assert not (tmp_path / "report.html").exists()


def test_a_diverged_run_has_a_page(pictures, tmp_path):
    with pytest.raises(DivergedError):
        tiny.run(pictures, tmp_path, iterations=40, eval_interval=2, learning_rate=1e20)
    assert "still running, or stopped" in (tmp_path / "report.html").read_text()
