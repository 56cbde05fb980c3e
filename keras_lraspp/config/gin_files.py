"""Configuration files: where they are, and what they include."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.errors import InputError

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
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(
            f"Cannot read the configuration {path}: {error.strerror}; make it readable."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"The configuration {path} is not UTF-8 text; save it as such."
        ) from error


def _fragment(path: Path, lines: list[str], start: int, end: int) -> Fragment:
    return Fragment(path, "\n" * start + "\n".join(lines[start:end]) + "\n")
