"""What the documents say of variants and files is what the package has."""

import re
import shlex
from pathlib import Path

import pytest

from keras_lraspp.__main__ import _parser
from keras_lraspp.weights.published import VARIANTS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def table(document):
    """Rows of a table of variants: name without `.gin`, then numbers as text."""
    rows = re.findall(r"^\| `(\w+?)(?:\.gin)?` (\|.*)\|$", document.read_text(), re.M)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def percent(value):
    return "" if value is None else f"{value:.2f}"


def numbers(row):
    scores = (row.miou, row.flip_miou, row.multi_scale_miou)
    return [
        f"{row.parameters / 1e6:.2f} M",
        f"{row.multiply_adds / 1e9:.2f} G",
        *map(percent, scores),
    ]


def test_the_readme_lists_the_published_variants():
    rows = table(ROOT / "README.md")
    published = [row for row in VARIANTS if row.miou]
    assert list(rows) == [row.name for row in published]
    for row in published:
        assert rows[row.name][-5:] == numbers(row)
        assert rows[row.name][1] == str(row.output_stride)


def test_the_page_on_weights_lists_all_variants():
    rows = table(ROOT / "docs/weights.md")
    assert list(rows) == [row.name for row in VARIANTS]
    for row in VARIANTS:
        assert rows[row.name][-5:] == numbers(row)


def commands(document):
    """What is typed in a document, without the program: ["train", "--gin_file=..."]."""
    text = re.sub(r"\\\n *", " ", document.read_text())
    lines = re.findall(r"^    ((?:keras-lraspp|python \w+\.py) .+)$", text, re.M)
    for program, *words in map(shlex.split, lines):
        if program == "keras-lraspp":
            yield words
        elif words[0] in ("train.py", "evaluate.py", "predict.py", "export.py"):
            yield [words[0].removesuffix(".py"), *words[1:]]


def test_the_documents_type_flags_that_there_are():
    found = 0
    for document in (*DOCUMENTS, *ROOT.glob("examples/*/*.md")):
        for words in commands(document):
            if words[0].startswith("-"):
                continue  # --version, which ends the parser
            assert _parser().parse_args(words).run is not None, document
            found += 1
    assert found > 50


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_a_document_names_are_there(document):
    text = document.read_text()
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", text)
    for link in links:
        assert (document.parent / link).is_file(), link
    for name in re.findall(r"--gin_file=([\w/]+\.gin)", text):
        assert (ROOT / name).is_file() or (ROOT / "gin_configs" / name).is_file(), name
    for script in re.findall(r"python (\w[\w/]*\.py)", text):
        assert (ROOT / script).is_file(), script


def test_every_fault_has_a_test():
    text = (ROOT / "docs/reliability.md").read_text()
    rows = re.findall(r"^\| (?!fault|---).*\|$", text, re.M)
    assert len(rows) >= 45
    for row in rows:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert tests, row
        for file, name in tests:
            assert f"def {name}(" in (ROOT / file).read_text(), row
