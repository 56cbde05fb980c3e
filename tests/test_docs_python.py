"""The Python in README and docs: every page runs, from its first block to its last."""

import keras
import numpy as np
import pytest

from harness import trees
from harness.documents import ROOT, at_its_lines, python_blocks, with_python
from harness.image_files import noise, save
from harness.paddle import write_pdparams
from harness.stand_ins import published_tensors, with_few_blocks
from keras_lraspp import LRASPP

# What begins so needs more than this package, and is tried elsewhere.
ELSEWHERE = {
    "import tensorflow_datasets": "tests/test_docs_data.py",
    "# my_transforms.py": "tests/test_docs_augmentation.py",
    "# my_callbacks.py": "tests/training/test_user_callbacks.py",
    "import torch": "tests/models/test_graph_model.py",
    "import mediapipe": "tests/export/test_litert_metadata.py",
    'model = keras_lraspp.LRASPP.from_preset("output/': "tests/weights/test_hub.py",
}


@pytest.fixture(autouse=True)
def few_blocks(monkeypatch):
    with_few_blocks(monkeypatch)
    monkeypatch.setattr(
        "keras_lraspp.models.presets.fetch",
        lambda published, check: published_tensors(),
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder that has the files of which the pages speak."""
    monkeypatch.chdir(tmp_path)
    for folder in ("quickstart", "exported"):
        (tmp_path / "output" / folder).mkdir(parents=True)
    LRASPP(output_stride=32).save("output/quickstart/best.keras")
    save(tmp_path / "street.jpg", noise(64, 96))
    write_pdparams(tmp_path / "model.pdparams", published_tensors())
    trees.cityscapes(tmp_path / "data/cityscapes")
    probabilities = np.zeros((4, 6, 2), "float16")
    names = np.array(["road", "sky"])
    np.savez("street_probabilities.npz", probabilities=probabilities, classes=names)
    return tmp_path


def elsewhere(block):
    return [start for start in ELSEWHERE if block.code.startswith(start)]


# These are in files of their own.
PAGES = [
    pytest.param(page, id=page.stem)
    for page in with_python()
    if page.stem not in ("fine_tuning", "tutorial")
]


@pytest.mark.slow  # `.ci/run` runs it
@pytest.mark.parametrize("document", PAGES)
def test_a_page_runs(document, home):
    if document.stem == "export":
        from keras_lraspp.export.onnx import export_onnx

        export_onnx(LRASPP(output_stride=32), home / "output/exported/model.onnx")
    names = {}
    for block in python_blocks(document):
        if not elsewhere(block):
            exec(compile(at_its_lines(block), document.name, "exec"), names)
    keras.utils.clear_session()


def test_what_runs_elsewhere_is_there():
    blocks = [block for page in with_python() for block in python_blocks(page)]
    starts = [start for block in blocks for start in elsewhere(block)]
    assert sorted(starts) == sorted(ELSEWHERE)
    assert all((ROOT / file).is_file() for file in ELSEWHERE.values())
