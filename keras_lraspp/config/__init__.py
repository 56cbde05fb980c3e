"""Gin configurations: load files and bindings, call the commands that they configure.

The only file that imports gin; library code knows nothing of it. A `.gin` file can
import and call anything: treat one from a stranger as code.
"""

import importlib
import inspect
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import gin

from keras_lraspp import data, training
from keras_lraspp.config.gin_errors import error_line, explain, undefined
from keras_lraspp.errors import (
    InputError,
    MissingPackageError,
    UserError,
    naming_packages,
)
from keras_lraspp.schema import check_call, read_text

_Reference = gin.config.ConfigurableReference  # @Name or %macro


class Configurable(NamedTuple):
    """Something that gin may configure, by the name it has in `.gin` files."""

    name: str
    module: str
    attribute: str = ""  # of the module, if not the name
    is_run: bool = False


# Data sets, transforms, losses, optimizers and schedules are rows of their own tables.
_COMPONENTS = {
    **data.DATASETS,
    **data.TRANSFORMS,
    **training.LOSSES,
    **training.OPTIMIZERS,
    **training.SCHEDULES,
}
# Which of them an argument of a run can be, beside what others have registered.
_KINDS = {
    "model": ("LRASPP", "from_preset"),
    "dataset": data.DATASETS,
    "transform": data.TRANSFORMS,
    "loss": training.LOSSES,
    "optimizer": training.OPTIMIZERS,
    "schedule": training.SCHEDULES,
}
CONFIGURABLES = (
    Configurable("LRASPP", "keras_lraspp.models"),
    Configurable("from_preset", "keras_lraspp.models", "LRASPP.from_preset"),
    *(Configurable(name, module) for name, module in _COMPONENTS.items()),
    Configurable("check", "keras_lraspp.data.health_report", is_run=True),
    Configurable("shards", "keras_lraspp.data.shards.writer", is_run=True),
    Configurable("show", "keras_lraspp.data.preview", is_run=True),
    Configurable("train", "keras_lraspp.training.train", is_run=True),
    Configurable("evaluate", "keras_lraspp.evaluation.evaluate", is_run=True),
    Configurable("predict", "keras_lraspp.prediction.predict", is_run=True),
    Configurable("export", "keras_lraspp.export.export", is_run=True),
)

# Their arguments are Keras's to check.
_CALLBACKS = tuple(
    Configurable(name, module) for name, module in training.CALLBACKS.items()
)


def load_config(
    gin_files: Sequence[str | Path], gin_bindings: Sequence[str] = ()
) -> None:
    """Loads configuration files, then single bindings, in place of what was loaded.

    Args:
        gin_files: Paths, or names of configurations that come with the package.
        gin_bindings: Such as `"train.iterations = 100"`; they override the files.

    Raises:
        InputError: For anything that gin cannot read, does not know or misses, with
            the file and line.
    """
    fragments = [
        fragment
        for name in gin_files
        for fragment in read_fragments(find_config(Path(os.path.expanduser(name))))
    ]
    fragments += [Fragment(None, binding) for binding in gin_bindings]
    parameters, missing = _register()
    gin.clear_config()
    for fragment in fragments:
        try:
            gin.parse_config(_NamedText(fragment), skip_unknown=False)
        except Exception as error:  # an import in a .gin file may raise anything
            place = fragment.place(error_line(error))
            for name, needs in missing.items():
                if re.search(rf"\b{name}\b", str(error)):
                    raise InputError(f"{place}: {needs}") from error
            raise InputError(f"{place}: {explain(error, parameters)}") from error
    try:
        gin.finalize()
    except Exception as error:
        place = _last_mention(undefined(error), fragments)
        raise InputError(f"{place}{explain(error, parameters)}") from error


def call(run: str, **flags) -> object:
    """Calls a run, as `"train"`; gin gives what the flags do not.

    Args:
        run: Name of a row of `CONFIGURABLES` that is a run.
        **flags: Arguments of the run; those that are `None` are left to gin.

    Raises:
        InputError: If an argument is missing, or a configured value is refused.
        UserError: As the run does.
    """
    flags = {name: value for name, value in flags.items() if value is not None}
    if run in _register().missing:
        raise _register().missing[run]
    bindings = gin.get_bindings(run, resolve_references=False)
    check_arguments(_target(run), flags, bindings)
    return _without_trace(lambda: gin.get_configurable(run)(**flags))


def bound(run: str, *names: str) -> dict[str, object]:
    """Returns those of the named arguments that the configuration gives a run."""
    bindings = _without_trace(lambda: gin.get_bindings(run))
    return {name: bindings[name] for name in names if name in bindings}


def operative_config() -> str:
    """Returns what is in force, as the text of a `.gin` file.

    That is every argument of what was called so far, its default if gin did not give
    it, and whatever else is bound, so that the text also serves the other runs.
    """
    bound, used = _sections(gin.config_str()), _sections(gin.operative_config_str())
    macros = {title: text for title, text in bound.items() if "Macros" in title}
    return "\n\n".join({**bound, **used, **macros}.values()) + "\n"


def check_arguments(
    run: Callable, flags: Iterable[str], bindings: Mapping[str, object]
) -> None:
    """Checks what a run, a function with typed keyword arguments, is called with.

    An argument without default is given by flags or bindings, and the bindings' values
    are of the annotated types.
    """
    parameters = inspect.signature(run, eval_str=True).parameters
    given = {*flags, *bindings}
    missing = [
        f"{run.__name__}.{name}"
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and name not in given
    ]
    if missing:
        raise InputError(
            f"The configuration gives no {', '.join(missing)}; add `{missing[0]} = "
            f'...` to the .gin file, or --gin_bindings="{missing[0]}=...".'
        )
    check_call(
        run.__name__,
        run,
        {name: value for name, value in bindings.items() if _is_literal(value)},
    )
    for name, value in bindings.items():
        if isinstance(value, _Reference) and value.selector != "gin.macro":
            _check_reference(f"{run.__name__}.{name}", name, value)


def _check_reference(argument: str, name: str, reference: _Reference) -> None:
    """Refuses what is called already, and what is known to be something else."""
    known = _KINDS.get(name)
    if known is None:
        return
    if reference.evaluate:
        raise InputError(
            f"{argument} is called by the run itself; write @"
            f"{reference.scoped_selector} without the brackets."
        )
    given = reference.selector.rpartition(".")[-1]
    if given in {row.name for row in CONFIGURABLES} - {*known}:
        raise InputError(
            f"{argument} is one of {', '.join(f'@{row}' for row in known)}, not "
            f"@{given}; correct it."
        )


def _is_literal(value: object) -> bool:
    """Whether a binding is no reference, which is checked by what it calls."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_literal, value))
    return not isinstance(value, _Reference)


_PACKAGE = Path(__file__).parents[1]
# Inside the package in a wheel; beside it in the tree.
CONFIGS = next(
    (
        folder / "gin_configs"
        for folder in (_PACKAGE, _PACKAGE.parent)
        if (folder / "gin_configs").is_dir()
    ),
    _PACKAGE / "gin_configs",
)

# Gin's own includes do not do, also with `gin.add_config_file_search_path`: they look
# in the working folder first and never beside the file that includes, and a fault in an
# included file is reported with all the files around it.
_INCLUDE = re.compile(r"""include\s+(["'])(?P<name>.+?)\1\s*(#.*)?""")


class Fragment(NamedTuple):
    """Lines of a configuration file without its includes, or a `--gin_bindings`."""

    path: Path | None  # the file; `None` for a flag
    text: str  # those lines before the fragment are empty, so that they count

    def place(self, line: int | None) -> str:
        """Says where a line is; lines count from 1."""
        if self.path is None:
            return f'--gin_bindings="{self.text}"'
        return f"{self.path} line {line}" if line else str(self.path)


def find_config(name: str | Path, beside: Path = Path()) -> Path:
    """Finds a configuration file in `beside`, else among those of the package."""
    for folder in (beside, CONFIGS, CONFIGS.parent):
        if (folder / name).is_file():
            return folder / name
    shipped = sorted(path.name for path in CONFIGS.glob("*.gin"))
    raise InputError(
        f"There is no configuration {name} in {beside.absolute()} or {CONFIGS}; give "
        f"the path of a .gin file or one of {', '.join(shipped)}."
    )


def read_fragments(path: Path, parents: tuple[Path, ...] = ()) -> Iterator[Fragment]:
    """Reads a configuration file and what it includes, in the order that counts.

    A file is included relative to the one that includes it, else from the
    configurations that come with the package, wherever the command is run. What comes
    later overrides.
    """
    lines = _read_lines(path)
    start = 0
    for number, line in enumerate(lines):
        include = _INCLUDE.fullmatch(line.strip())
        if include is None or line[0].isspace():
            continue
        yield _fragment(path, lines, start, number)
        start = number + 1
        try:
            included = find_config(include["name"], path.parent)
        except InputError as error:
            raise InputError(f"{path} line {start}: {error}") from error
        chain = (*parents, path)
        if included.resolve() in [parent.resolve() for parent in chain]:
            raise InputError(
                f"{path} line {start}: {included} includes itself; remove the include."
            )
        yield from read_fragments(included, chain)
    yield _fragment(path, lines, start, len(lines))


def _read_lines(path: Path) -> list[str]:
    return read_text(path, mend="save the configuration as readable text").splitlines()


def _fragment(path: Path, lines: list[str], start: int, end: int) -> Fragment:
    return Fragment(path, "\n" * start + "\n".join(lines[start:end]) + "\n")


class _Registered(NamedTuple):
    """What gin knows, and what it does not for want of a package."""

    parameters: Mapping[str, tuple[str, ...]]  # by the configurables' names
    missing: Mapping[str, MissingPackageError]


@cache
def _register() -> _Registered:
    """Tells gin of all configurables whose packages are installed, once."""
    importlib.import_module("keras")  # without its backend nothing can be had
    parameters, missing = {}, {}
    for row in (*CONFIGURABLES, *_CALLBACKS):
        try:
            with naming_packages(row.name):
                function = _as_function(row)
        except MissingPackageError as error:
            missing[row.name] = error
            continue
        gin.external_configurable(function, name=row.name, module="keras_lraspp")
        parameters[row.name] = tuple(inspect.signature(function).parameters)
    return _Registered(parameters, missing)


def _target(name: str) -> Callable:
    row = next(row for row in (*CONFIGURABLES, *_CALLBACKS) if row.name == name)
    module = importlib.import_module(row.module)
    return attrgetter(row.attribute or name)(module)


def _as_function(row: Configurable) -> Callable:
    """Makes a function that gin can check the parameters of.

    Gin accepts any parameter where there are `**kwargs`, as every Keras class has;
    the function shows those with a name only. What a class says against its arguments
    becomes an error in the configuration; what happens inside a run does not.
    """
    target = _target(row.name)
    is_class = inspect.isclass(target)
    signature = inspect.signature(target.__init__ if is_class else target)
    named = [
        parameter
        for parameter in list(signature.parameters.values())[is_class:]
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]

    def configured(*args, **kwargs):
        try:
            return _without_trace(lambda: _target(row.name)(*args, **kwargs))
        except Exception as error:
            refused = error
            wrong = isinstance(error, (TypeError, ValueError))
            if wrong and not isinstance(error, UserError) and not row.is_run:
                refused = InputError(f"The configured {row.name}: {error}")
                refused.__cause__ = error
        refused.raised = refused  # for `_without_trace`
        raise refused

    configured.__name__ = configured.__qualname__ = row.name
    configured.__doc__ = target.__doc__
    configured.__signature__ = signature.replace(parameters=named)
    return configured


class _NamedText(io.StringIO):
    """Text that gin takes for a file."""

    def __init__(self, fragment: Fragment):
        super().__init__(fragment.text)
        self.name = str(fragment.path)


def _last_mention(text: str | None, fragments: Sequence[Fragment]) -> str:
    """Returns the place of a macro or binding, as the start of a message."""
    if text is None:
        return ""
    pattern = re.compile(rf"(?<![\w%.]){re.escape(text)}(?![\w.])")
    for fragment in reversed(fragments):
        lines = enumerate(fragment.text.splitlines(), 1)
        for number, line in reversed(list(lines)):
            if pattern.search(line.partition("#")[0]):
                return f"{fragment.place(number)}: "
    return ""


def _sections(text: str) -> dict[str, str]:
    """Cuts a configuration as gin writes it at its headings."""
    parts = re.split(r"^(?=# (?:Macros|Parameters for .*):\n)", text, flags=re.M)
    return {part.partition("\n")[0]: part.strip() for part in parts if part.strip()}


def _without_trace(function: Callable[[], object]) -> object:
    """Calls a function that may call configured ones.

    What passes through those, gin replaces by a stand-in whose message says through
    which; here it is the error itself again, which `_as_function` has noted on it.
    """
    try:
        return function()
    except Exception as error:
        found = getattr(error, "raised", error)
    raise found
