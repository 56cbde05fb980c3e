"""Networks of weights files and presets, with and without a configured model."""

from functools import partial

import keras
import numpy as np
import pytest

from harness import reference
from harness.paddle import CITYSCAPES, serving, write_pdparams
from harness.stand_ins import with_few_blocks
from keras_lraspp import LRASPP
from keras_lraspp.classes import CLASS_SETS, ClassSet, generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import save_network
from keras_lraspp.models.loading import build_network, load_network, open_source
from keras_lraspp.models.peer_files import save_peer_weights

pytestmark = pytest.mark.backends

SMALLEST = {"backbone": "small", "width": 0.35, "output_stride": 32}
CLASSES = ClassSet(("road", "sky", "car"), generic_class_set(3).palette)
small = partial(LRASPP, **SMALLEST)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        with_few_blocks(patch)
        folder, network = tmp_path_factory.mktemp("saved"), small(3)
    network.save(folder / "plain.keras")
    save_network(network, folder / "best.keras", CLASSES)
    network.save_weights(folder / "w.weights.h5")
    return folder, network


@pytest.fixture
def saved(files, monkeypatch):
    """A network's files: with a card, as Keras saves it, and its weights alone."""
    with_few_blocks(monkeypatch)
    return files


@pytest.fixture
def published(tmp_path, monkeypatch):
    path = tmp_path / "www" / f"{CITYSCAPES}_os32" / "model.pdparams"
    write_pdparams(path, reference.state_dict("os32_global"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(tmp_path / "www") as server:
        monkeypatch.setenv("KERAS_LRASPP_MIRROR", server.address)
        yield


def same(ours, theirs):
    pairs = zip(ours.get_weights(), theirs.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_a_file_names_its_network_and_classes(saved):
    folder, network = saved
    for model in (None, small):
        found = load_network(folder / "best.keras", model)
        assert found.classes == CLASSES
        assert same(found.model, network)


@pytest.mark.parametrize("name", ["plain.keras", "w.weights.h5"])
def test_classes_that_the_file_does_not_say(saved, name):
    folder, network = saved
    found = load_network(folder / name, small, ["a", "b", "c"])
    assert found.classes.names == ("a", "b", "c")
    assert same(found.model, network)
    with pytest.raises(InputError, match=f"{name} does not say .* with --classes"):
        load_network(folder / name, small)


def test_without_a_model_the_classes_of_a_plain_file_are_asked_for(saved):
    path = saved[0] / "plain.keras"
    assert load_network(path, None, 3).classes == generic_class_set(3)
    with pytest.raises(InputError, match="plain.keras does not say .* with --classes"):
        load_network(path)
    with pytest.raises(InputError, match="has 3 classes and export.classes names 11"):
        load_network(path, None, "camvid", "export")


def test_a_model_gets_the_channels_of_the_file(tmp_path, monkeypatch):
    with_few_blocks(monkeypatch)
    network = LRASPP(3, "small", 0.35, 32, input_shape=(None, None, 4))
    save_network(network, tmp_path / "best.keras", CLASSES)

    def for_four(num_classes):
        return small(num_classes, input_shape=(None, None, 4))

    for model in (None, small, for_four):
        assert same(load_network(tmp_path / "best.keras", model).model, network)
    with pytest.raises(InputError, match="for 4-channel images, this one is for 3"):
        load_network(tmp_path / "best.keras", lambda num_classes: small(num_classes))
    network.save_weights(tmp_path / "w.weights.h5")  # which say nothing
    source = open_source(tmp_path / "w.weights.h5")
    assert same(build_network(source, small, 3, channels=4).model, network)


def test_weights_alone_need_a_model(saved):
    with pytest.raises(InputError, match="not say which network .* with --gin_file"):
        load_network(saved[0] / "w.weights.h5", None, 3)


def test_a_preset_is_a_network_of_cityscapes(published):
    for model in (None, partial(LRASPP, output_stride=32)):
        found = load_network("os32_global_cityscapes", model)
        assert found.classes == CLASS_SETS["cityscapes"]
        assert found.model.backbone.output_stride == 32
    assert same(found.model, reference.model("os32_global"))


def test_a_preset_of_another_network_is_refused(published):
    source = open_source("os32_global_cityscapes")
    with pytest.raises(InputError, match="output_stride=32 there, 8 in the config"):
        build_network(source, LRASPP)
    pixels = keras.Input((None, None, 3))
    other = keras.Model(pixels, keras.layers.Conv2D(19, 1)(pixels))
    with pytest.raises(InputError, match="network: num_classes=19 there, None in the"):
        build_network(source, lambda num_classes: other)


def test_paddles_weights_name_their_network(tmp_path):
    path = tmp_path / "model.pdparams"
    write_pdparams(path, reference.state_dict("small_x0_35_os32_global"))
    found = load_network(path)
    assert found.classes == CLASS_SETS["cityscapes"] and found.path == path
    assert same(found.model, reference.model("small_x0_35_os32_global"))


def test_paddles_weights_of_several_variants_need_a_model(tmp_path):
    path = tmp_path / "model.pdparams"
    write_pdparams(path, reference.state_dict("os32_global"))
    with pytest.raises(InputError, match="fits several variants"):
        load_network(tmp_path)
    found = load_network(tmp_path, partial(LRASPP, output_stride=32))
    assert found.model.backbone.output_stride == 32 and found.path == path


def test_weights_of_pytorch_name_their_network_and_classes(tmp_path, monkeypatch):
    with_few_blocks(monkeypatch)
    network = LRASPP(21, family="torchvision", output_stride=16)
    path = save_peer_weights(network, tmp_path / "a.pth", classes=generic_class_set(21))
    for model in (None, partial(LRASPP, family="torchvision", output_stride=16)):
        found = load_network(path, model)
        assert found.classes == CLASS_SETS["voc2012"] and found.path == path
        assert same(found.model, network)
    with pytest.raises(InputError, match="'torchvision', and os8_global is of 'paddl"):
        load_network(path, LRASPP)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("gone.keras", "no weights file gone.keras; check --weights"),
        ("os32_global_cityscape", "; did you mean os32_global_cityscapes; check"),
    ],
)
def test_weights_that_are_not_there(weights, said):
    with pytest.raises(InputError, match=said):
        open_source(weights)


@pytest.mark.parametrize("name", ["plain.keras", "w.weights.h5", "best.keras"])
def test_the_configured_classes_are_for_files_that_say_none(saved, name):
    folder, network = saved
    cars = ClassSet(("car", "bus", "tram"), generic_class_set(3).palette)
    found = load_network(folder / name, small, configured=lambda: cars)
    assert found.classes == (CLASSES if name == "best.keras" else cars)
    assert same(found.model, network)


def test_configured_classes_of_another_number_are_not_taken(saved):
    with pytest.raises(InputError, match="plain.keras does not say .* with --classes"):
        load_network(
            saved[0] / "plain.keras", small, configured=lambda: generic_class_set(4)
        )
    with pytest.raises(InputError, match="w.weights.h5 does not fit the model"):
        load_network(
            saved[0] / "w.weights.h5", small, configured=lambda: generic_class_set(4)
        )
