"""Error messages of gin, rewritten as one sentence that says what to do."""

import re
import tokenize
from collections.abc import Iterable, Mapping

from keras_lraspp.arguments import did_you_mean

_LOCATION = re.compile(r'\n  In (?:file ".*",|bindings string) line (\d+)\n.*')
_UNKNOWN = re.compile(r"No configurable matching (?:reference )?'@?([^'()]*)")
_PARAMETER = re.compile(r"Configurable '([^']*)' doesn't have a parameter named '(.*)'")
_MACRO = re.compile(r"No bindings specified for '(.*)/gin\.macro'")
_REQUIRED = re.compile(r"(\S*?)(?:/macro\.value)? set to `%gin\.REQUIRED` but not")
_TOKEN = re.compile(r"Failed to parse token '(.*)'")


def error_line(error: Exception) -> int | None:
    """Returns the line, from 1, that an error of gin's parser speaks of, if any."""
    if isinstance(error, tokenize.TokenError):
        return error.args[1][0]
    if isinstance(error, SyntaxError):
        return error.lineno
    found = _LOCATION.search(str(error))
    return int(found[1]) if found else None


def explain(error: Exception, parameters: Mapping[str, Iterable[str]]) -> str:
    """Says in one sentence what is wrong and what to do, without the place."""
    text = _LOCATION.sub("", str(error)).strip()
    if found := _UNKNOWN.match(text):
        name = found[1]
        return f"there is nothing named {name} to configure; {_hint(name, parameters)}"
    if found := _PARAMETER.match(text):
        name, parameter = found[1].rsplit(".", 1)[-1], found[2]
        known = parameters.get(name, ())
        return f"{name} has no parameter {parameter}; {_hint(parameter, known)}"
    if found := _MACRO.match(text):
        return f"the macro %{found[1]} has no value; add a line `{found[1]} = ...`."
    if found := _REQUIRED.match(text):
        return (
            f"{found[1]} has no value; add a line `{found[1]} = ...` to your file, or "
            f'give --gin_bindings="{found[1]}=...".'
        )
    if isinstance(error, (SyntaxError, tokenize.TokenError)):
        return _explain_syntax(error, text)
    return f"{text.splitlines()[0] if text else type(error).__name__}; correct it."


def undefined(error: Exception) -> str | None:
    """Returns the `%MACRO` or the binding that an error misses a value for, if any."""
    text = str(error)
    if found := _MACRO.match(text):
        return f"%{found[1]}"
    found = _REQUIRED.match(text)
    return found and found[1]


def _explain_syntax(error: Exception, text: str) -> str:
    if found := _TOKEN.search(text):
        return f"cannot read the value {found[1]}; put quotes around text."
    what = error.args[0] if error.args else text
    return (
        f"cannot read this ({str(what).splitlines()[0].rstrip('.')}); write "
        "`name.parameter = value` with a Python literal, @name or %MACRO."
    )


def _hint(name: str, known: Iterable[str]) -> str:
    # Gin names may carry a module, as in keras_lraspp.LRASPP.
    return did_you_mean(name.rsplit(".", 1)[-1], known)
