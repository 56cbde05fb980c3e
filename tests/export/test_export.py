"""The export run: what it makes, what it says of it, and what faults leave behind."""

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp import LRASPP, Segmenter
from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.data import Cityscapes, FileList
from keras_lraspp.errors import InputError
from keras_lraspp.export import parity as export_images
from keras_lraspp.export.export import export
from keras_lraspp.export.parity import ParityError
from keras_lraspp.export.runtimes import open_exported

CAMVID = CLASS_SETS["camvid"]
SIZE = (20, 30)
LITERT = {"formats": ("litert",), "size": SIZE}


def fresh(num_classes):
    return pixel_model(num_classes, seed=99)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    model = pixel_model(11, seed=3)
    path = tmp_path_factory.mktemp("trained") / "best.keras"
    model.save(path)
    return model, path


def run(trained, folder, **arguments):
    arguments = {"classes": "camvid", **arguments}
    return export(model=fresh, weights=trained[1], output_dir=folder, **arguments)


def camvid(root: Path, split: str) -> FileList:
    return FileList(root, split, classes="camvid", name="toy")


@pytest.fixture
def toy(trained, tmp_path):
    """A data set whose labels are the model's own, at twice the exported size."""
    root = tmp_path / "toy"
    root.mkdir()
    for split in ("train", "val"):
        lines = []
        for index in range(3):
            image = random_images(2 * SIZE[0], 2 * SIZE[1], seed=index)
            labels = expected_labels(trained[0], image).astype("uint8")
            for name, pixels in (("image", image), ("label", labels)):
                Image.fromarray(pixels).save(root / f"{split}{index}_{name}.png")
            lines.append(f"{split}{index}_image.png {split}{index}_label.png\n")
        (root / f"{split}.txt").write_text("".join(lines))
    return root


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_default_is_a_saved_model_of_the_weights_in_the_file(trained, tmp_path):
    (folder,) = run(trained, tmp_path / "served", version=2)
    assert folder == tmp_path / "served" / "2"
    assert names(folder.parent) == ["2", "2.deploy.json"]
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    images = random_images(1, 20, 30)
    labels = signature(image=tf.constant(images))["labels"]
    np.testing.assert_array_equal(labels, expected_labels(trained[0], images))


def test_every_format_gives_the_models_labels(
    trained, toy, tmp_path, capsys, monkeypatch
):
    # A single layer of random weights on noise loses more than networks do.
    monkeypatch.setattr(export_images, "LARGEST_LOSS", 0.03)
    paths = run(
        trained,
        tmp_path / "served",
        dataset=camvid,
        data_root=toy,
        formats=("saved_model", "onnx", "litert"),
        size=SIZE,
        outputs=("labels", "logits"),
        precisions=("float32", "float16", "dynamic", "int8"),
    )
    assert [path.name for path in paths] == [
        "1",
        "model.onnx",
        "model_int8.onnx",
        "model.tflite",
        "model_float16.tflite",
        "model_dynamic.tflite",
        "model_int8.tflite",
    ]
    assert names(tmp_path / "served") == sorted(
        name for path in paths for name in (path.name, path.name + ".deploy.json")
    )
    images = random_images(1, *SIZE, seed=7)
    expected = expected_labels(trained[0], images)
    said = capsys.readouterr().out.splitlines()
    for path, line in zip(paths, said, strict=True):
        deploy = json.loads(path.with_name(path.name + ".deploy.json").read_text())
        exported = open_exported(path)
        quantized = deploy["precision"] in ("dynamic", "int8")
        agreement = np.mean(exported.labels(images) == expected)
        assert agreement >= (0.95 if quantized else 0.999), path
        assert line.startswith(f"{path.name}: {deploy['format']} ")
        check_deploy(deploy, path, exported, trained[1])
        assert ("certificate" in deploy) == quantized
        if quantized:
            check_certificate(deploy["certificate"])


def check_deploy(deploy: dict, path: Path, exported, weights: Path) -> None:
    """Compares a `deploy.json` with the file itself."""
    assert deploy["name"] == path.name
    assert tuple(deploy["classes"]) == exported.classes.names == CAMVID.names
    assert tuple(map(tuple, deploy["palette"])) == CAMVID.palette
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    sums = {
        str(file.relative_to(path if path.is_dir() else path.parent)): hashlib.sha256(
            file.read_bytes()
        ).hexdigest()
        for file in files
    }
    assert deploy["sha256"] == sums
    assert deploy["weights"] == {
        "name": "best.keras",
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    assert deploy["versions"]["tensorflow"] == tf.__version__
    parity = deploy["parity"]
    assert parity["given_images"] == 3 and deploy["parity_images"] == "toy val"
    assert parity["sizes"] == [list(SIZE)] * 4
    assert parity["max_logit_difference"] is not None
    contract = deploy["contract"]
    if deploy["format"] == "saved_model":
        contract = contract["signatures"]["serving_default"]
    batch = 1 if deploy["format"] == "litert" else None
    assert contract["inputs"]["image"]["shape"] == [batch, *SIZE, 3]
    assert contract["outputs"]["labels"]["shape"] == [batch, *SIZE]


def check_certificate(certificate: dict) -> None:
    """The labels are the model's own at full size, so that it scores well."""
    assert (certificate["dataset"], certificate["split"]) == ("toy", "val")
    assert certificate["images"] == 3
    change = certificate["miou"] - certificate["model_miou"]
    assert certificate["miou_change"] == pytest.approx(change)
    assert certificate["model_miou"] > 0.3 and abs(change) <= 0.03


def test_the_contract_is_that_of_the_files(trained, tmp_path):
    import onnxruntime

    _, onnx = run(
        trained,
        tmp_path,
        formats=("saved_model", "onnx"),
        outputs=("labels", "probabilities"),
    )
    contract = json.loads((tmp_path / "model.onnx.deploy.json").read_text())["contract"]
    session = onnxruntime.InferenceSession(onnx)
    kinds = {"uint8": "uint8", "int32": "int32", "float32": "float"}
    for kind, found in (
        ("inputs", session.get_inputs()),
        ("outputs", session.get_outputs()),
    ):
        assert {row.name: row.type for row in found} == {
            name: f"tensor({kinds[row['dtype']]})"
            for name, row in contract[kind].items()
        }
        for row in found:
            shape = [side if isinstance(side, int) else None for side in row.shape]
            assert shape == contract[kind][row.name]["shape"]
    contract = json.loads((tmp_path / "1.deploy.json").read_text())["contract"]
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    assert set(contract["signatures"]) == set(loaded.signatures)
    for name, row in contract["signatures"].items():
        signature = loaded.signatures[name]
        inputs = signature.structured_input_signature[1]
        for said, found in (
            (row["inputs"], inputs),
            (row["outputs"], signature.structured_outputs),
        ):
            assert {key: value["dtype"] for key, value in said.items()} == {
                key: value.dtype.name for key, value in found.items()
            }
            for key, value in said.items():
                rank = found[key].shape.rank
                assert rank is None or rank == len(value["shape"])


def test_without_a_data_set_drawn_images_are_compared(trained, tmp_path, capsys):
    def missing(split):
        raise InputError("It is not there.")

    run(trained, tmp_path, dataset=missing, formats=("onnx",))
    assert "2 drawn images" in capsys.readouterr().out
    deploy = json.loads((tmp_path / "model.onnx.deploy.json").read_text())
    assert deploy["parity_images"] == "drawn only"
    assert deploy["parity"]["given_images"] == 0
    with pytest.raises(InputError, match="--data_root needs the data set"):
        run(trained, tmp_path / "b", dataset=camvid, data_root=tmp_path)


@pytest.mark.parametrize("precision", ["dynamic", "int8"])
def test_quantized_files_need_the_data_set(trained, tmp_path, precision):
    arguments = {"formats": ("litert",), "size": SIZE, "precisions": (precision,)}
    with pytest.raises(InputError, match="needs a data set; name it with --dataset"):
        run(trained, tmp_path / "s", **arguments)
    with pytest.raises(InputError, match=f"precision={precision} needs the data set"):
        run(
            trained, tmp_path / "s", dataset=camvid, data_root=tmp_path / "no",
            **arguments,
        )  # fmt: skip
    assert not (tmp_path / "s").exists()


def test_a_second_format_that_drifts_leaves_nothing_of_the_first(
    trained, tmp_path, monkeypatch
):
    from keras_lraspp.export import onnx

    check = onnx.check_parity
    monkeypatch.setattr(
        onnx,
        "check_parity",
        lambda model, labels, *rest, **more: check(
            model, lambda image: 10 - labels(image), *rest, **more
        ),
    )
    with pytest.raises(ParityError, match="nothing was exported") as caught:
        run(trained, tmp_path, formats=("saved_model", "onnx"))
    assert f"{tmp_path / 'model.onnx'}" in str(caught.value)
    assert caught.value.exit_code != 0
    assert not list(tmp_path.iterdir())


def test_int8_that_loses_too_much_leaves_nothing(trained, toy, tmp_path, monkeypatch):
    monkeypatch.setattr(export_images, "LARGEST_LOSS", -1.0)  # wants one that gains
    with pytest.raises(ParityError, match="mIoU of .* where the Keras model has"):
        run(
            trained, tmp_path / "s", dataset=camvid, data_root=toy, size=SIZE,
            formats=("litert",), precisions=("float32", "int8"),
        )  # fmt: skip
    assert not list((tmp_path / "s").iterdir())


def test_what_is_there_is_replaced_only_on_demand(trained, tmp_path):
    formats = ("saved_model", "onnx")
    run(trained, tmp_path, formats=formats)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for format_name, said in (("saved_model", "another version"), ("onnx", "folder")):
        with pytest.raises(InputError, match=f"is there already.*{said}"):
            run(trained, tmp_path, formats=(format_name,))
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    (tmp_path / "1" / "stale").write_text("")
    run(trained, tmp_path, formats=formats, overwrite=True)
    assert not (tmp_path / "1" / "stale").exists()
    assert names(tmp_path) == ["1", "1.deploy.json", "model.onnx", "model.onnx.deploy.json"]  # fmt: skip  # noqa: E501


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"formats": ("litert",)}, "give --size=HEIGHTxWIDTH"),
        ({"formats": ("onnx", "coreml")}, "--format is some of"),
        ({"formats": ()}, "--format is some of"),
        ({"precisions": ("int8",)}, "int8 is of litert and onnx; add one"),
        ({"formats": ("onnx",), "precisions": ("float16",)}, "float16 is of litert;"),
        ({**LITERT, "precisions": ("int4",)}, "--precision"),
        ({"outputs": ("labels", "masks")}, "masks"),
        ({"parity_images": -1}, "parity_images"),
        ({"calibration_images": 0}, "calibration_images"),
        ({"certificate_images": 0}, "certificate_images"),
        ({"version": 0}, "version"),
    ],
)  # fmt: skip
def test_bad_arguments(trained, tmp_path, arguments, said):
    with pytest.raises(InputError, match=said):
        run(trained, tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


def test_missing_weights(tmp_path):
    with pytest.raises(InputError, match="none.keras"):
        run((None, tmp_path / "none.keras"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_half_precision_that_says_no_classes(tmp_path):
    """Written in float32, with the classes of the data set, which is not there."""
    network = LRASPP(19, "small", 0.35, 32, dtype="bfloat16")
    network.save(tmp_path / "plain.keras")
    (path,) = export(
        model=partial(LRASPP, backbone="small", width=0.35, output_stride=32),
        weights=tmp_path / "plain.keras",
        output_dir=tmp_path / "out",
        dataset=Cityscapes,
        formats=("onnx",),
        size=(64, 64),
    )
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")
    exported = Segmenter(path)
    assert exported.classes == CLASS_SETS["cityscapes"]
    assert (exported(image) == Segmenter(network)(image)).mean() > 0.97
