"""The example's client against a stand-in for the server, over REST and gRPC."""

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.served import ServedModel, grpc_server, rest_server
from keras_lraspp.classes import generic_class_set
from keras_lraspp.export.saved_model import signatures

EXAMPLE = Path(__file__).parents[2] / "examples" / "serving"
SERVERS = {"rest": rest_server, "grpc": grpc_server}
PALETTE = generic_class_set(5).palette

pytest.importorskip("tensorflow_serving")


@pytest.fixture(scope="module")
def model():
    return pixel_model()


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    functions = signatures(
        lambda images: tf.argmax(model(images), -1, output_type=tf.int32),
        model,
        PALETTE,
    )
    tf.saved_model.save(module, str(folder), signatures=functions)
    return ServedModel(folder)


@pytest.fixture
def client(monkeypatch, capsys):
    """Calls `client.py` as the command line does; returns exit code and output."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(EXAMPLE)
    import client

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["client.py", *map(str, arguments)])
        code = client.main()
        return code, "".join(capsys.readouterr())

    yield call
    for name in set(sys.modules) - before:
        if str(EXAMPLE) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(random_images(40, 60)).save(path)
    return path


@pytest.mark.parametrize("protocol", SERVERS)
def test_an_image_comes_back_as_labels_and_colors(
    client, model, served, image, tmp_path, protocol
):
    expected = expected_labels(model, random_images(40, 60))
    wanted = {"labels": expected, "color": np.array(PALETTE)[expected]}
    with SERVERS[protocol](served) as server:
        for result, picture in wanted.items():
            output = tmp_path / f"{result}.png"
            flags = (f"--protocol={protocol}", f"--server={server}")
            code, said = client(image, output, f"--result={result}", *flags)
            assert (code, said) == (0, f"wrote {output}\n")
            np.testing.assert_array_equal(np.asarray(Image.open(output)), picture)


@pytest.mark.parametrize("protocol", SERVERS)
def test_refusals(client, served, image, tmp_path, protocol):
    text = tmp_path / "page.png"
    text.write_text("<html>")
    output = tmp_path / "out.png"
    with SERVERS[protocol](served) as server:
        flags = (f"--protocol={protocol}", f"--server={server}")
        code, said = client(text, output, *flags)
        assert code == 2 and "neither a JPEG nor a PNG" in said
        code, said = client(image, output, *flags, "--model=other")
        assert code == 2 and "no serv" in said
        code, said = client(tmp_path / "none.png", output, *flags)
        assert code == 3 and "none.png: No such file" in said
    assert not output.exists()


@pytest.mark.parametrize("protocol", SERVERS)
def test_a_model_that_decodes_no_files(client, image, tmp_path, protocol):
    model = pixel_model(input_shape=(None, None, 6))
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    functions = signatures(
        lambda images: tf.argmax(model(images), -1, output_type=tf.int32),
        model,
        PALETTE,
        channels=6,
    )
    tf.saved_model.save(module, str(tmp_path / "six"), signatures=functions)
    with SERVERS[protocol](ServedModel(tmp_path / "six")) as server:
        flags = (f"--protocol={protocol}", f"--server={server}")
        code, said = client(image, tmp_path / "out.png", *flags)
    assert code == 2 and "not found" in said
    assert "a model for other images than grey, RGB or RGBA takes arrays" in said


@pytest.mark.parametrize("protocol", SERVERS)
def test_no_server(client, image, tmp_path, protocol):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        flags = (
            f"--protocol={protocol}",
            f"--server=127.0.0.1:{free.getsockname()[1]}",
        )
    code, said = client(image, tmp_path / "out.png", *flags)
    assert code == 3 and "Cannot reach a server" in said


@pytest.mark.parametrize("protocol", SERVERS)
def test_a_server_that_does_not_answer(client, image, tmp_path, protocol):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        flags = (
            f"--protocol={protocol}",
            f"--server=127.0.0.1:{silent.getsockname()[1]}",
            "--timeout=0.5",
        )
        code, said = client(image, tmp_path / "out.png", *flags)
    assert code == 3 and "did not answer within 0.5 s" in said
