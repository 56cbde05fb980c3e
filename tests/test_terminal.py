"""The status line and the colours, in a real terminal and in pipes."""

import io
import logging
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from fcntl import ioctl

import pytest

from harness.children import command, environment
from keras_lraspp import progress, terminal
from keras_lraspp.progress import ProgressBar
from keras_lraspp.terminal import StatusLine, clock, emphasize_head, painted

FIELDS = [(0, "12/40"), (2, "loss 0.5312"), (3, "lr 0.05"), (1, "ETA 0:20")]
LINE = "12/40  loss 0.5312  lr 0.05  ETA 0:20"


class Screen:
    """A pseudo-terminal, and what a person sees of it."""

    def __init__(self, columns=60):
        self.reader, self.writer = pty.openpty()
        self.resize(columns)
        self.text = ""

    def resize(self, columns):
        size = struct.pack("HHHH", 25, columns, 0, 0)
        ioctl(self.writer, termios.TIOCSWINSZ, size)

    def read(self, patience=0.05):
        while select.select([self.reader], [], [], patience)[0]:
            try:
                self.text += os.read(self.reader, 1 << 16).decode()
            except OSError:  # all writers are gone
                break
        return self.text

    def lines(self):
        """The lines as they stand, without colours."""
        shown = []
        for line in self.read().replace("\r\n", "\n").split("\n"):
            cells = []
            for part in re.split(r"(\r|\x1b\[K)", line):
                if part == "\r":
                    at = 0
                elif part == "\x1b[K":
                    del cells[at:]
                else:
                    part = re.sub(r"\x1b\[\d+m", "", part)
                    at = 0 if not cells else at
                    cells[at : at + len(part)] = part
                    at += len(part)
            shown.append("".join(cells).rstrip())
        return shown


@pytest.fixture
def screen(monkeypatch):
    """Makes standard output and error one terminal of 60 columns."""
    made = Screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    streams = [os.fdopen(os.dup(made.writer), "w", buffering=1) for _ in range(2)]
    with streams[0] as made.stdout, streams[1] as made.stderr:
        monkeypatch.setattr(terminal, "sys", made)
        monkeypatch.setattr(progress, "sys", made)
        yield made
    os.close(made.writer)
    os.close(made.reader)


def test_one_line_is_drawn_anew_and_stays(screen):
    with StatusLine() as status:
        assert status.moves
        for step in (1, 12):
            status.show([(0, f"{step}/40"), *FIELDS[1:]])
            assert screen.lines() == [LINE.replace("12/", f"{step}/")]
    assert screen.lines() == [LINE, ""]


def test_messages_stand_above_it_whole(screen):
    handler = logging.StreamHandler(screen.stderr)  # made before, as TensorFlow's
    with StatusLine() as status:
        status.show(FIELDS)
        print("validation mIoU 0.5", file=screen.stdout)
        print("to standard error", file=screen.stderr)
        handler.emit(logging.makeLogRecord({"msg": "logged"}))
        print("in two", end=" ", file=screen.stdout)
        print("parts", file=screen.stdout)
        assert screen.lines()[-1] == LINE
    above = ["validation mIoU 0.5", "to standard error", "logged", "in two parts"]
    assert screen.lines() == [*above, LINE, ""]
    print("after", file=screen.stdout)  # which is as before
    assert screen.lines() == [*above, LINE, "after", ""]


def test_a_progress_bar_has_the_line_for_itself(screen):
    with StatusLine() as status:
        status.show(FIELDS)
        with ProgressBar("validation", 4, "images") as bar:
            bar.update()
            (line,) = screen.lines()
            assert line.startswith("validation: [#####")
            assert LINE not in line
    last = screen.lines()
    assert last[0].startswith("validation: 1 of 4 images") and last[1:] == [LINE, ""]


def test_text_that_nobody_ended_is_kept(screen):
    with StatusLine() as status:
        print("no end", end="", file=screen.stdout)
        status.show(FIELDS)
    assert screen.lines() == ["no end", LINE, ""]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (38, LINE),
        (37, "12/40  loss 0.5312  ETA 0:20"),
        (28, "12/40  ETA 0:20"),
        (10, "12/40"),
        (4, "12/"),
        (1, "1"),
    ],
)
def test_a_narrow_terminal_shortens_it(screen, columns, shown):
    screen.resize(columns)
    with StatusLine() as status:
        status.show(FIELDS)
        assert screen.lines() == [shown]


@pytest.mark.parametrize("piped", ["stdout", "stderr", "TERM"])
def test_there_is_none_unless_all_is_a_terminal(screen, monkeypatch, piped):
    if piped == "TERM":
        monkeypatch.setenv("TERM", "dumb")
    else:
        monkeypatch.setattr(screen, piped, io.StringIO())
    with StatusLine() as status:
        assert not status.moves
        status.show(FIELDS)
    assert screen.read() == ""


def test_colours_are_for_terminals(screen, monkeypatch):
    assert painted("error:", "red") == "\x1b[31merror:\x1b[0m"
    assert (
        emphasize_head("class pixels\nroad 3") == "\x1b[1mclass pixels\x1b[0m\nroad 3"
    )
    assert painted("error:", "red", io.StringIO()) == "error:"
    assert painted("error:", "red", None) != "error:"
    monkeypatch.setenv("NO_COLOR", "1")
    assert painted("error:", "red") == "error:"
    monkeypatch.setenv("NO_COLOR", "")  # as not set
    assert painted("error:", "red") != "error:"
    monkeypatch.setenv("TERM", "dumb")
    assert painted("error:", "red") == "error:"


def test_a_clock():
    assert [clock(seconds) for seconds in (7.4, 727, 4327)] == [
        "0:07",
        "12:07",
        "1:12:07",
    ]


# As of a training: the first Ctrl-C is a wish, the second one an end.
INTERRUPTED = """
    import signal, sys, time
    from keras_lraspp.terminal import StatusLine

    def wish(number, frame):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("\\nSIGINT: stopping soon.", file=sys.stderr)

    signal.signal(signal.SIGINT, wish)
    with StatusLine() as status:
        for step in range(1, 1000):
            status.show([(0, f"{step}/1000"), (1, "loss 0.5")])
            time.sleep(0.1)  # longer than `Screen` waits
"""


def test_ctrl_c_leaves_the_line_whole():
    screen = Screen()
    child = subprocess.Popen(
        command(INTERRUPTED),
        env=environment(TERM="xterm"),
        stdin=screen.writer,
        stdout=screen.writer,
        stderr=screen.writer,
    )
    for seen in ("3/1000", "stopping soon."):
        while seen not in screen.read():
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
    child.wait(timeout=20)
    first, said, second, trace, *_, error, _ = screen.lines()
    for line in (first, second):
        assert re.fullmatch(r"\d+/1000  loss 0.5", line)
    assert said == "SIGINT: stopping soon."
    assert (trace[:9], error) == ("Traceback", "KeyboardInterrupt")
    os.close(screen.writer)
    os.close(screen.reader)
