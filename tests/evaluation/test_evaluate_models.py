"""Exported files in the runs that take weights: evaluate and predict."""

from functools import partial

import keras
import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp import LRASPP
from keras_lraspp.classes import ClassSet, generic_class_set
from keras_lraspp.data import FileList
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.evaluate import evaluate
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.export.saved_model import export_saved_model
from keras_lraspp.models.keras_file import find_classes, save_network
from keras_lraspp.prediction.predict import predict
from keras_lraspp.prediction.predictors import open_predictor

CLASSES = ClassSet(("road", "sky", "car", "tree"), generic_class_set(4).palette)


def no_model(num_classes):
    raise AssertionError("an exported file needs no Keras model")


def files(root, split):
    return FileList(root, split, classes=CLASSES.names, name="toy")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Three labelled images of two sizes, a model's file and two exports of it."""
    root, model = tmp_path_factory.mktemp("toy"), pixel_model(4, seed=3)
    rng = np.random.default_rng(0)
    lines = []
    for index, size in enumerate([(20, 30), (20, 30), (17, 9)]):
        image = random_images(*size, seed=index)
        guess = expected_labels(model, image)
        labels = np.where(rng.random(size) < 0.7, guess, rng.integers(0, 4, size))
        Image.fromarray(image).save(root / f"{index}.png")
        Image.fromarray(labels.astype(np.uint8)).save(root / f"{index}_label.png")
        lines.append(f"{index}.png {index}_label.png")
    (root / "val.txt").write_text("\n".join(lines))
    model.save(root / "best.keras")
    export_onnx(model, root / "model.onnx", classes=CLASSES)
    export_saved_model(model, root / "served", classes=CLASSES)
    return root, model


def score(root, weights, model=no_model, **arguments):
    return evaluate(
        model=model,
        dataset=files,
        weights=root / weights,
        data_root=root,
        **arguments,
    )


def test_an_export_scores_as_its_model(toy):
    root, _ = toy
    expected = score(root, "best.keras", pixel_model)
    for weights in ("model.onnx", "served/1"):
        found = score(root, weights)
        assert found["miou"] == expected["miou"]
        assert found["class_iou"] == expected["class_iou"]
        assert found["weights"] == str(root / weights)


def test_an_export_beside_its_model(toy):
    root, _ = toy
    compare = {"compare": root / "model.onnx"}
    found = score(root, "best.keras", pixel_model, **compare)
    assert found["compare"]["miou"] == found["miou"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"flip": True}, "sees the image once"),
        ({"scales": (0.5,)}, "sees the image once"),
        ({"protocol": "published"}, "give the .keras file"),
    ],
)
def test_an_export_has_one_pass(toy, arguments, said):
    with pytest.raises(InputError, match=said):
        score(toy[0], "model.onnx", **arguments)


def test_other_classes_are_refused(toy, tmp_path):
    export_onnx(pixel_model(5), tmp_path / "five.onnx")
    with pytest.raises(InputError, match="predicts 5 classes, not 4"):
        score(toy[0], tmp_path / "five.onnx")


def test_the_classes_are_those_of_the_file(toy, tmp_path):
    root, _ = toy
    assert open_predictor(root / "model.onnx").classes == CLASSES
    assert open_predictor(root / "served" / "1").classes == CLASSES
    assert find_classes(3, root / "model.onnx") == generic_class_set(3)
    export_onnx(pixel_model(5), tmp_path / "nameless.onnx")
    with pytest.raises(
        InputError, match="does not say what its classes are; name them"
    ):
        find_classes(None, tmp_path / "nameless.onnx")
    with pytest.raises(InputError, match="none.onnx"):
        find_classes(None, tmp_path / "none.onnx")


@pytest.mark.parametrize("weights", ["model.onnx", "served/1"])
def test_predictions_of_an_export(toy, tmp_path, weights):
    root, model = toy
    (job,) = predict(
        model=no_model,
        weights=root / weights,
        input_path=root / "2.png",
        output_dir=tmp_path,
    )
    expected = expected_labels(model, random_images(17, 9, seed=2))
    np.testing.assert_array_equal(np.asarray(Image.open(job.labels)), expected)
    colors = np.array(CLASSES.palette)[expected]
    np.testing.assert_array_equal(
        np.asarray(Image.open(job.color).convert("RGB")), colors
    )


def in_order(*names):
    return lambda root, split: FileList(root, split, classes=names, name="toy")


@pytest.mark.parametrize("weights", ["model.onnx", "served/1", "trained.keras"])
def test_classes_in_another_order_are_refused(toy, weights):
    root, model = toy
    save_network(model, root / "trained.keras", CLASSES)
    settings = {"model": pixel_model, "weights": root / weights, "data_root": root}
    swapped = in_order("sky", "road", "car", "tree")
    with pytest.raises(InputError, match="0 is 'road' there and 'sky' here, 1 is"):
        evaluate(dataset=swapped, **settings)
    with pytest.warns(UserWarning, match="differ: 3 is 'tree' there and 'bus'"):
        evaluate(dataset=in_order("road", "sky", "car", "bus"), **settings)
    numbers = partial(FileList, num_classes=4, name="toy")
    assert evaluate(dataset=numbers, **settings)["num_images"] == 3


@pytest.mark.parametrize("weights", ["model.onnx", "trained.keras"])
def test_names_in_another_order_are_not_predicted(toy, weights, tmp_path):
    root, model = toy
    save_network(model, root / "trained.keras", CLASSES)
    with pytest.raises(InputError, match="predict.classes differ: 0 is 'road'"):
        predict(
            model=pixel_model,
            weights=root / weights,
            input_path=root / "0.png",
            output_dir=tmp_path,
            classes=("sky", "road", "car", "tree"),
        )


def test_a_network_of_one_channel_scores_two_classes(tmp_path):
    network, rng = LRASPP(1, "small", 0.35, 32), np.random.default_rng(1)
    last = network.get_layer("head_classes_conv")
    last.kernel.assign(rng.normal(size=last.kernel.shape))
    network.save(tmp_path / "best.keras")
    image = random_images(40, 50)
    found = keras.ops.convert_to_numpy(network(image[None]))[0, ..., 0] > 0
    labels = np.where(rng.random(found.shape) < 0.6, found, ~found)
    Image.fromarray(image).save(tmp_path / "0.png")
    Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "0_label.png")
    (tmp_path / "val.txt").write_text("0.png 0_label.png")

    scores = evaluate(
        dataset=partial(FileList, classes=["background", "car"]),
        weights=tmp_path / "best.keras",
        data_root=tmp_path,
    )
    present = [c for c in (0, 1) if (found == c).any() or (labels == c).any()]
    expected = [
        ((found == c) & (labels == c)).sum() / ((found == c) | (labels == c)).sum()
        for c in present
    ]
    assert len(present) == 2
    assert scores["miou"] == pytest.approx(np.mean(expected))
