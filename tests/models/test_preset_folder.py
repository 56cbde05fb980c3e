"""Preset folders: what Keras reads too, scores that are true, a card for the Hub."""

import json
import shutil

import h5py
import keras
import numpy as np
import pytest

from keras_lraspp import LRASPP, Segmenter
from keras_lraspp.classes import CLASS_SETS, ClassSet
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.models.keras_file import save_network

pytestmark = pytest.mark.usefixtures("few_blocks")

CAMVID = CLASS_SETS["camvid"]


@pytest.fixture(scope="module")
def best(tmp_path_factory):
    """What a training writes."""
    path = tmp_path_factory.mktemp("run") / "best.keras"
    network = LRASPP(11, "small", 0.35, 32)
    score = {"dataset": "camvid", "miou": 0.3712, "step": 400}
    return save_network(network, path, CAMVID, **score)


@pytest.fixture(scope="module")
def preset(best, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "my streets"
    LRASPP.from_preset(best).save_to_preset(folder, license="cc-by-4.0")
    return folder


@pytest.fixture(scope="module")
def unknown():
    """A network that somebody compiled, of no file."""
    model = LRASPP(2, "small", 0.35, 32)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    return model


def card_data(folder):
    """What the Hub reads of the card: its front matter."""
    text = (folder / "README.md").read_text()
    return pytest.importorskip("huggingface_hub").ModelCard(text).data


@pytest.mark.backends
def test_a_folder_brings_weights_classes_and_colours_back(best, preset):
    model = LRASPP.from_preset(preset)
    assert model.classes == CAMVID
    assert Segmenter(str(preset)).classes == CAMVID
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 64, 3), "uint8")
    expected = LRASPP.from_preset(best).predict_on_batch(images)
    np.testing.assert_array_equal(model.predict_on_batch(images), expected)
    # Keras's own reader.
    other = keras.saving.load_model(preset)
    np.testing.assert_array_equal(other.predict_on_batch(images), expected)


def test_the_files_are_those_of_keras_hub(preset):
    names = "README.md config.json keras_lraspp.json metadata.json model.weights.h5"
    assert sorted(path.name for path in preset.iterdir()) == names.split()
    config = json.loads((preset / "config.json").read_text())
    assert config["registered_name"] == "keras_lraspp>LRASPP"
    assert config["config"]["num_classes"] == 11
    # keras-hub leaves these out.
    assert not {"compile_config", "build_config"} & {*config}
    metadata = json.loads((preset / "metadata.json").read_text())
    assert metadata["parameter_count"] == LRASPP.from_preset(preset).count_params()
    assert metadata["keras_version"] == keras.__version__


def test_the_card_has_the_measured_score(preset):
    data = card_data(preset)
    assert (data.library_name, data.pipeline_tag) == ("keras", "image-segmentation")
    assert data.license == "cc-by-4.0" and "semantic-segmentation" in data.tags
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value) == ("mean_iou", 0.3712)
    assert (result.dataset_name, result.dataset_split) == ("camvid", "validation")
    assert data.model_name == "my streets"
    text = (preset / "README.md").read_text()
    assert "mIoU **0.3712** on the validation set of the data set camvid" in text
    assert "| 9 | pedestrian | #404000 |" in text
    assert "| head filters | 128 |" in text and "| family | paddleseg |" in text


def test_a_score_goes_with_its_weights_only(preset, tmp_path):
    # Through a folder the score is kept.
    model = LRASPP.from_preset(preset)
    model.save_to_preset(tmp_path / "b")
    assert card_data(tmp_path / "b").eval_results[0].metric_value == 0.3712
    # Trained on, it is not.
    kernel = model.get_layer("head_mix_conv").kernel
    kernel.assign(kernel + 1e-3)
    model.save_to_preset(tmp_path / "c")
    assert card_data(tmp_path / "c").eval_results is None
    assert "0.3712" not in (tmp_path / "c" / "README.md").read_text()
    card = json.loads((tmp_path / "c" / "keras_lraspp.json").read_text())
    assert card["classes"] == list(CAMVID.names) and "miou" not in card


def test_nothing_is_claimed_of_a_model_that_nothing_is_known_of(unknown, tmp_path):
    unknown.save_to_preset(tmp_path / "a")
    data = card_data(tmp_path / "a")
    assert data.license is None and data.eval_results is None
    text = (tmp_path / "a" / "README.md").read_text()
    assert "None is known of these weights." in text
    assert "The author has not named one." in text


def test_a_compiled_model_is_saved_without_its_optimizer(unknown, tmp_path):
    unknown.save_weights(tmp_path / "all.weights.h5")
    unknown.save_to_preset(tmp_path)
    with h5py.File(tmp_path / "all.weights.h5") as file:
        assert "optimizer" in file
    with h5py.File(tmp_path / "model.weights.h5") as file:
        assert "optimizer" not in file and "layers" in file


def test_saving_again_replaces_all_but_the_card(preset, unknown, tmp_path):
    folder = shutil.copytree(preset, tmp_path / "again")
    (folder / "README.md").write_text("what the author says")
    unknown.save_to_preset(folder)
    assert (folder / "README.md").read_text() == "what the author says"
    loaded = LRASPP.from_preset(folder)
    assert loaded.num_classes == 2 and loaded.classes is None
    assert not [*folder.glob(".tmp-*")]


def test_names_cannot_break_the_card(unknown, tmp_path, monkeypatch):
    classes = ClassSet(("a|b # c", "<script>"), ((0, 0, 0), (1, 2, 3)))
    monkeypatch.setattr(unknown, "classes", classes)
    unknown.save_to_preset(tmp_path / 'quote"d: - x')
    text = (tmp_path / 'quote"d: - x' / "README.md").read_text()
    assert r"| 0 | a\|b \# c | #000000 |" in text
    assert r"| 1 | \<script\> | #010203 |" in text


def test_what_is_no_licence_is_refused(unknown, tmp_path):
    for license in ("mit\nx: y", "MIT Licence", "", 3):
        with pytest.raises(InputError, match="license is an identifier"):
            unknown.save_to_preset(tmp_path / "a", license=license)
    assert not (tmp_path / "a").exists()


def test_a_folder_that_cannot_be_written(unknown, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Cannot write"):
        unknown.save_to_preset(tmp_path / "file" / "a")


def test_a_damaged_folder_is_refused(preset, tmp_path):
    (tmp_path / "config.json").write_text((preset / "config.json").read_text())
    with pytest.raises(InputError, match="model.weights.h5 cannot be read"):
        LRASPP.from_preset(tmp_path)
    whole = (preset / "model.weights.h5").read_bytes()
    (tmp_path / "model.weights.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="holds no readable weights"):
        LRASPP.from_preset(tmp_path)
    (tmp_path / "model.weights.h5").write_bytes(whole)
    (tmp_path / "keras_lraspp.json").write_text('{"classes": 3}')
    with pytest.raises(InputError, match="does not say what its classes are"):
        LRASPP.from_preset(tmp_path)


def test_weights_of_half_precision_are_saved_in_float32(tmp_path):
    model = LRASPP(2, "small", 0.35, 32, dtype="bfloat16")
    model.save_to_preset(tmp_path)
    loaded = LRASPP.from_preset(tmp_path)
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert ours.dtype == "float32"
        np.testing.assert_array_equal(ours, theirs.astype("float32"))
