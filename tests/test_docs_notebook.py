"""The notebook on fine-tuning: no outputs in the tree, and what it shows when run."""

import json
import os
import re
from pathlib import Path

import pytest

from harness.documents import ROOT

NOTEBOOK = ROOT / "examples/finetune.ipynb"


def code_cells(path):
    cells = json.loads(path.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_no_output_is_in_the_tree():
    cells = code_cells(NOTEBOOK)
    assert len(cells) > 8
    for cell in cells:
        assert cell["outputs"] == [] and cell["execution_count"] is None


@pytest.mark.manual
def test_it_learns_and_shows_pictures():
    cells = code_cells(Path(os.environ["LRASPP_NOTEBOOK"]))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 4  # samples, curve, before and after, a result
    said = "".join("".join(output.get("text", "")) for output in outputs)
    scores = dict(re.findall(r"^(\w+) +IoU (0\.\d+)$", said, re.M))
    assert set(scores) == {"other", "road", "vehicle", "person", "mean"}
    # A network that says "road" and "other" alone has less.
    assert float(scores["road"]) > 0.8 and float(scores["mean"]) > 0.5
