"""Evaluation and certificates on images of four and six channels."""

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.tiny import SMALLEST
from keras_lraspp.classes import generic_class_set
from keras_lraspp.data import FileList
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.evaluate import evaluate
from keras_lraspp.export.export import export
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.metrics import ConfusionMatrix

pytestmark = pytest.mark.usefixtures("few_blocks")

SIZE = (24, 32)


def of_channels(count):
    return {"input_shape": (None, None, count)}


def network(num_classes, input_shape=(None, None, 3)):
    return pixel_model(num_classes, seed=3, input_shape=input_shape)


def files(channels):
    return partial(FileList, num_classes=4, channels=channels, name="toy")


@pytest.fixture(scope="module", params=[4, 6])
def toy(request, tmp_path_factory):
    """Four images and their labels; the channels, a model's file and its mIoU."""
    channels, root = request.param, tmp_path_factory.mktemp("toy")
    model, counts = network(4, **of_channels(channels)), ConfusionMatrix(4, 255)
    rng, lines = np.random.default_rng(0), []
    for index in range(4):
        image = random_images(*SIZE, seed=index, channels=channels)
        guess = expected_labels(model, image)
        labels = np.where(rng.random(SIZE) < 0.7, guess, rng.integers(0, 4, SIZE))
        counts.update(labels[None], guess[None])
        name = f"{index}.{'png' if channels == 4 else 'npy'}"
        if channels == 4:
            Image.fromarray(image).save(root / name)
        else:
            np.save(root / name, image)
        Image.fromarray(labels.astype(np.uint8)).save(root / f"{index}_label.png")
        lines.append(f"{name} {index}_label.png\n")
    for split in ("train", "val"):
        (root / f"{split}.txt").write_text("".join(lines))
    model.save(root / "best.keras")
    return root, channels, model, counts.miou()


def score(toy, weights, model=network):
    root, channels, *_ = toy
    return evaluate(
        model=model, dataset=files(channels), weights=weights, data_root=root
    )


def test_scores_are_those_of_whole_numbers(toy):
    root, _, _, miou = toy
    # The model is made for the channels of the data set, which this file does not say.
    assert score(toy, root / "best.keras")["miou"] == pytest.approx(miou)


def test_exports_are_compared_on_such_images(toy, tmp_path, capsys):
    root, channels, _, miou = toy
    files_written = export(
        model=lambda num_classes: network(num_classes, **of_channels(channels)),
        weights=root / "best.keras",
        output_dir=tmp_path,
        classes=4,
        dataset=files(channels),
        data_root=root,
        formats=("onnx", "litert"),
        precisions=("float32", "int8"),
        size=SIZE,
    )
    assert "of 4 of toy val" in capsys.readouterr().out
    written = {path.name: path for path in files_written}
    for name in ("model_int8.onnx", "model_int8.tflite"):
        found = json.loads((tmp_path / f"{name}.deploy.json").read_text())
        assert found["certificate"]["model_miou"] == pytest.approx(miou)
    assert score(toy, written["model.onnx"])["miou"] == pytest.approx(miou)
    eight_bits = score(toy, written["model_int8.onnx"])["miou"]
    assert eight_bits == pytest.approx(miou, abs=0.01)


def test_weights_for_other_channels_are_refused_before_anything_runs(toy, tmp_path):
    root, channels, *_ = toy
    SMALLEST(num_classes=4).save(tmp_path / "rgb.keras")
    export_onnx(network(4), tmp_path / "rgb.onnx", classes=generic_class_set(4))
    says = f"takes 3-channel images, but those of toy have {channels}; set the data"
    for name in ("rgb.keras", "rgb.onnx"):
        for model in (SMALLEST, None):
            with pytest.raises(InputError, match=f"{name} {says}"):
                score(toy, tmp_path / name, model)
    with pytest.raises(InputError, match=f"The network {says}"):
        export(
            weights=tmp_path / "rgb.keras",
            output_dir=tmp_path / "out",
            classes=4,
            dataset=files(channels),
            data_root=root,
        )
    assert not (tmp_path / "out").exists()
