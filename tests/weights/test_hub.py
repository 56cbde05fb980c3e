"""Preset folders on the Hugging Face Hub, spoken to over the loopback interface."""

import builtins
import json
import shutil

import numpy as np
import pytest

from keras_lraspp import LRASPP, Segmenter, config, upload_preset
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.models.keras_file import open_weights
from keras_lraspp.weights import hub as our_hub
from keras_lraspp.weights.hub import (
    HubAddress,
    is_preset_folder,
    parse_hub_address,
    read_preset_folder,
)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preset") / "streets"
    LRASPP(3, "small", 0.35, 32).save_to_preset(folder)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def served(hub, preset):
    hub.commit("user/streets", contents(preset))
    return hub


def downloads(served):
    return [
        path for kind, path in served.requests if kind == "GET" and "resolve" in path
    ]


def assert_same_weights(one, other):
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.backends
def test_a_repository_is_a_preset(served, preset):
    model = LRASPP.from_preset("hf://user/streets")
    assert_same_weights(model, LRASPP.from_preset(preset))
    assert len(downloads(served)) == 3  # configuration, metadata, weights


def test_what_is_downloaded_is_not_downloaded_again(served):
    for _ in range(2):
        read_preset_folder("hf://user/streets")
    assert len(downloads(served)) == 3


def test_without_a_network_the_cache_is_read(served, monkeypatch):
    read_preset_folder("hf://user/streets")
    served.down = True
    read_preset_folder("hf://user/streets")
    with pytest.raises(StorageError, match="Cannot download hf://user/others"):
        read_preset_folder("hf://user/others")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    before = len(served.requests)
    read_preset_folder("hf://user/streets")
    assert len(served.requests) == before


def test_a_revision_and_a_folder(served, preset):
    other = {f"models/a/{name}": data for name, data in contents(preset).items()}
    sha = served.commit("user/streets", other, branch="v1")
    for revision in ("v1", sha):
        archive = read_preset_folder(f"hf://user/streets@{revision}/models/a")
        assert archive.path.parts[-2:] == ("models", "a")
        assert sha in archive.path.parts
    with pytest.raises(StorageError, match="Cannot download .*@v2"):
        read_preset_folder("hf://user/streets@v2")


def test_everything_that_takes_weights_takes_an_address(served, tmp_path):
    archive = open_weights("hf://user/streets")
    assert archive.config()["class_name"] == "LRASPP"
    assert Segmenter("hf://user/streets").predictor.num_classes == 3
    config.load_config(
        [], ["train.model = @from_preset", "from_preset.preset = 'hf://user/streets'"]
    )
    assert config.bound("train", "model")["model"](num_classes=3).num_classes == 3


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("hf://a/b", HubAddress("a/b")),
        ("hf://a-1/b.c_d/", HubAddress("a-1/b.c_d")),
        ("hf://a/b@refs%2Fpr%2F1/c/d-e", HubAddress("a/b", "refs/pr/1", "c/d-e")),
    ],
)
def test_addresses(address, parts):
    assert parse_hub_address(address) == parts
    assert is_preset_folder(address)


@pytest.mark.parametrize(
    "address",
    [
        "hf://b",
        "hf://a/b/../c",
        "hf://a/b@..%2F..%2Fc",
        "hf://../b",
        "hf://a/b/.git",
        "hf://a/b//c",
        "hf://a/b c",
        "hf://a/b?c",
        "hf:///etc/passwd",
        "hf://" + "a" * 200 + "/b",
    ],
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(InputError, match="hf://user/name|names no revision"):
        read_preset_folder(address)


def test_a_foreign_repository_is_said_to_be_one(served, preset):
    files = contents(preset)
    served.commit("user/llm", {"config.json": b'{"model_type": "bert"}'})
    with pytest.raises(InputError, match="hf://user/llm has no model.weights.h5"):
        read_preset_folder("hf://user/llm")
    served.commit("user/empty", {"a.txt": b""})
    with pytest.raises(InputError, match="hf://user/empty has no config.json"):
        read_preset_folder("hf://user/empty")
    bert = {**files, "config.json": b'{"class_name": "Bert", "config": {}}'}
    served.commit("user/bert", bert)
    with pytest.raises(InputError, match="holds a Bert, not an LRASPP"):
        LRASPP.from_preset("hf://user/bert")
    served.commit("user/json", {**files, "config.json": b"\xff{"})
    with pytest.raises(InputError, match="config.json is not UTF-8"):
        LRASPP.from_preset("hf://user/json")
    served.commit("user/cut", {**files, "model.weights.h5": b"\x89HDF"})
    with pytest.raises(InputError, match="hf://user/cut/model.weights.h5 holds no"):
        read_preset_folder("hf://user/cut")


def test_another_network_than_the_weights_is_refused(served, preset):
    files = contents(preset)
    config = json.loads(files["config.json"])
    config["config"]["width"] = 4.0
    served.commit("user/wide", {**files, "config.json": json.dumps(config).encode()})
    with pytest.raises(InputError, match="does not hold the weights"):
        LRASPP.from_preset("hf://user/wide")


def test_a_size_that_is_too_large_is_refused_before_the_download(served):
    served.claimed_sizes["model.weights.h5"] = 10 << 30
    with pytest.raises(InputError, match="model.weights.h5 has 10737418240 bytes"):
        read_preset_folder("hf://user/streets")
    assert not downloads(served)


def test_a_download_without_end_is_stopped(served, monkeypatch):
    monkeypatch.setattr(our_hub, "LARGEST_WEIGHTS", 20 << 20)
    served.endless = True
    with pytest.raises(InputError, match="is refused: what comes has"):
        read_preset_folder("hf://user/streets")


def test_a_slow_download_is_stopped(served, monkeypatch):
    monkeypatch.setattr(our_hub, "_DEADLINE", -1)
    with pytest.raises(StorageError, match="not done after -1 seconds"):
        read_preset_folder("hf://user/streets")


def test_upload_and_download(hub, preset):
    address = upload_preset("hf://someone/streets", preset)
    assert address == "hf://someone/streets"
    files = hub.files("someone/streets")[1]
    assert {*contents(preset)} <= {*files}
    card = files["README.md"].decode()
    assert 'Segmenter("hf://someone/streets")' in card and "USER/NAME" not in card
    downloaded = read_preset_folder(address).weights_path
    assert downloaded.read_bytes() == (preset / "model.weights.h5").read_bytes()


def test_a_card_that_the_repository_has_is_kept(hub, preset):
    hub.commit("someone/streets", {"README.md": b"mine", "model.weights.h5": b"old"})
    upload_preset("hf://someone/streets", preset)
    files = hub.files("someone/streets")[1]
    assert files["README.md"] == b"mine"
    assert files["model.weights.h5"] == (preset / "model.weights.h5").read_bytes()


def test_uploads_that_are_refused(hub, preset, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="config.json cannot be read"):
        upload_preset("hf://someone/streets", tmp_path)
    for uri in ("someone/streets", "kaggle://a/b", "hf://a/b/c", "hf://a/b@main"):
        with pytest.raises(InputError, match="names no repository to upload to"):
            upload_preset(uri, preset)
    broken = shutil.copytree(preset, tmp_path / "broken")
    (broken / "model.weights.h5").write_bytes(b"cut")
    with pytest.raises(InputError, match="holds no readable weights"):
        upload_preset("hf://someone/streets", broken)
    assert not hub.requests
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(StorageError, match="Cannot upload .*hf auth login"):
        upload_preset("hf://someone/streets", preset)


def test_without_the_package_a_sentence_says_so(monkeypatch, preset):
    def refuse(name, *arguments, import_=builtins.__import__, **options):
        if name == "huggingface_hub":
            raise ImportError(name)
        return import_(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for call in (
        lambda: LRASPP.from_preset("hf://user/streets"),
        lambda: upload_preset("hf://user/streets", preset),
    ):
        with pytest.raises(InputError, match="pip install huggingface_hub"):
            call()
