"""Packages that only some preparations need."""

import importlib
import importlib.util
from types import ModuleType

from keras_lraspp.errors import InputError


def need(module: str, install: str) -> ModuleType:
    """Imports a module of an optional package.

    Args:
        module: Its full name.
        install: The command that installs the package.

    Raises:
        InputError: If it is not installed, with the command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"This needs {module.partition('.')[0]} ({error}); install it with "
            f"`{install}`."
        ) from error
