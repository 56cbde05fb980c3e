"""Types as others see them: pyright and mypy on public names, pyright on the docs."""

import json
import subprocess
import sys
import tomllib

import pytest

from harness.documents import ROOT, program, with_python

# `assert_type` is checked by both; a `type: ignore` that nothing needs is an error.
API = '''
from collections.abc import Sequence
from pathlib import Path
from typing import assert_type

import numpy as np

import keras_lraspp
from keras_lraspp import LRASPP, MobileNetV3, Segmenter, data, inference, layers
from keras_lraspp import losses, metrics, training, visualize
from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError, UserError
from keras_lraspp.models.importing import ImportReport
from keras_lraspp.prediction.predictors import KerasPredictor, Predictor
from keras_lraspp.prediction.segmentation import Segmentation

image = np.zeros((64, 96, 3), np.uint8)


class MyLRASPP(LRASPP):
    """A subclass is what its own `from_preset` gives."""


assert_type(keras_lraspp.LRASPP, type[LRASPP])
model = keras_lraspp.LRASPP(num_classes=3, backbone="small", output_stride=16)
assert_type(model, LRASPP)
assert_type(LRASPP.from_preset("os8_global_cityscapes"), LRASPP)
assert_type(MyLRASPP.from_preset(Path("best.keras"), num_classes=3), MyLRASPP)
assert_type(model.backbone, MobileNetV3)
assert_type(model.smallest_side, int)
assert_type(keras_lraspp.import_weights(model, "a.pdparams"), ImportReport)
LRASPP(output_stride=7)  # type: ignore
LRASPP(backbone="tiny")  # type: ignore
keras_lraspp.LRASP  # type: ignore

segmenter = Segmenter(model, flip=True, scales=[0.75, 1.0], classes=["a", "b", "c"])
assert_type(segmenter(image), np.ndarray)
assert_type(segmenter("street.jpg"), np.ndarray)
assert_type(segmenter(["a.jpg", Path("b.jpg")]), list[np.ndarray])
assert_type(segmenter.predict("street.jpg"), Segmentation)
assert_type(segmenter.predict([image, image]), list[Segmentation])
model.classes = ["a", "b", "c"]
assert_type(model.classes, ClassSet | None)
assert_type(segmenter.probabilities(image), np.ndarray)
assert_type(segmenter.overlay(image, legend=True), np.ndarray)
assert_type(segmenter.classes, ClassSet)
predictor: Predictor = KerasPredictor(model)

val: data.SegmentationDataset = data.Scenes("data/scenes", "val")
assert_type(val.classes.names, tuple[str, ...])
for samples in (
    data.ADE20K("a", "val"),
    data.CamVid("a", "val"),
    data.Cityscapes("a", "val"),
    data.FileList("a", "val"),
    data.FolderPair("a", "val"),
    data.Shards("a", "val"),
    data.TFDS("a", "val", name="a"),
    data.VOC2012("a", "val"),
):
    data.check_dataset(samples)
    data.evaluation_batches(samples)
    data.training_batches(samples, transform=data.recipe_transform(), batch_size=4)
data.transforms_in_order(steps=[data.recipe_transform, data.blur_transform])
data.Scnes  # type: ignore

loss = losses.CombinedLoss([losses.CrossEntropy, losses.DiceLoss()], weights=[1, 0.5])
assert_type(losses.CrossEntropy(class_weights=[1, 2, 3]), losses.CrossEntropy)
assert_type(keras_lraspp.losses.OhemCrossEntropy(), training.OhemCrossEntropy)
assert_type(metrics.MeanIoU(3), metrics.MeanIoU)
assert_type(metrics.ConfusionMatrix(3).miou(), float)
assert_type(training.SGD(0.1), training.SGD)
assert_type(training.WarmupPolynomial(0.1, 2000), training.WarmupPolynomial)
labels = inference.label_function(model, inference.InferenceOptions(flip=True))
assert_type(labels(image[None]), np.ndarray)
palette = data.CLASS_SETS["cityscapes"].palette
assert_type(visualize.overlay(image, segmenter(image), palette), np.ndarray)
layers.ResizeLike()


def caught(error: InputError) -> UserError:
    """What the package raises has one base."""
    return error
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The program above and each document's Python, at the document's lines."""
    folder = tmp_path_factory.mktemp("typing")
    (folder / "api.py").write_text(API)
    for document in with_python():
        (folder / f"{document.stem}_md.py").write_text(program(document))
    return folder


def pyright(folder, **settings):
    pytest.importorskip("pyright", reason="it is in the extra `dev`")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    config = {**project["tool"]["pyright"], "include": [str(folder)], **settings}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--outputjson"]
    command += ["--project", str(folder), "--pythonpath", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == len([*folder.glob("*.py")])
    return [
        f"{row['file']}:{row['range']['start']['line'] + 1}: {row['message']}"
        for row in found["generalDiagnostics"]
    ]


def test_pyright_understands_the_package_and_its_documents(folder):
    assert not pyright(folder, reportUnnecessaryTypeIgnoreComment=True)


def test_pyright_would_find_a_fault(tmp_path):
    (tmp_path / "wrong.py").write_text(
        "import keras_lraspp\n\n"
        "keras_lraspp.LRASPP(output_stride=7)\n"
        "keras_lraspp.Segmenter('a.keras')('b.jpg').nothing\n"
        "keras_lraspp.losses.Cross\n"
    )
    assert [row.split(":")[1] for row in pyright(tmp_path)] == ["3", "4", "5"]


def test_mypy_understands_the_package(folder, tmp_path):
    pytest.importorskip("mypy", reason="it is in the extra `dev`")
    command = [sys.executable, "-m", "mypy", "--warn-unused-ignores"]
    command += ["--ignore-missing-imports", "--follow-imports=silent"]
    command += ["--cache-dir", str(tmp_path), str(folder / "api.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
