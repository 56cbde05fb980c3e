"""What the documents say of variants and files is what the package has."""

import re
import shlex
from pathlib import Path

import pytest

from keras_lraspp.__main__ import _parser
from keras_lraspp.weights.published import (
    BACKBONE_WEIGHTS,
    PUBLISHERS,
    VARIANTS,
    find_variant,
)

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def table(document):
    """Rows of a table of variants: name without `.gin`, then numbers as text."""
    rows = re.findall(r"^\| `(\w+?)(?:\.gin)?` (\|.*)\|$", document.read_text(), re.M)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def percent(row, value):
    """With the digits that its publisher gave."""
    digits = 1 if row.family in ("torchvision", "fastseg") else 2
    return "" if value is None else f"{value:.{digits}f}"


def numbers(row, *scores):
    return [
        f"{row.parameters / 1e6:.2f} M",
        f"{row.multiply_adds / 1e9:.2f} G",
        *(percent(row, score) for score in scores),
    ]


def test_the_readme_lists_the_published_networks():
    rows = table(ROOT / "README.md")
    published = [row for row in VARIANTS if row.preset]
    assert list(rows) == [row.preset for row in published]
    for row in published:
        publisher, licence, dataset, stride, *rest = rows[row.preset][1:]
        assert (publisher, licence) == row.publisher[:2]
        assert (dataset, stride) == (row.dataset, str(row.output_stride))
        assert rest == numbers(row, row.miou)


def test_the_page_on_weights_lists_all_variants():
    rows = table(ROOT / "docs/weights.md")
    assert [name for name in rows if find_variant(name)] == [
        row.name for row in VARIANTS
    ]
    for row in VARIANTS:
        scores = row.miou, row.flip_miou, row.multi_scale_miou
        assert rows[row.name][1:] == numbers(row, *scores)


def test_the_page_on_weights_lists_backbones_and_publishers():
    text = (ROOT / "docs/weights.md").read_text()
    for row in BACKBONE_WEIGHTS:
        accuracy = "" if row.top1 is None else f"{round(row.top1, 2):g} "
        assert (
            f"| `{row.name}` | {row.backbone} | {row.width:g} | {row.publisher.name} | "
            f"`{row.family}` | {accuracy}|"
        ) in text
    for family, (name, licence, address) in PUBLISHERS.items():
        assert f"[{name}]" in text and f" | `{family}` | {licence} | " in text
        assert f"| {name} | `{address}` |" in text or name == "Keras"


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
    own = re.findall(r"^```\w+\n# (\w+\.\w+)$", text, re.M)  # that it lets one write
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", text)
    for link in links:
        assert (document.parent / link).is_file(), link
    for name in {*re.findall(r"--gin_file=([\w/]+\.gin)", text)} - {*own}:
        assert (ROOT / name).is_file() or (ROOT / "gin_configs" / name).is_file(), name
    for script in {*re.findall(r"python (\w[\w/]*\.py)", text)} - {*own}:
        assert (ROOT / script).is_file(), script


def test_the_front_page_leads_to_every_page():
    front = ROOT / "docs/index.md"
    links = re.findall(r"^- \[.+?\]\(([\w./]+\.md)\): ?\S", front.read_text(), re.M)
    linked = [(front.parent / link).resolve() for link in links]
    pages = {*ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")} - {front}
    pages |= {*ROOT.glob("examples/*/*.md")}
    pages |= {ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"}
    assert sorted(linked) == sorted(pages)


@pytest.mark.parametrize(("page", "least"), [("reliability", 45), ("exactness", 12)])
def test_every_fault_and_every_claim_has_a_test(page, least):
    text = (ROOT / f"docs/{page}.md").read_text()
    rows = re.findall(r"^\| (?!fault|claim|---).*\|$", text, re.M)
    assert len(rows) >= least
    for row in rows:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert tests, row
        for file, name in tests:
            assert f"def {name}(" in (ROOT / file).read_text(), row
