"""Progress of long work: a line that moves in a terminal, lines in a log elsewhere."""

import contextlib
import sys
import threading
import time

from keras_lraspp.terminal import clock, columns, is_terminal

_REDRAW = 0.1  # seconds between two pictures of the line in a terminal
_FIRST_LINE = 5.0  # seconds before the first line elsewhere, and at least between two
_GROWTH = 20  # then a twentieth of the time so far, so that logs of hours stay short
_BAR = 20  # characters


class ProgressBar:
    """Shows on standard error how much is done, how fast, and the time that is left.

    In a terminal this is one line, drawn anew and cut to the width. Elsewhere (a pipe,
    a file, a notebook, `TERM=dumb`) it is whole lines, some seconds apart, and none of
    work that is done before the first. There are no colours, no escape sequences.

    Use it as a context manager; threads may share it.

    Args:
        description: What is done, as "predict".
        total: How much there is to do, in the units; `None` if nobody knows.
        unit: What is counted, as "images".
        delay: Seconds before anything is shown.
        show: Whether anything is.

    Example:
        ```python
        with ProgressBar("predict", len(paths), "images") as progress:
            for path in paths:
                ...
                progress.update()
        ```
    """

    def __init__(
        self,
        description: str,
        total: float | None,
        unit: str,
        *,
        delay: float = 0.0,
        show: bool = True,
    ):
        self.description = "".join(c if c.isprintable() else " " for c in description)
        self.total = total
        self.unit = unit
        self.done = 0
        self._show = show and sys.stderr is not None
        self._moves = self._show and is_terminal(sys.stderr)
        self._start = self._now = time.monotonic()
        self._next = self._start + (delay if self._moves else max(delay, _FIRST_LINE))
        self._first = None  # when something was first done, and how much
        self._shown = ""
        self._lock = threading.RLock()

    def __enter__(self) -> "ProgressBar":
        """Returns itself."""
        return self

    def __exit__(self, *error) -> None:
        """Says what was done in which time, if progress was shown before."""
        with self._lock:
            if self._shown:
                elapsed = clock(self._elapsed())
                last = f"{self.description}: {self._counts()} in {elapsed}"
                self._draw(last + self._rate_text())
                if self._moves:
                    self._print("\n")
            self._show = False

    def update(self, count: float = 1) -> None:
        """Adds to what is done."""
        with self._lock:
            self.done += count
            now = self._now = time.monotonic()
            if self._first is None:
                self._first = now, self.done
            if not self._show or now < self._next:
                return
            if self._moves:
                self._next = now + _REDRAW
            else:
                self._next = now + max(_FIRST_LINE, self._elapsed() / _GROWTH)
            self._draw(self._line())

    def write(self, text: str) -> None:
        """Writes lines to standard error, above the moving one."""
        with self._lock:
            again, self._shown = self._shown, ""
            if again and self._moves:
                self._print(f"\r{' ' * len(again)}\r")
            self._print(f"{text}\n")
            if again and self._moves:
                self._draw(again)

    def _line(self) -> str:
        text = f"{self.description}: {self._counts()}"
        share = self._share()
        if share is not None and self._moves:
            bar = ("#" * int(share * _BAR)).ljust(_BAR)
            text = f"{self.description}: [{bar}] {self._counts()}"
        text += self._rate_text()
        if share is not None and (rate := self._rate()):
            text += f", {clock((self.total - self.done) / rate)} left"
        return text

    def _draw(self, text: str) -> None:
        if not self._moves:
            self._shown = text
            return self._print(f"{text}\n")
        text = text[: max(columns(sys.stderr) - 1, 1)]
        padding = " " * (len(self._shown) - len(text))
        self._shown = text
        return self._print(f"\r{text}{padding}")

    @staticmethod
    def _print(text: str) -> None:
        # Who closed the standard error wants no progress; the work goes on.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()

    def _elapsed(self) -> float:
        return self._now - self._start

    def _share(self) -> float | None:
        if not self.total or self.done > self.total:
            return None
        return self.done / self.total

    def _rate(self) -> float:
        """Units in a second, without the time before the first, which compiles."""
        if self._first is None:
            return 0.0
        start, before = self._first
        if self.done > before and self._now > start:
            return (self.done - before) / (self._now - start)
        return self.done / self._elapsed() if self._elapsed() else 0.0

    def _rate_text(self) -> str:
        rate = self._rate()
        return f", {rate:.3g} {self.unit}/s" if rate < 100 else f", {rate:.0f}/s"

    def _counts(self) -> str:
        counts = _number(self.done)
        if self._share() is not None:
            counts += f" of {_number(self.total)}"
        return f"{counts} {self.unit}"


def _number(value: float) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
