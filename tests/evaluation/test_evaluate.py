"""The evaluation run against loops over pixels."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp.data import FileList, evaluation_batches
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.evaluation.evaluate import evaluate
from keras_lraspp.evaluation.loop import evaluate_model
from keras_lraspp.metrics import ConfusionMatrix

NAMES = ("road", "sky", "car", "tree", "ghost")


def fresh(num_classes):
    return pixel_model(num_classes, seed=99)


def files(root, split):
    return FileList(root, split, classes=NAMES, name="toy")


@pytest.fixture
def toy(tmp_path):
    """A set of three images of two sizes; the labels are partly the model's own."""
    model = pixel_model(5, seed=3)
    kernel, bias = model.get_weights()
    bias[4] = -100_000  # never predicted, never in the labels
    model.set_weights([kernel, bias])
    model.save(tmp_path / "best.keras")
    rng = np.random.default_rng(0)
    lines, pairs = [], []
    for index, size in enumerate([(20, 30), (20, 30), (17, 9)]):
        image = random_images(*size, seed=index)
        guess = expected_labels(model, image)
        labels = np.where(rng.random(size) < 0.7, guess, rng.integers(0, 4, size))
        labels[:3] = 255
        Image.fromarray(image).save(tmp_path / f"{index}.png")
        Image.fromarray(labels.astype(np.uint8)).save(tmp_path / f"{index}_label.png")
        lines.append(f"{index}.png {index}_label.png")
        pairs.append((labels.ravel(), guess.ravel()))
    (tmp_path / "val.txt").write_text("\n".join(lines))
    (tmp_path / "test.txt").write_text("0.png\n1.png")
    return tmp_path, [np.concatenate(part) for part in zip(*pairs, strict=True)]


def run(root, **arguments):
    return evaluate(
        model=fresh,
        dataset=files,
        weights=root / "best.keras",
        data_root=root,
        **arguments,
    )


def test_scores_table_and_json(toy, capsys):
    root, (labels, guess) = toy
    paths = {"json_path": root / "deep" / "scores.json", "confusion_path": root / "cm"}
    scores = run(root, **paths)
    valid = labels != 255
    ious = {}
    for label, name in enumerate(NAMES[:4]):
        true, found = (labels == label) & valid, (guess == label) & valid
        ious[name] = (true & found).sum() / (true | found).sum()
    assert scores["class_iou"] == pytest.approx(ious | {"ghost": None})
    assert scores["miou"] == pytest.approx(np.mean(list(ious.values())))
    assert scores["pixel_accuracy"] == pytest.approx((labels == guess)[valid].mean())
    assert 0.3 < scores["miou"] < 0.9
    assert (scores["num_images"], scores["dataset"]) == (3, "toy")
    assert (scores["split"], scores["absent_classes"]) == ("val", "omit")
    assert json.loads((root / "deep" / "scores.json").read_text()) == scores

    printed = capsys.readouterr().out
    for name, iou in ious.items():
        assert f"{name:<5}{iou:>11.4f}" in printed
    assert "ghost     absent          -          -" in printed
    low, high = scores["miou_interval"]
    assert low <= scores["miou"] <= high
    assert f"{scores['miou']:.4f}  (95 % interval over images {low:.4f} to" in printed
    assert "4 of 5 present; absent ones are left out" in printed

    rows = (root / "cm.csv").read_text().splitlines()
    assert rows[0] == "true class,road,sky,car,tree,ghost"
    counts = [[int(n) for n in row.split(",")[1:]] for row in rows[1:]]
    assert np.sum(counts) == valid.sum()
    assert np.trace(counts) == (labels == guess)[valid].sum()
    with Image.open(root / "cm.png") as picture:
        assert picture.mode == "RGB"


def test_absent_classes_may_count_as_one(toy):
    root, _ = toy
    omitted, counted = run(root), run(root, absent="one")
    assert counted["miou"] == pytest.approx((4 * omitted["miou"] + 1) / 5)
    assert counted["absent_classes"] == "one"


def test_mixed_precision_is_used_and_undone(toy):
    root, _ = toy
    seen = []

    def factory(num_classes):
        seen.append(keras.config.dtype_policy().name)
        return fresh(num_classes)

    evaluate(
        model=factory,
        dataset=files,
        weights=root / "best.keras",
        data_root=root,
        precision="mixed_bfloat16",
    )
    assert seen == ["mixed_bfloat16"]
    assert keras.config.dtype_policy().name == "float32"


def test_faults(toy):
    root, _ = toy
    with pytest.raises(InputError, match="none"):
        run(root / "none")
    with pytest.raises(InputError, match="test split of toy has no labels"):
        run(root, split="test")
    with pytest.raises(InputError, match="absent"):
        run(root, absent="zero")
    with pytest.raises(StorageError, match="scores.json"):
        run(root, json_path=root / "val.txt" / "scores.json")
    with pytest.raises(StorageError, match="cm.csv"):
        run(root, confusion_path=root / "val.txt" / "cm")
    Image.fromarray(np.full((20, 30), 7, np.uint8)).save(root / "1_label.png")
    with pytest.raises(InputError, match="7"):
        run(root)


def test_a_file_that_breaks_later_is_named(toy):
    root, _ = toy
    batches = evaluation_batches(files(root, "val"))
    (root / "1.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="1.png"):
        evaluate_model(
            lambda images: images.numpy()[..., 0] % 5, batches, ConfusionMatrix(5)
        )
