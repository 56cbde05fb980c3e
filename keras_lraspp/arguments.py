"""Unknown arguments are refused, with the name that was meant; Keras registration."""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TypeVar

_Class = TypeVar("_Class", bound=type)

# Keras's layers take them by no name in their signature.
_OF_LAYERS = {"input_dim", "input_shape"}
_KEYWORDS = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Ends a sentence with the closest of the known names, or with all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"choose one of {', '.join(known)}." if known else "correct the name."


def refuse_unknown(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raises `TypeError` for given names of arguments that are not among the known.

    Args:
        owner: What the arguments are of, as "LRASPP".
        given: Names of keyword arguments.
        known: Names that there are.
    """
    known = set(known)
    unknown = [name for name in given if name not in known]
    if unknown:
        sentences = [
            f"{owner} has no argument {name!r}; {did_you_mean(name, known)}"
            for name in unknown
        ]
        raise TypeError(" ".join(sentences))


def argument_names(function: Callable) -> set[str]:
    """Names of a function's arguments that can be given by keyword."""
    parameters = inspect.signature(function).parameters.values()
    return {row.name for row in parameters if row.kind in _KEYWORDS} - {"self", "cls"}


def constructor_names(cls: type) -> set[str]:
    """Names of a class's arguments, those among them that it passes to its bases."""
    names = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        names |= argument_names(base.__init__)
        if base.__name__ == "Layer":
            names |= _OF_LAYERS
        parameters = inspect.signature(base.__init__).parameters.values()
        if not any(row.kind is inspect.Parameter.VAR_KEYWORD for row in parameters):
            break
    return names


def known_arguments_only(cls: _Class) -> _Class:
    """Class decorator: its constructor raises `TypeError` for an unknown argument."""
    init, known = cls.__init__, constructor_names(cls)

    @functools.wraps(init)
    def checked(self, *args, **kwargs):
        refuse_unknown(cls.__name__, kwargs, known)
        init(self, *args, **kwargs)

    checked.__signature__ = inspect.signature(init)  # Keras does not look behind it
    cls.__init__ = checked
    return cls


def register_class(cls: _Class) -> _Class:
    """Class decorator: Keras's loading finds the class; see `known_arguments_only`."""
    import keras

    cls = known_arguments_only(cls)
    if issubclass(cls, keras.Model):  # the .h5 format names a model without a package
        keras.saving.get_custom_objects()[cls.__name__] = cls
    return keras.saving.register_keras_serializable("keras_lraspp")(cls)
