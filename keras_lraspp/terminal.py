"""Terminals: whether one is there, its width, its colours, and a status line."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TextIO

_CODES = {"bold": 1, "red": 31, "green": 32, "yellow": 33}
_ERASE = "\r\x1b[K"  # the line that the cursor is in


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal that can move its cursor, not `TERM=dumb`."""
    with contextlib.suppress(AttributeError, ValueError):  # no file, or closed
        moves = os.environ.get("TERM") != "dumb"
        return stream is not None and stream.isatty() and moves
    return False


def columns(stream: TextIO) -> int:
    """Width of a terminal in characters; 80 where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or 80
    return 80


def painted(text: str, style: str, stream: TextIO | None = None) -> str:
    """Returns text in a colour, or bold, if the stream shows it.

    That is a terminal, and `NO_COLOR` is not set (see https://no-color.org).

    Args:
        text: What to paint.
        style: A key of `_CODES`.
        stream: Where it will be written; `None` for the standard output.
    """
    if os.environ.get("NO_COLOR") or not is_terminal(stream or sys.stdout):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def emphasize_head(table: str) -> str:
    """Returns a table for the standard output, its titles bold where that shows it."""
    head, *rows = table.split("\n")
    return "\n".join([painted(head, "bold"), *rows])


def clock(seconds: float) -> str:
    """Formats a time as 0:07, 12:07 or 1:12:07."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class StatusLine:
    """The last line of a terminal, drawn anew; what others write stands above it.

    It is there only if standard output and error are both terminals: in a pipe, a file
    or a notebook `show` does nothing, and `moves` is false. While it is open, all that
    Python writes to the two goes through it; only what a library in C writes by itself
    follows in its line. A message that begins with a new line, as that after Ctrl-C,
    leaves the line as it is and goes on below.

    Use it as a context manager, at whose end the line stays.
    """

    def __init__(self):
        self.moves = False
        self._text = ""
        self._drawn = False  # whether it is on the screen, with the cursor at its end
        self._at_start = True  # else: whether the cursor is at the start of a line
        self._lock = threading.RLock()  # threads write, and a handler of signals
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "StatusLine":
        """Returns itself."""
        self.moves = is_terminal(sys.stdout) and is_terminal(sys.stderr)
        if self.moves:
            for stream in (sys.stdout, sys.stderr):
                self._stack.enter_context(self._above(stream))
        return self

    def __exit__(self, *error) -> None:
        """Leaves the line on the screen, and the cursor below it."""
        self._stack.close()
        if self._drawn:
            _print("\n")
        self.moves = self._drawn = False

    def show(self, fields: Sequence[tuple[int, str]]) -> None:
        """Draws the line anew, of ranks and texts.

        Where it is too wide for the terminal, texts of the highest ranks are left out.
        """
        if self.moves:
            with self._lock:
                self._text = _fit(fields, columns(sys.stderr) - 1)
                self._draw()

    def _draw(self) -> None:
        before = "" if self._drawn or self._at_start else "\n"
        _print(f"{before}{_ERASE}{self._text}")
        self._drawn = True

    @contextlib.contextmanager
    def _above(self, stream: TextIO) -> Iterator[None]:
        """Lets what is written to a stream, by whoever holds it, stand above."""
        write = stream.write

        def write_above(text: str) -> int:
            with self._lock:
                if self._drawn and not text.startswith("\n"):
                    _print(_ERASE)
                self._drawn = False
                count = write(text)
                stream.flush()
                self._at_start = text.endswith("\n") if text else self._at_start
                if self._at_start and self._text:
                    self._draw()
            return count

        stream.write = write_above  # logging keeps streams, not their names
        try:
            yield
        finally:
            stream.write = write


def _fit(fields: Sequence[tuple[int, str]], width: int) -> str:
    kept = [*fields]
    while len(text := "  ".join(text for _, text in kept)) > width and len(kept) > 1:
        kept.remove(max(kept))
    return text[: max(width, 1)]


def _print(text: str) -> None:
    # Not by the stream, which a handler of signals must not enter once more.
    with contextlib.suppress(OSError, ValueError):  # the terminal is gone
        os.write(sys.stderr.fileno(), text.encode())
