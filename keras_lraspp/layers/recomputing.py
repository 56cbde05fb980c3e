"""Tensors that the backward pass computes again instead of keeping them.

TensorFlow keeps every tensor that a gradient asks for until the backward pass is
there. What is quickly computed from another tensor, which is kept in any case, can be
left out.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

_ATTRIBUTE = "_keras_lraspp_recipe"


class Recipe(NamedTuple):
    """How to compute a tensor: `function(*tensors)`."""

    function: Callable  # always the same object for the same computation
    tensors: tuple[Any, ...]


def remember(tensor, function: Callable, *tensors) -> None:
    """Notes on a TensorFlow tensor how to compute it again."""
    setattr(tensor, _ATTRIBUTE, Recipe(function, tensors))


def recipe_of(tensor) -> Recipe | None:
    """How to compute a tensor again; `None` if nobody noted it on this very object."""
    return getattr(tensor, _ATTRIBUTE, None)


def kept(tensor) -> Recipe:
    """A recipe in any case: the tensor's own, or to keep it."""
    return recipe_of(tensor) or Recipe(_as_it_is, (tensor,))


def _as_it_is(tensor):
    return tensor
