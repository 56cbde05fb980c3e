"""Data sets of TensorFlow Datasets: mocked ones, and one that is really prepared."""

import dataclasses
import io
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from harness.image_files import classes, exif_with, noise, palette_image
from harness.mutations import mutate_json
from keras_lraspp.data import TFDS, Samples, check_dataset, evaluation_batches
from keras_lraspp.data.label_spec import label_dtype
from keras_lraspp.data.pipeline import training_batches
from keras_lraspp.errors import InputError
from keras_lraspp.images import DamagedFileError

SIZE = (6, 8)
CLASSES = 5
NAMES = [f"thing {label}" for label in range(CLASSES)]
EXAMPLES = {"train": 7, "validation": 3}


class ToyStreets(tfds.core.GeneratorBasedBuilder):
    """Palette masks, as VOC's, with 255 among them."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "mask": tfds.features.LabeledImage(labels=NAMES, shape=(None, None, 1)),
            "number": tfds.features.Scalar(np.int64),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in EXAMPLES}

    def _generate_examples(self, split):
        folder = self.data_path.parent
        for index in range(EXAMPLES[split]):
            image, mask = example(split, index)
            paths = folder / f"{split}{index}.png", folder / f"{split}{index}_mask.png"
            Image.fromarray(image).save(paths[0])
            palette_image(mask).save(paths[1])
            yield index, {
                "image": str(paths[0]), "mask": str(paths[1]), "number": index
            }  # fmt: skip


def example(split, index):
    seed = 100 * len(split) + index
    mask = classes(*SIZE, CLASSES, seed=seed)
    mask[0, :2] = 255
    return noise(*SIZE, seed=seed), mask


@pytest.fixture(scope="module", params=["tfrecord", "array_record"])
def prepared(request, tmp_path_factory):
    """Folder of the toy data set in one of the formats."""
    folder = tmp_path_factory.mktemp(request.param)
    builder = ToyStreets(data_dir=str(folder), file_format=request.param)
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    return folder


def open_toy(folder, split="train", **settings):
    return TFDS(folder, split, name="toy_streets", label="mask", **settings)


def identity(image, label, seed):
    return image, label


def test_every_record_is_there_and_what_it_was(prepared):
    for split, own in (("train", "train"), ("val", "validation")):
        samples = open_toy(prepared, split)
        assert isinstance(samples, Samples)
        assert (len(samples), samples.num_classes) == (EXAMPLES[own], CLASSES)
        assert samples.classes.names == tuple(NAMES)
        found = [samples.load(index) for index in range(len(samples))]
        images = {np.asarray(image).tobytes(): label for image, label in found}
        for index in range(EXAMPLES[own]):  # TFDS shuffles when it writes
            image, mask = example(own, index)
            np.testing.assert_array_equal(images[image.tobytes()], mask)
        assert samples.size(0) == SIZE
        assert found[0][1].dtype == label_dtype(samples) == np.uint8


def test_parts_of_splits(prepared):
    whole, tail = open_toy(prepared), open_toy(prepared, train_split="train[5:]")
    assert len(tail) == 2
    for index in range(2):
        expected = np.asarray(whole.load(5 + index)[0])
        np.testing.assert_array_equal(tail.load(index)[0], expected)
    chosen = whole.select([6, 2]).select([1])
    np.testing.assert_array_equal(chosen.load(0)[0], np.asarray(whole.load(2)[0]))
    assert chosen.source(0) == whole.source(2) and len(chosen) == 1
    assert len(open_toy(prepared, "val", val_split="train[:1]")) == 1


def test_training_resumes_at_any_step(prepared):
    samples = open_toy(prepared)
    settings = {"transform": identity, "batch_size": 2, "seed": 3}
    stream = [
        [part.numpy() for part in batch]
        for batch in training_batches(samples, **settings).take(6)
    ]
    resumed = training_batches(samples, **settings, start_step=4).take(2)
    for batch, (images, labels) in zip(resumed, stream[4:], strict=True):
        np.testing.assert_array_equal(batch[0], images)
        np.testing.assert_array_equal(batch[1], labels)
    first_epoch = {image.tobytes() for images, _ in stream[:3] for image in images}
    assert len(first_epoch) == 6
    batches = list(evaluation_batches(open_toy(prepared, "val"), batch_size=2))
    assert [images.shape[0] for images, _ in batches] == [2, 1]


def test_the_checks_look_at_every_record(prepared):
    samples = open_toy(prepared)
    assert check_dataset(samples) is samples
    narrow = open_toy(prepared, num_classes=3)
    with pytest.raises(InputError, match=r"neither a class \(0\.\.2\) "):
        check_dataset(narrow)


def test_what_cannot_be_opened_is_said(prepared, tmp_path):
    with pytest.raises(InputError, match="cannot open 'no_such_streets'.*TFDS.name"):
        TFDS(prepared, name="no_such_streets")
    with pytest.raises(
        InputError, match=r"features \['image', 'mask', 'number'\].*None"
    ):
        TFDS(prepared, name="toy_streets")
    with pytest.raises(InputError, match="'picture'; set TFDS.image"):
        TFDS(prepared, name="toy_streets", image="picture", label="mask")
    with pytest.raises(InputError, match="'number' of toy_streets is Scalar.*, not an"):
        TFDS(prepared, name="toy_streets", image="number", label="mask")
    with pytest.raises(InputError, match=r"splits \['train', 'validation'\]; 'extra'"):
        open_toy(prepared, "extra")
    with pytest.raises(InputError, match="not prepared in .*TFDS.download = True"):
        open_toy(tmp_path, download=False)


def test_a_damaged_record_is_named(prepared):
    samples = open_toy(prepared)
    records = [samples.records[index] for index in range(2)]
    cut = samples.features.serialize_example(
        {"image": noise(*SIZE), "mask": np.zeros((*SIZE, 1), np.uint8)}
    )
    broken = cut.replace(b"IDAT", b"IDOT")
    object.__setattr__(samples, "records", [*records, broken, b"\xff\xff"])
    with pytest.raises(DamagedFileError, match="toy_streets train record 2 image"):
        samples.load(2)
    with pytest.raises(InputError, match="toy_streets train record 3 is damaged"):
        samples.load(3)


def serialized(builder, *examples):
    """Records of a builder, as `mock_data` takes them."""
    features = builder.info.features
    return [
        features.serialize_example(features.encode_example(one)) for one in examples
    ]


def mocked(name, example):
    """A data set whose only record is this one."""
    rest = {
        "oxford_iiit_pet": {"label": 0, "species": 0, "file_name": "a"},
        "scene_parse150": {},
    }[name]

    def source(self, split, **options):
        own = {key: value for key, value in rest.items() if key in self.info.features}
        if "head_bbox" in self.info.features:
            own["head_bbox"] = tfds.features.BBox(0.0, 0.0, 1.0, 1.0)
        return serialized(self, {**own, **example})

    return tfds.testing.mock_data(as_data_source_fn=source)


def test_cityscapes_of_tfds():
    with tfds.testing.mock_data(num_examples=2):
        samples = TFDS("anywhere", name="cityscapes", file_format="array_record")
        assert (len(samples), samples.num_classes) == (2, 19)
        image, label = samples.load(1)
        raw = samples.features.deserialize_example(samples.records[1])
    assert image.shape == (1024, 2048, 3)
    ids = raw["segmentation_label"].numpy()[..., 0]
    assert (label[ids == 7] == 0).all() and (label[ids == 33] == 18).all()
    assert (label[ids == 40] == 255).all()
    np.testing.assert_array_equal(image, raw["image_left"])


def test_pets_of_tfds():
    trimap = np.array([[1, 2, 3], [3, 2, 1]], np.uint8)
    image = noise(2, 3)
    with mocked(
        "oxford_iiit_pet", {"image": image, "segmentation_mask": trimap[..., None]}
    ):
        samples = TFDS(name="oxford_iiit_pet", file_format="array_record")
        assert samples.classes.names == ("pet", "background", "border")
        assert samples.load(0)[1].tolist() == (trimap - 1).tolist()


def test_scene_parsing_of_tfds():
    annotation = np.zeros((2, 3, 3), np.uint8)
    annotation[..., 0] = [[0, 1, 100], [50, 0, 2]]
    annotation[..., 1] = 7  # the instance
    path_free = {"image": noise(2, 3), "annotation": annotation}
    with mocked("scene_parse150", path_free):
        samples = TFDS(name="scene_parse150", file_format="array_record")
        assert samples.load(0)[1].tolist() == [[255, 0, 99], [49, 255, 1]]


def test_a_mask_that_is_a_tensor():
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "mask": tfds.features.Tensor(shape=(2, 3), dtype=np.int32),
        }
    )
    mask = np.array([[0, 1, 2], [2, 1, 0]], np.int32)
    record = features.serialize_example(
        features.encode_example({"image": noise(2, 3), "mask": mask})
    )
    with mocked("scene_parse150", {"image": noise(2, 3), "annotation": noise(2, 3)}):
        samples = TFDS(name="scene_parse150", file_format="array_record")
    for field, value in (
        ("records", [record]), ("features", features), ("label", "mask"),
        ("label_lookup", None), ("label_channel", None),
    ):  # fmt: skip
        object.__setattr__(samples, field, value)
    assert samples.load(0)[1].tolist() == mask.tolist()


@pytest.mark.parametrize("name", ["toy_streets", "unknown_streets"])
def test_a_foreign_folder_imports_nothing(prepared, tmp_path, monkeypatch, name):
    # One that TFDS knows by its code, one that it knows by its files only.
    (tmp_path / "strange.py").write_text("import sys\nsys.ran_strange = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    root = tmp_path / "data"
    shutil.copytree(prepared / "toy_streets", root / name)
    for path in root.glob("*/*/features.json"):
        text = path.read_text()
        path.write_text(text.replace("tensorflow_datasets.core.", "strange."))
        assert "strange.features" in path.read_text()
    settings = {"name": name, "label": "mask", "download": False}
    if name == "toy_streets":  # the code says what its features are
        assert len(TFDS(root, **settings)) == EXAMPLES["train"]
    else:
        with pytest.raises(InputError, match="'strange.feat.*no feature of TFDS"):
            TFDS(root, **settings)
    assert not hasattr(sys, "ran_strange")


def test_a_foreign_folder_of_tfds_features_is_read(prepared, tmp_path):
    shutil.copytree(prepared / "toy_streets", tmp_path / "unknown_streets")
    samples = TFDS(tmp_path, name="unknown_streets", label="mask", download=False)
    assert samples.load(0)[1].shape == SIZE


@pytest.mark.parametrize("file", ["features.json", "dataset_info.json"])
def test_mutated_metadata_bring_only_typed_errors(prepared, tmp_path, file):
    shutil.copytree(prepared / "toy_streets", tmp_path / "unknown_streets")
    rng, refused = np.random.default_rng(0), 0
    (path,) = tmp_path.glob(f"*/*/{file}")
    text = path.read_text()
    for _ in range(150):  # in each of the two formats
        path.write_bytes(mutate_json(text, rng))
        try:
            TFDS(tmp_path, name="unknown_streets", label="mask", download=False).load(0)
        except InputError:
            refused += 1
    assert refused > 50


def test_the_rule_for_orientations(prepared):
    samples = open_toy(prepared).select([0])
    example = tf.train.Example.FromString(samples.records[0])
    (content,) = example.features.feature["image"].bytes_list.value
    turned = io.BytesIO()
    Image.open(io.BytesIO(content)).save(turned, "PNG", exif=exif_with(3))
    example.features.feature["image"].bytes_list.value[0] = turned.getvalue()
    samples = dataclasses.replace(samples, records=[example.SerializeToString()])

    def by(orientation):
        return dataclasses.replace(samples, orientation=orientation)

    with pytest.warns(UserWarning, match="1 of 1 images have an EXIF orientation"):
        check_dataset(samples)
    with pytest.raises(InputError, match="has the EXIF orientation 3, so what is seen"):
        check_dataset(by("refuse"))
    stored, upright = (
        np.asarray(by(rule).load(0)[0]) for rule in ("stored", "upright")
    )
    np.testing.assert_array_equal(upright, stored[::-1, ::-1])
    assert by("upright").size(0) == SIZE
    with pytest.raises(InputError, match="orientation is one of"):
        open_toy(prepared, orientation="up")
