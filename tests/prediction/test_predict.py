"""The prediction run: which files come out, and what is in them."""

import json
import sys
from functools import partial

import keras
import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp import LRASPP
from keras_lraspp.__main__ import main
from keras_lraspp.classes import CITYSCAPES, CLASS_SETS, ClassSet
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.inference import picture_palette, with_legend
from keras_lraspp.models.keras_file import save_network
from keras_lraspp.prediction.predict import predict
from keras_lraspp.prediction.segmenter import Segmenter
from keras_lraspp.visualize import overlay

pytestmark = pytest.mark.usefixtures("few_blocks")

PALETTE = CLASS_SETS["camvid"].palette
LAID = picture_palette(CLASS_SETS["camvid"])
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
            np.array(picture), overlay(image, labels, LAID, 0.3)
        )


def test_the_weights_file_is_opened_twice_at_most(tmp_path):
    model, path = LRASPP(2, "small", 0.35, 32), tmp_path / "best.keras"
    save_network(model, path, ClassSet(("cat", "dog"), ((1, 2, 3), (4, 5, 6))))
    put(tmp_path / "street.png")
    openings = []

    def count(event, arguments):
        # With an opener there are two events; the second, os.open's, has no mode.
        opens = event == "open" and arguments[1] is not None
        if opens and str(arguments[0]) == str(path):
            openings.append(arguments)

    sys.addaudithook(count)  # cannot be taken away again, but sees no other file
    predict(
        model=partial(LRASPP, backbone="small", width=0.35, output_stride=32),
        weights=path,
        input_path=tmp_path / "street.png",
        output_dir=tmp_path / "out",
    )
    assert 1 <= len(openings) <= 2
    openings.clear()
    Segmenter(path)(tmp_path / "street.png")
    assert 1 <= len(openings) <= 2


def test_a_network_of_one_channel(tmp_path):
    model, image = LRASPP(1, "small", 0.35, 32), put(tmp_path / "street.png")
    rng = np.random.default_rng(0)
    last = model.get_layer("head_classes_conv")
    last.kernel.assign(rng.normal(size=last.kernel.shape))
    save_network(model, tmp_path / "best.keras", ClassSet(("car",), ((0, 99, 0),)))
    predict(
        weights=tmp_path / "best.keras",
        input_path=tmp_path / "street.png",
        output_dir=tmp_path / "out",
        legend=True,
    )
    expected = keras.ops.convert_to_numpy(model(image[None]))[0, ..., 0] > 0
    with Image.open(tmp_path / "out" / "street_labels.png") as labels:
        np.testing.assert_array_equal(np.asarray(labels), expected)
    with Image.open(tmp_path / "out" / "street_color.png") as color:
        colors = np.asarray(color.convert("RGB"))
    np.testing.assert_array_equal(colors, expected[..., None] * np.uint8([0, 99, 0]))


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
    with pytest.raises(InputError, match="no image, folder or video .*nowhere"):
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
    [
        ({"opacity": 2}, "opacity"),
        ({"precision": "float8"}, "float8"),
        ({"outputs": ["colors"]}, "predict.outputs .* not 'colors'"),
        ({"palette": "gone.json"}, "Cannot read gone.json"),
        ({"label_ids": True}, "Cityscapes' 19 classes; of these 11 the first is 'sky'"),
        ({"scales": ()}, "scales"),
    ],
)
def test_bad_arguments(trained, tmp_path, arguments, said):
    put(tmp_path / "a.png")
    with pytest.raises(InputError, match=said):
        run(trained, tmp_path / "a.png", tmp_path / "out", **arguments)


def test_a_list_with_a_missing_image(trained, tmp_path, capsys):
    put(tmp_path / "photos" / "a.png")
    (tmp_path / "list.txt").write_text("photos/a.png\nphotos/gone.png\n")
    with pytest.raises(InputError, match="1 of 2 images failed.*other 1"):
        run(trained, tmp_path / "list.txt", tmp_path / "out", outputs=["labels"])
    assert "photos/gone.png: No such file" in capsys.readouterr().err
    assert files_below(tmp_path / "out") == ["a_labels.png"]


def test_a_pattern(trained, tmp_path):
    for name in ("a/x.png", "b/x.png", "b/y.bmp"):
        put(tmp_path / "in" / name)
    run(trained, tmp_path / "in" / "**" / "*.png", tmp_path / "out", outputs=["color"])
    assert files_below(tmp_path / "out") == ["a/x_color.png", "b/x_color.png"]


def test_probabilities(trained, tmp_path):
    image = put(tmp_path / "street.png")
    outputs = ["labels", "probabilities"]
    (job,) = run(trained, tmp_path / "street.png", tmp_path / "out", outputs=outputs)
    kernel, bias = trained[0].get_weights()
    logits = (image @ kernel[0, 0] + bias).astype(np.float64)
    soft = np.exp(logits - logits.max(-1, keepdims=True))
    soft /= soft.sum(-1, keepdims=True)
    with np.load(job.probabilities, allow_pickle=False) as archive:
        assert sorted(archive) == ["classes", "palette", "probabilities"]
        probabilities = archive["probabilities"]
        assert archive["classes"].tolist() == [*CLASS_SETS["camvid"].names]
        assert archive["palette"].dtype == np.uint8
        assert archive["palette"].tolist() == [list(color) for color in PALETTE]
    assert probabilities.dtype == np.float16
    assert probabilities.shape == (12, 18, 11)
    np.testing.assert_allclose(probabilities, soft, atol=6e-4)
    with Image.open(job.labels) as picture:
        np.testing.assert_array_equal(picture, expected_labels(trained[0], image))


def test_label_ids(tmp_path):
    model = pixel_model(19, seed=3)
    model.save(tmp_path / "best.keras")
    image = put(tmp_path / "street.png")
    (job,) = run(
        (model, tmp_path / "best.keras"),
        tmp_path / "street.png",
        tmp_path / "out",
        classes="cityscapes",
        label_ids=True,
    )
    ids = {row.train_id: row.id for row in CITYSCAPES if 0 <= row.train_id < 19}
    train_ids = expected_labels(model, image)
    with Image.open(job.labels) as picture:
        labels = np.array(picture)
    np.testing.assert_array_equal(labels, np.vectorize(ids.get)(train_ids))
    with Image.open(job.color) as picture:  # colours belong to the class as before
        np.testing.assert_array_equal(
            np.array(picture.convert("RGB")),
            np.array(CLASS_SETS["cityscapes"].palette)[train_ids],
        )


def test_a_palette_of_ones_own_and_a_legend(trained, tmp_path):
    image = put(tmp_path / "street.png", size=(31, 400))
    colors = [(index, 99, 255 - index) for index in range(11)]
    (tmp_path / "p.json").write_text(json.dumps(colors))
    (job,) = run(
        trained,
        tmp_path / "street.png",
        tmp_path / "out",
        palette=tmp_path / "p.json",
        legend=True,
    )
    labels = expected_labels(trained[0], image)
    with Image.open(job.color) as picture:
        np.testing.assert_array_equal(
            np.array(picture.convert("RGB")), np.array(colors)[labels]
        )
    with Image.open(job.overlay) as picture:
        pixels = np.array(picture)
    laid = overlay(image, labels.astype(np.uint8), colors)
    np.testing.assert_array_equal(pixels[:31], laid)
    np.testing.assert_array_equal(
        pixels, with_legend(laid, labels, CLASS_SETS["camvid"].names, colors)
    )
    assert pixels.shape[1] == 400 and len(pixels) > 50


def test_both_palettes_by_name(trained, tmp_path):
    image = put(tmp_path / "street.png", size=(31, 40))
    labels = expected_labels(trained[0], image).astype(np.uint8)
    for name, colors in (("labels", PALETTE), ("pictures", LAID)):
        (job,) = run(trained, tmp_path / "street.png", tmp_path / "out", palette=name)
        with Image.open(job.color) as picture:
            painted = np.array(picture.convert("RGB"))
        np.testing.assert_array_equal(painted, np.array(colors)[labels])
        with Image.open(job.overlay) as picture:
            laid = overlay(image, labels, colors)
            np.testing.assert_array_equal(np.array(picture), laid)


def test_the_options_of_inference_are_passed_on(trained, tmp_path):
    """A window of the image's upper left, of a 1x1 network, changes nothing."""
    image = put(tmp_path / "street.png")
    (job,) = run(
        trained,
        tmp_path / "street.png",
        tmp_path / "out",
        outputs=["labels"],
        flip=True,
        sliding_window=(8, 8),
        stride=(5, 7),
    )
    with Image.open(job.labels) as picture:
        np.testing.assert_array_equal(picture, expected_labels(trained[0], image))


def test_a_full_disk_stops_it(trained, tmp_path, monkeypatch):
    for name in "abc":
        put(tmp_path / "in" / f"{name}.png")

    def full(self, *arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(StorageError, match="_labels.png: No space left on device"):
        run(trained, tmp_path / "in", tmp_path / "out")
    assert files_below(tmp_path / "out") == []


def test_ctrl_c_leaves_whole_files_only(trained, tmp_path, monkeypatch):
    for name in "abcdefgh":
        put(tmp_path / "in" / f"{name}.png")
    calls = []

    def interrupted(self, pixels):
        calls.append(pixels)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return np.zeros(pixels.shape[:2], np.uint8)

    monkeypatch.setattr(Segmenter, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(trained, tmp_path / "in", tmp_path / "out")
    files = [tmp_path / "out" / name for name in files_below(tmp_path / "out")]
    assert not [path for path in files if path.name.startswith(".")]
    for path in files:
        with Image.open(path) as picture:
            picture.load()


def test_without_a_configuration_the_file_names_network_and_classes(
    tmp_path, monkeypatch, capsys
):
    network = LRASPP(3, "small", 0.35, 32)
    classes = ClassSet(("road", "sky", "car"), ((9, 8, 7), (6, 5, 4), (3, 2, 1)))
    save_network(network, tmp_path / "best.keras", classes)
    image = put(tmp_path / "a" / "1.png")
    put(tmp_path / "b" / "1.png", seed=1)
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "a/1.png", "b/1.png", "--weights=best.keras"]) == 0
    out = tmp_path / "output" / "predictions"
    assert files_below(out) == [
        f"{folder}/1_{kind}.png" for folder in "ab" for kind in KINDS
    ]
    expected = Segmenter(network, classes)(image)
    labels = np.asarray(Image.open(out / "a" / "1_labels.png"))
    np.testing.assert_array_equal(labels, expected)
    color = np.asarray(Image.open(out / "a" / "1_color.png").convert("RGB"))
    np.testing.assert_array_equal(color, np.array(classes.palette)[expected])
    said, head, *rows = capsys.readouterr().out.splitlines()
    assert said == "2 images: labels, color, overlay in output/predictions"
    assert head.split() == ["class", "pixels", "images"]
    both = [np.asarray(Image.open(out / name / "1_labels.png")) for name in "ab"]
    largest = np.bincount(np.concatenate(both, None)).argmax()
    share = np.mean([part == largest for part in both])
    there = sum((part == largest).any() for part in both)
    found = [classes.names[largest], f"{100 * share:.1f}", "%", str(there)]
    assert rows[0].split() == found
    assert len(rows) == len(np.unique(both))
