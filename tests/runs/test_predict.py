"""The prediction run: which files come out, and what is in them."""

import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp.data.label_maps import CLASS_SETS
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.inference import overlay
from keras_lraspp.runs.predict import predict

PALETTE = CLASS_SETS["camvid"].palette
KINDS = ("color", "labels", "overlay")


def fresh(num_classes):
    return pixel_model(num_classes, seed=99)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    model = pixel_model(11, seed=3)
    path = tmp_path_factory.mktemp("trained") / "best.keras"
    model.save(path)
    return model, path


def run(trained, source, target, **arguments):
    arguments = {"classes": "camvid", **arguments}
    return predict(
        model=fresh,
        weights=trained[1],
        input_path=source,
        output_dir=target,
        **arguments,
    )


def put(path, seed=0, size=(12, 18)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = random_images(*size, seed=seed)
    Image.fromarray(image).save(path)
    return image


def files_below(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_three_pictures_of_one_image(trained, tmp_path):
    image = put(tmp_path / "street.png", size=(31, 33))
    (job,) = run(trained, tmp_path / "street.png", tmp_path / "out", opacity=0.3)
    assert files_below(tmp_path / "out") == [f"street_{kind}.png" for kind in KINDS]
    labels = expected_labels(trained[0], image)
    with Image.open(job.labels) as picture:
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.array(picture), labels)
    with Image.open(job.color) as picture:
        np.testing.assert_array_equal(
            np.array(picture.convert("RGB")), np.array(PALETTE)[labels]
        )
    with Image.open(job.overlay) as picture:
        np.testing.assert_array_equal(
            np.array(picture), overlay(image, labels, PALETTE, 0.3)
        )


def test_a_folder_is_mirrored(trained, tmp_path):
    source, target = tmp_path / "in", tmp_path / "in" / "results"
    images = {
        name: put(source / name, seed)
        for seed, name in enumerate(["b.png", "a/x.png", "a/x.bmp", "a/deep/y.PNG"])
    }
    (source / "a" / "notes.txt").write_text("no image")
    put(source / ".hidden.png")
    names = ["b", "a/x.png", "a/x.bmp", "a/deep/y"]
    expected = sorted(f"{name}_{kind}.png" for name in names for kind in KINDS)
    for _ in range(2):  # results of the first run are not the input of the second
        run(trained, source, target)
        assert files_below(target) == expected
    for name, base in zip(images, names, strict=True):
        with Image.open(target / f"{base}_labels.png") as picture:
            np.testing.assert_array_equal(
                np.array(picture), expected_labels(trained[0], images[name])
            )


def test_one_bad_image_among_many(trained, tmp_path, capsys):
    for name in ("a.png", "c.png"):
        put(tmp_path / "in" / name)
    (tmp_path / "in" / "b.jpg").write_text("<html>")
    with pytest.raises(InputError, match="1 of 3 images failed.*other 2"):
        run(trained, tmp_path / "in", tmp_path / "out")
    assert "b.jpg" in capsys.readouterr().err
    expected = [f"{name}_{kind}.png" for name in "ac" for kind in KINDS]
    assert files_below(tmp_path / "out") == expected


def test_more_than_256_classes(tmp_path):
    model = pixel_model(300, seed=3)
    model.save(tmp_path / "best.keras")
    image = put(tmp_path / "street.png")
    (job,) = run(
        (model, tmp_path / "best.keras"),
        tmp_path / "street.png",
        tmp_path / "out",
        classes=300,
    )
    with Image.open(job.labels) as picture:
        labels = np.array(picture)
    np.testing.assert_array_equal(labels, expected_labels(model, image))


def test_inputs_are_never_overwritten(trained, tmp_path):
    put(tmp_path / "a.png")
    before = put(tmp_path / "a_labels.png")
    with pytest.raises(InputError, match="a_labels.png would overwrite"):
        run(trained, tmp_path, tmp_path)
    with Image.open(tmp_path / "a_labels.png") as picture:
        np.testing.assert_array_equal(np.array(picture), before)


def test_nothing_to_do(trained, tmp_path):
    with pytest.raises(InputError, match="no image or folder .*nowhere"):
        run(trained, tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image in .*empty"):
        run(trained, tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(trained, tmp_path):
    put(tmp_path / "a.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        run(trained, tmp_path / "a.png", tmp_path / "file")


@pytest.mark.parametrize(
    "arguments, said",
    [({"opacity": 2}, "opacity"), ({"precision": "float8"}, "float8")],
)
def test_bad_arguments(trained, tmp_path, arguments, said):
    put(tmp_path / "a.png")
    with pytest.raises(InputError, match=said):
        run(trained, tmp_path / "a.png", tmp_path / "out", **arguments)
