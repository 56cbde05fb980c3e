"""What Sphinx adds to the Markdown pages: the navigation, and reference from the code.

A page of reference says by a comment what comes in its place: `<!-- commands -->`,
`<!-- gin -->`, or the names of modules, classes and functions, `<!-- api NAME ... -->`.
"""

import argparse
import inspect
import math
import pkgutil
import re
import typing
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from docutils import nodes
from pygments.lexers import PythonLexer

_LINK = re.compile(r"^- \[.+?\]\(([\w./]+)\.md\)", re.M)
_MARK = re.compile(r"^<!-- (commands|gin|api)(.*?) -->$", re.M)


def setup(app) -> dict[str, bool]:
    """Adds all of it to Sphinx."""
    app.add_lexer("gin", PythonLexer)
    app.connect("source-read", _read)
    app.connect("doctree-read", _mark_long_words)
    app.connect("autodoc-process-docstring", _to_rst)
    app.connect("autodoc-process-signature", _shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(app, name: str, source: list[str]) -> None:
    if name == app.config.root_doc:
        source[0] += "\n".join(_navigation(source[0]))
    makers = {"commands": _commands, "gin": _gin, "api": _api}
    source[0] = _MARK.sub(
        lambda mark: "\n".join(makers[mark[1]](*mark[2].split())), source[0]
    )


# --- The navigation: each heading of the front page, and the pages that its list has.


def _navigation(text: str) -> Iterator[str]:
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        title, *_ = section.splitlines()
        links = [re.sub(r"^\.\./", "/", link) for link in _LINK.findall(section)]
        yield "\n".join(
            ["", "```{toctree}", ":hidden:", f":caption: {title}", "", *links, "```"]
        )


def _mark_long_words(app, doctree) -> None:
    """Lets the style sheet break names of tests, but not flags."""
    for code in doctree.findall(nodes.literal):
        if max(map(len, code.astext().split()), default=0) > 42:
            code["classes"].append("long")


# --- Modules, classes and functions, by autodoc.


def _api(*names: str) -> Iterator[str]:
    yield "```{eval-rst}"
    for name in names:
        value = pkgutil.resolve_name(name)
        kind = "class" if inspect.isclass(value) else "function"
        yield f".. auto{'module' if inspect.ismodule(value) else kind}:: {name}"
        if inspect.ismodule(value) and hasattr(value, "__all__"):
            yield "   :imported-members:"
    yield "```"


def _to_rst(app, what, name, obj, options, lines: list[str]) -> None:
    # What a module is, its page says.
    lines[:] = [] if what == "module" else _without_fences(lines)


def _without_fences(lines: list[str]) -> Iterator[str]:
    """Turns Markdown's blocks of code into those of reStructuredText."""
    inside = False
    for line in lines:
        fence = re.fullmatch(r"(\s*)```(\w*)", line)
        if fence is None:
            yield f"    {line}" if inside else _bars(line)
            continue
        inside = not inside
        yield from ("", f"{fence[1]}.. code-block:: {fence[2]}") if inside else ()
        yield ""


def _bars(line: str) -> str:
    """A line in which bars, as of |t - p|, name nothing."""
    parts = line.split("`")
    parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
    return "`".join(parts)


def _shorten(app, what, name, obj, options, signature, result):
    """Leaves types out of a signature, and takes that of a class from `__init__`."""
    if what != "class":
        return signature, None
    try:
        given = inspect.signature(obj.__init__)
    except ValueError:  # of an exception, which is C
        return "", None
    bare = [one.replace(annotation=one.empty) for one in given.parameters.values()]
    return str(inspect.Signature(bare[1:])), None


# --- The commands, by their parser.


def _commands() -> Iterator[str]:
    from keras_lraspp.__main__ import _parser

    yield from _of_parser(_parser(), "##")


def _of_parser(parser: argparse.ArgumentParser, heading: str) -> Iterator[str]:
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _command(child, heading)
        elif not isinstance(action, argparse._HelpAction):
            rows.append((_typed(action), _cell(_help(parser, action))))
    if rows:
        yield from _table(("flag", "what it does"), rows)


def _command(parser: argparse.ArgumentParser, heading: str) -> Iterator[str]:
    yield from ("", f"{heading} {parser.prog}", "", _cell(parser.description), "")
    yield from _of_parser(parser, f"{heading}#")
    if parser.epilog:
        yield from (
            "",
            "For example:",
            "",
            "```text",
            parser.epilog.partition("\n  ")[2],
            "```",
            "",
        )


def _typed(action: argparse.Action) -> str:
    """How a flag is typed, as `--size=HEIGHTxWIDTH`."""
    values = "{" + ",".join(action.choices) + "}" if action.choices else ""
    value = action.metavar or values or action.dest.upper()
    if not action.option_strings:
        return f"`{value}`"
    taken = "" if action.nargs == 0 else f"={value}"
    return ", ".join(f"`{flag}{taken}`" for flag in action.option_strings)


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return parser._get_formatter()._expand_help(action) if action.help else ""


# --- What a configuration can set.


def _gin() -> Iterator[str]:
    from keras_lraspp import config, data, training

    groups = {
        "Runs": sorted(
            (row.name for row in config.CONFIGURABLES if row.is_run),
            key="train evaluate predict export check shards show".split().index,
        ),
        "Networks": ["LRASPP", "from_preset"],
        "Data sets": data.DATASETS,
        "Transforms": data.TRANSFORMS,
        "Losses": training.LOSSES,
        "Optimizers": training.OPTIMIZERS,
        "Schedules": training.SCHEDULES,
    }
    listed = [name for names in groups.values() for name in names]
    assert sorted(listed) == sorted(row.name for row in config.CONFIGURABLES)
    for title, names in groups.items():
        yield from ("", f"## {title}", "")
        for name in names:
            yield from _configurable(name, config._target(name))
    names = ", ".join(f"`{name}`" for name in training.CALLBACKS)
    yield from ("", "## Callbacks", "", f"Of Keras, with its arguments: {names}.")


def _configurable(name: str, target) -> Iterator[str]:
    doc = inspect.getdoc(target) or ""
    yield from ("", f"### {name}", "", _text(doc.split("\n\n")[0]), "")
    said = _arguments(doc)
    if name == "train":  # it takes the fields of a class
        from keras_lraspp.training.train import Training

        said = _arguments(inspect.getdoc(Training))
    parameters = [
        parameter
        for parameter in inspect.signature(target, eval_str=True).parameters.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    rows = [
        (
            f"`{name}.{one.name}`",
            _cell(_type(one.annotation)),
            "needed" if one.default is one.empty else f"`{_default(one.default)}`",
            _cell(said.get(one.name, "")),
        )
        for one in parameters
    ]
    if rows:
        yield from _table(("name", "type", "default", "what it is"), rows)


def _arguments(doc: str) -> dict[str, str]:
    """What a docstring in Google's style says of each argument."""
    section = re.search(r"^(?:Args|Attributes):\n((?:    .*\n?|\n)*)", doc, re.M)
    entries = re.split(r"^    (?=\w+: )", section[1] if section else "", flags=re.M)
    found = {}
    for entry in entries:
        name, _, text = entry.partition(": ")
        found[name] = " ".join(text.split())
    return found


def _type(annotation) -> str:
    """A type in words: `int, from 1 to 64`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is inspect.Parameter.empty:
        return ""
    if annotation is type(None):
        return "None"
    if origin is Annotated:
        is_number = arguments[0] in (int, float)
        return _type(arguments[0]) + _bounds(arguments[1]) * is_number
    if origin is Literal:
        return ", ".join(map(repr, arguments))
    if origin in (typing.Union, type(int | str)):
        return " or ".join(map(_type, arguments))
    if arguments and origin is not None and origin.__name__ != "Callable":
        inner = ", ".join("..." if one is ... else _type(one) for one in arguments)
        return f"{origin.__name__} of {inner}"
    return getattr(origin or annotation, "__name__", str(annotation))


def _bounds(bounds) -> str:
    """The range of a number, without what only keeps it in its bits."""
    most = math.inf if bounds.most >= 2**31 - 1 else bounds.most
    return f" {bounds._replace(most=most)}"


def _default(value) -> str:
    return f"@{value.__name__}" if callable(value) else repr(value).replace("|", r"\|")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = [*head]
    yield from ("", f"| {' | '.join(head)} |", "|---" * len(head) + "|")
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _text(text: str) -> str:
    """Text that Markdown leaves as it is, but for `code`."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    parts[::2] = [re.sub(r"([*<\[])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def _cell(text: str) -> str:
    flags = re.sub(r"(?<![`\w-])--\w[\w=,.-]*\w", r"`\g<0>`", text)
    return _text(flags).replace("|", r"\|")
