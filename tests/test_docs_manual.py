"""The manual as Sphinx built it: links, images, and reference of all that is public."""

import html.parser
import importlib
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import keras_lraspp
from harness.documents import ROOT
from keras_lraspp.__main__ import COMMANDS
from keras_lraspp.config import CONFIGURABLES

pytestmark = pytest.mark.manual

# What is public of modules that keep no list.
NAMES = {
    "errors": ["InputError", "MissingPackageError", "StorageError", "DivergedError"],
    "visualize": ["colorize", "overlay", "confusion_picture"],
}


class Page(html.parser.HTMLParser):
    """What a page has, and what it asks for."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.links, self.loaded, self.without_text = set(), [], [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids.add(values.get("id"))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in ("img", "script", "iframe") and values.get("src"):
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") in ("stylesheet", "icon"):
            self.loaded.append(values["href"])
        if tag == "img" and not values.get("alt"):
            self.without_text.append(values["src"])


@pytest.fixture(scope="module")
def site():
    return Path(os.environ["LRASPP_MANUAL"]).resolve()


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_page_of_the_tree_is_in_it(site, pages):
    sources = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")]
    for source in sources:
        assert (site / source.relative_to(ROOT)).with_suffix(".html") in pages, source
    assert "docs/index.html" in pages[site / "index.html"].links


def test_links_and_files_are_there_without_a_network(pages):
    checked = 0
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme:
                assert link in page.links, f"{path} loads {link}"
                continue
            target = (path.parent / unquote(parts.path)) if parts.path else path
            target = target.resolve()
            assert target.is_file(), f"{path} links to {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{path}: {link}"
            checked += 1
    assert checked > 1000


def test_images_say_what_they_show(pages):
    assert not {path: page.without_text for path, page in pages.items()
                if page.without_text}  # fmt: skip


def test_all_that_is_public_has_its_reference(pages):
    ids = {one for page in pages.values() for one in page.ids}
    homes = {"inference.SINGLE_PASS"}  # a value, said by its class
    for name in keras_lraspp.__all__:
        value = getattr(keras_lraspp, name)
        if f"keras_lraspp.{name}" in ids and not hasattr(value, "__path__"):
            continue
        module = importlib.import_module(f"keras_lraspp.{name}")
        members = NAMES.get(name) or module.__all__
        for member in members:
            if f"{name}.{member}" in homes or not callable(getattr(module, member)):
                continue
            # Losses are also in `training`, pictures also in `inference`.
            places = [name, "losses", "visualize", "legends", "palettes"]
            found = [f"keras_lraspp.{place}.{member}" in ids for place in places]
            assert any(found), f"{name}.{member}"


def test_commands_and_names_for_gin_are_all_there(site, pages):
    headings = pages[site / "docs/reference/commands.html"].ids
    assert {f"keras-lraspp-{command.name}" for command in COMMANDS} <= headings
    names = pages[site / "docs/reference/gin.html"].ids
    wanted = {row.name.lower().replace("_", "-") for row in CONFIGURABLES}
    assert wanted <= names
    # Each argument has its line in a docstring.
    text = (site / "docs/reference/gin.html").read_text()
    assert "train.batch_size" in text and not re.search(
        r"<td>\s*(<p></p>)?</td>\s*</tr>", text
    )
