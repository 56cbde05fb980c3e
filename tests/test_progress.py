"""Progress in a terminal, in a pipe and in a log, with a clock that the test turns."""

import os
import pty
import re
import select
import struct
import termios
from fcntl import ioctl
from types import SimpleNamespace

import pytest

from keras_lraspp import progress
from keras_lraspp.progress import ProgressBar


class Clock:
    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def terminal(monkeypatch):
    """Makes standard error a terminal of 60 columns; returns what reads it."""
    reader, writer = pty.openpty()
    ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 60, 0, 0))
    monkeypatch.setenv("TERM", "xterm")

    def resize(columns):
        ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))

    def read():
        text = b""
        while select.select([reader], [], [], 0.05)[0]:
            text += os.read(reader, 1 << 16)
        return text.decode().replace("\r\n", "\n")

    read.resize = resize
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
        yield read
    os.close(reader)


def screen(text):
    """The lines that a terminal then shows."""
    shown = []
    for line in text.split("\n"):
        cells = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        shown.append("".join(cells).rstrip())
    return shown


def work(clock, steps, seconds, total="steps", **arguments):
    total = steps if total == "steps" else total
    with ProgressBar("predict", total, "images", **arguments) as bar:
        for _ in range(steps):
            clock.now += seconds
            bar.update()


def test_a_pipe_gets_a_line_every_few_seconds(clock, capsys):
    work(clock, 30, 1.0)
    said = capsys.readouterr().err
    assert said.splitlines() == [
        f"predict: {done} of 30 images, 1 images/s, 0:{30 - done:02} left"
        for done in (5, 10, 15, 20, 25, 30)
    ] + ["predict: 30 of 30 images in 0:30, 1 images/s"]
    assert not re.search(r"[\r\x1b\x08]", said)


def test_a_log_of_hours_stays_short(clock, capsys):
    work(clock, 7200, 1.0)
    lines = capsys.readouterr().err.splitlines()
    assert 60 < len(lines) < 120
    assert lines[-1] == "predict: 7200 of 7200 images in 2:00:00, 1 images/s"


def test_short_work_says_nothing_in_a_pipe(clock, capsys):
    work(clock, 4, 1.0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("show", "delay"), [(False, 0.0), (True, 60.0)])
def test_what_is_not_to_be_shown(clock, capsys, show, delay):
    work(clock, 30, 1.0, show=show, delay=delay)
    assert capsys.readouterr().err == ""


def test_the_time_before_the_first_does_not_count(clock, capsys):
    with ProgressBar("predict", 11, "images") as bar:
        clock.now += 100  # compiles
        for _ in range(6):
            bar.update()
            clock.now += 2
        bar.update()
    assert "7 of 11 images, 0.5 images/s, 0:08 left" in capsys.readouterr().err


def test_an_unknown_or_exceeded_total(clock, capsys):
    work(clock, 6, 1.0, total=None)
    work(clock, 6, 1.0, total=3)
    said = capsys.readouterr().err
    assert "predict: 6 images in 0:06, 1 images/s" in said
    assert " of " not in said and "left" not in said


def test_a_terminal_gets_one_line(clock, terminal):
    with ProgressBar("predict", 40, "images") as bar:
        for _ in range(10):
            clock.now += 0.5
            bar.update()
        shown = terminal()
        assert screen(shown) == [
            "predict: [#####               ] 10 of 40 images, 2 images/s,"[:59]
        ]
        assert "\x1b" not in shown
    assert screen(shown + terminal())[-2:] == [
        "predict: 10 of 40 images in 0:05, 2 images/s",
        "",
    ]


def test_a_terminal_that_became_narrow(clock, terminal):
    with ProgressBar("predict", 40, "images") as bar:
        for columns in (60, 20, 1):
            terminal.resize(columns)
            clock.now += 1
            bar.update()
            (line,) = screen(terminal())
            assert len(line) <= max(columns - 1, 1)


def test_a_terminal_is_not_drawn_for_every_step(clock, terminal):
    work(clock, 1000, 0.001)
    assert terminal().count("\r") < 15


def test_messages_stand_above_the_line(clock, terminal):
    with ProgressBar("predict", 4, "images") as bar:
        clock.now += 1
        bar.update()
        bar.write("a.png is damaged")
        lines = screen(terminal())
    assert lines[0] == "a.png is damaged"
    assert lines[1].startswith("predict: [#####") and len(lines) == 2


def test_messages_in_a_pipe(clock, capsys):
    with ProgressBar("predict", 4, "images") as bar:
        bar.write("a.png is damaged")
    assert capsys.readouterr().err == "a.png is damaged\n"


@pytest.mark.parametrize("name", ["dumb", "xterm"])
def test_a_dumb_terminal_gets_lines(clock, terminal, monkeypatch, name):
    monkeypatch.setenv("TERM", name)
    work(clock, 6, 1.0)
    assert ("\r" in terminal()) == (name == "xterm")


def test_a_closed_or_missing_standard_error(clock, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", buffering=1) as stream:
        monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
        work(clock, 30, 1.0)
        monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=None))
        work(clock, 30, 1.0)
        reader, writer = os.pipe()  # so that the last flush has somewhere to go
        os.dup2(writer, stream.fileno())


def test_a_description_is_one_line(clock, capsys):
    with ProgressBar("a\x1b[2J\nb", None, "MB") as bar:
        clock.now += 6
        bar.update(1.25)
    assert capsys.readouterr().err.splitlines()[0].startswith("a [2J b: 1.2 MB")
