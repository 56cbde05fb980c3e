"""Sphinx: the manual, of the Markdown pages as they lie in the tree.

The source folder is the tree, so that a link between pages is the same in the manual
and where they are read as files.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(HERE))  # pages.py

import keras_lraspp  # noqa: E402

project = "keras_lraspp"
author = "The keras-lraspp authors"
version = release = keras_lraspp.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "pages",
]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/reference/*.md",
    "benchmarks/*.md",
    "examples/*/*.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]
# Sphinx walks through what it need not read, and data sets are large.
_WITH_PAGES = {Path(pattern).parts[0] for pattern in include_patterns}
exclude_patterns = [
    *(path.name for path in ROOT.iterdir() if path.name not in _WITH_PAGES),
    "**/node_modules",
    "docs/_build",
]
suppress_warnings = ["config.cache"]

myst_heading_anchors = 4
highlight_language = "text"  # of indented blocks: commands, and what they print
nitpicky = False  # types of Keras and NumPy have no page here

default_role = "literal"  # docstrings have Markdown's `code`
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_default_options["exclude-members"] = "get_config, from_config"
autodoc_typehints = "none"  # the signature's; docstrings say them in words
python_maximum_signature_line_length = 80
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [
    ("Attributes", "params_style"),
    ("Call arguments", "params_style"),
    ("Returns (of a call)", "returns_style"),
    "Reference",
    "Source",
]

html_theme = "furo"
html_title = "keras_lraspp"
html_static_path = ["theme/static"]
html_css_files = ["manual.css"]
templates_path = ["theme/templates"]
html_additional_pages = {"index": "redirect.html"}
html_copy_source = html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#1a5f8a",
        "color-brand-content": "#1a5f8a",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7cc4ee",
        "color-brand-content": "#7cc4ee",
    },
}
