"""The Python of a document, to be run and to be checked for types."""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


class Block(NamedTuple):
    """A block of Python, and the line of the document where it begins, from 1."""

    line: int
    code: str


def python_blocks(document: Path) -> list[Block]:
    """The blocks of Python of a document, in their order."""
    blocks, start, fence = [], 0, None
    lines = document.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.startswith("```"):
            continue
        if fence == "```python":
            blocks.append(Block(start, "\n".join(lines[start - 1 : number - 1])))
        fence, start = (line if fence is None else None), number + 1
    return blocks


def at_its_lines(block: Block) -> str:
    """A block behind empty lines, so that what is said of it has the right line."""
    return "\n" * (block.line - 1) + block.code + "\n"


def program(document: Path) -> str:
    """All blocks of a document as one program, at their lines."""
    lines = []
    for line, code in python_blocks(document):
        lines += [""] * (line - 1 - len(lines)) + code.splitlines()
    return "\n".join(lines) + "\n"


def with_python() -> list[Path]:
    """The documents that have any."""
    return [path for path in DOCUMENTS if python_blocks(path)]
