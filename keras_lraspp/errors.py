"""The errors a user can cause or meet, each with the exit code of the scripts."""

from collections.abc import Iterable


class UserError(Exception):
    """One clear sentence for the person at the keyboard.

    The doors (`train.py` and its siblings) print the sentence and leave with
    `exit_code`. A traceback is reserved for our own bugs.
    """

    exit_code = 2


class InputError(UserError, ValueError):
    """Bad input or configuration: a file, a value or a combination of them."""

    exit_code = 2


class StorageError(UserError, OSError):
    """A file could not be read, written or locked."""

    exit_code = 3


class DivergedError(UserError):
    """Training produced a loss that is not finite."""

    exit_code = 4


_SHOWN = 5


def abbreviate(items: Iterable) -> str:
    """Lists the first five of the items, and says how many more there are."""
    items = [str(item) for item in items]
    text = ", ".join(items[:_SHOWN])
    more = len(items) - _SHOWN
    return f"{text} and {more} more" if more > 0 else text
