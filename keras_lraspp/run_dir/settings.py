"""Hyper-parameters of a training, from the text of its `config.gin`."""

import ast
import re
from collections.abc import Mapping

_BINDING = re.compile(r"([A-Za-z_][\w./]*) = (.*)")
_REFERENCE = re.compile(r"([@%])([A-Za-z_][\w./]*)")
_TEXT = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")

Scalar = bool | int | float | str


def read_settings(text: str, run: str = "train") -> dict[str, str]:
    """Reads what a run is configured with, as gin writes it, name by name.

    That are the run's own arguments and those of all that they refer to. What the file
    holds for other runs, or for a loss that is not used, is left out.

    Args:
        text: Of a `config.gin` that a training wrote; other files of gin may have forms
            that are not read.
        run: Name of the run.

    Returns:
        Values by names such as `"train.loss"`, in the file's order, with the macros'
        values in place of their names.
    """
    bindings = _bindings(text)
    macros = {name: value for name, value in bindings.items() if "." not in name}
    owners, waiting = {run}, [run]
    resolved = {name: _resolve(value, macros) for name, value in bindings.items()}
    while waiting:
        owner = waiting.pop()
        for name, value in resolved.items():
            if _owner(name) == owner:
                found = {referred for _, referred in _references(value)} - owners
                owners |= found
                waiting += found
    return {name: resolved[name] for name in bindings if _owner(name) in owners}


def scalar_settings(settings: Mapping[str, str]) -> dict[str, Scalar]:
    """Makes numbers, booleans and texts of settings; `None` is left out.

    What is neither, as a tuple or a reference, stays as gin writes it.
    """
    values = {}
    for name, text in settings.items():
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = text
        if value is not None:
            values[name] = value if isinstance(value, Scalar) else text
    return values


def _bindings(text: str) -> dict[str, str]:
    """Joins values that go over several lines to one."""
    bindings: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if match := _BINDING.fullmatch(line):
            name = match[1]
            bindings[name] = match[2].removesuffix("\\").strip()
        elif line[:1] == " " and name:
            bindings[name] = f"{bindings[name]} {line.strip()}".strip()
        else:
            name = ""
    return bindings


def _owner(name: str) -> str:
    """The configurable of a binding, without its scope; empty of a macro."""
    return name.rpartition("/")[2].rpartition(".")[0]


def _references(value: str) -> list[tuple[str, str]]:
    """The `@names` and `%macros` outside of texts, without scopes and modules."""
    bare = "".join(_TEXT.split(value)[::2])
    found = _REFERENCE.findall(bare)
    return [(kind, re.split(r"[/.]", name)[-1]) for kind, name in found]


def _resolve(value: str, macros: Mapping[str, str]) -> str:
    """Puts values in place of macros, also of macros that name macros."""
    for _ in macros:  # at most as many in a chain
        parts = _TEXT.split(value)
        parts[::2] = [
            _REFERENCE.sub(
                lambda m: macros.get(m[2], m[0]) if m[1] == "%" else m[0], part
            )
            for part in parts[::2]
        ]
        if "".join(parts) == value:
            break
        value = "".join(parts)
    return value
