"""The errors a user can cause or meet, each with the exit code of the scripts."""


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
