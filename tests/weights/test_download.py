"""Downloads, over a loopback server: checked, pinned, never kept when wrong."""

import hashlib
import io
import json
import socket
from urllib.error import HTTPError

import numpy as np
import pytest

from harness.paddle import serving, write_pdparams
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.weights import write_pytorch
from keras_lraspp.weights.download import fetch
from keras_lraspp.weights.published import Published, find_variant

TENSORS = {"conv.weight": np.arange(50_000, dtype="float32")}
ROW = Published("mine.pdparams", "folder/model.pdparams", "train without")


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    write_pdparams(tmp_path / "www" / ROW.path, TENSORS)
    with serving(tmp_path / "www") as server:
        monkeypatch.setenv("KERAS_LRASPP_MIRROR", server.address + "/")
        yield server


def cache():
    folder = ROW.cached.parent
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def served(tmp_path):
    return tmp_path / "www" / ROW.path


def no_check(tensors):
    np.testing.assert_array_equal(tensors["conv.weight"], TENSORS["conv.weight"])


def test_the_address_and_the_place_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_LRASPP_MIRROR", raising=False)
    paddleseg = "https://paddleseg.bj.bcebos.com/dygraph"
    assert ROW.address == f"{paddleseg}/folder/model.pdparams"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert ROW.cached == tmp_path / "keras_lraspp" / "mine.pdparams"
    monkeypatch.delenv("KERAS_HOME")
    assert ROW.cached.parts[-3:] == (".keras", "keras_lraspp", "mine.pdparams")


def test_a_file_is_downloaded_once_and_its_digest_is_kept(server, tmp_path):
    for _ in range(2):
        tensors = fetch(ROW, no_check)
        np.testing.assert_array_equal(tensors["conv.weight"], TENSORS["conv.weight"])
    assert server.requests == ["/folder/model.pdparams"]
    assert cache() == ["mine.pdparams", "mine.pdparams.json"]
    assert json.loads(ROW.cached.with_name("mine.pdparams.json").read_text()) == {
        "address": ROW.address,
        "sha256": hashlib.sha256(served(tmp_path).read_bytes()).hexdigest(),
    }


def test_a_cut_download_is_not_kept(server):
    server.cut.add("/folder/model.pdparams")
    with pytest.raises(StorageError, match="got only .*train without"):
        fetch(ROW, no_check)
    assert cache() == []
    server.cut.clear()
    fetch(ROW, no_check)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_a_corrupt_download_is_not_kept(server, tmp_path, content):
    file = served(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError) as caught:
        fetch(ROW, no_check)
    assert str(caught.value).startswith(f"{ROW.address} did not give the published")
    assert ".tmp-" not in str(caught.value)
    assert cache() == []


def test_other_tensors_than_the_published_are_not_kept(server):
    def check(tensors):
        raise InputError("The file has conv.weight of another shape.")

    with pytest.raises(InputError, match="was not kept: The file has conv.weight"):
        fetch(ROW, check)
    assert cache() == []


def test_a_file_that_changed_on_the_disk_is_downloaded_again(server):
    fetch(ROW, no_check)
    content = bytearray(ROW.cached.read_bytes())
    content[-100] ^= 1
    ROW.cached.write_bytes(content)
    with pytest.warns(UserWarning, match="mine.pdparams was cut or changed"):
        fetch(ROW, no_check)
    assert len(server.requests) == 2
    fetch(ROW, no_check)
    assert len(server.requests) == 2


def test_another_file_at_the_address_is_refused(server, tmp_path):
    fetch(ROW, no_check)
    ROW.cached.unlink()
    write_pdparams(served(tmp_path), {"conv.weight": np.zeros(3, "float32")})
    with pytest.raises(InputError, match=r"SHA-256 .*delete .*mine.pdparams.json"):
        fetch(ROW, no_check)
    assert cache() == ["mine.pdparams.json"]


def test_a_file_put_there_by_hand_is_checked_and_pinned(server):
    write_pdparams(ROW.cached, TENSORS)
    fetch(ROW, no_check)
    assert server.requests == []
    assert cache() == ["mine.pdparams", "mine.pdparams.json"]
    ROW.cached.with_name("mine.pdparams.json").unlink()
    ROW.cached.write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"keras_lraspp/mine.pdparams is not read"):
        fetch(ROW, no_check)
    assert cache() == ["mine.pdparams"]


def served_with_digits(tmp_path, digits=None):
    """A PyTorch file whose name has digits of its SHA-256, or these."""
    write_pytorch(TENSORS, tmp_path / "made.pth")
    content = (tmp_path / "made.pth").read_bytes()
    name = f"net-{digits or hashlib.sha256(content).hexdigest()[:8]}.pth"
    file = Published(name, f"models/{name}", "train without", "torchvision")
    (tmp_path / "www" / "models").mkdir()
    (tmp_path / "www" / file.path).write_bytes(content)
    return file


def test_digits_in_the_name_are_those_of_the_file(server, tmp_path):
    file = served_with_digits(tmp_path)
    for _ in range(2):
        fetch(file, no_check)
    assert server.requests == [f"/{file.path}"]
    assert cache() == [file.file_name, f"{file.file_name}.json"]
    file.pin.unlink()
    file.cached.write_bytes(b"another")  # put there by hand
    with pytest.raises(InputError, match=rf"is not the.*begins with {file.digits}"):
        fetch(file, no_check)
    assert cache() == [file.file_name]
    assert len(server.requests) == 1


def test_a_download_with_other_digits_is_not_kept(server, tmp_path):
    wrong = served_with_digits(tmp_path, digits="0123abcd")
    found = hashlib.sha256((tmp_path / "made.pth").read_bytes()).hexdigest()
    with pytest.raises(InputError) as caught:
        fetch(wrong, no_check)
    message = str(caught.value)
    assert message.startswith(f"{wrong.address} did not give the published weights")
    assert f"its SHA-256 is {found}, and by its name it begins with 0123abcd" in message
    assert cache() == []


def test_a_release_on_github_is_at_another_host(tmp_path, monkeypatch):
    """It answers with a redirect, over HTTPS like itself."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_LRASPP_MIRROR", raising=False)
    content = write_pdparams(tmp_path / "whole.pdparams", TENSORS).read_bytes()
    digits = hashlib.sha256(content).hexdigest()[:8]
    release = find_variant("fastseg_small_f64").published
    release = release._replace(
        file_name="mine.pdparams", path=release.path.replace(release.digits, digits)
    )
    storage, asked = "https://release-assets.example/1?signature=2", []

    class Opener:
        def open(self, request, timeout):
            asked.append((request.full_url, request.get_header("User-agent")))
            if request.full_url == release.address:
                headers = {"Location": storage}
                raise HTTPError(request.full_url, 302, "Found", headers, io.BytesIO())
            answer = io.BytesIO(content)
            answer.length = len(content)
            return answer

    monkeypatch.setattr("urllib.request.build_opener", lambda *handlers: Opener())
    fetch(release, no_check)
    assert asked == [(release.address, "keras-lraspp"), (storage, "keras-lraspp")]
    assert asked[0][0].startswith("https://github.com/ekzhang/fastseg/releases/")


def test_without_a_network_the_message_says_what_to_do(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("KERAS_LRASPP_MIRROR", address)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(StorageError) as caught:
            fetch(ROW, no_check)
    message = str(caught.value)
    assert f"Cannot download {address}/folder/model.pdparams" in message
    assert f"put it at {tmp_path}/keras_lraspp/mine.pdparams, or train wi" in message
    assert cache() == []


def test_a_missing_file_says_404(server, tmp_path):
    served(tmp_path).unlink()
    with pytest.raises(StorageError, match="404"):
        fetch(ROW, no_check)


def test_a_silent_server_does_not_hold_us(server, monkeypatch, tmp_path):
    monkeypatch.setattr("keras_lraspp.weights.download._TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("KERAS_LRASPP_MIRROR", address)
        with pytest.raises(StorageError, match="timed out"):
            fetch(ROW, no_check)
