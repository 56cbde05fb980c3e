"""The example's client against servers, answers and files that mean it no good."""

import base64
import gzip
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.image_files import encoded, noise
from harness.served import grpc_server, raw_server

EXAMPLE = Path(__file__).parents[2] / "examples" / "serving"
PNG = encoded(noise(8, 8), "PNG")

pytest.importorskip("tensorflow_serving")


@pytest.fixture
def client(monkeypatch, capsys, tmp_path):
    """Sends an image; returns exit code and what is printed, and keeps `out.png`."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(EXAMPLE)
    import client

    image, output = tmp_path / "image.png", tmp_path / "out.png"
    image.write_bytes(PNG)
    output.write_bytes(b"before")

    def call(*flags, image=image, output=output):
        argv = ["client.py", image, output, *flags]
        monkeypatch.setattr(sys, "argv", [str(each) for each in argv])
        started = time.monotonic()
        code = client.main()
        assert time.monotonic() - started < 10  # each in a second if all is quiet
        said = "".join(capsys.readouterr())
        assert all(line.isprintable() for line in said.splitlines()), said
        assert code == 0 or (tmp_path / "out.png").read_bytes() == b"before"
        assert not list(tmp_path.glob(".tmp-*"))
        return code, said

    yield call
    for name in set(sys.modules) - before:
        if str(EXAMPLE) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def http(body: bytes | object, status="200 OK", **headers) -> bytes:
    """An answer over HTTP, of bytes or in JSON."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Length": len(body), **headers}
    head = "".join(
        f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items()
    )
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def labels(content: bytes = PNG, **more) -> dict:
    """What the server says of one image."""
    text = base64.b64encode(content).decode()
    return {"predictions": [{"label_png_bytes": {"b64": text}, **more}]}


def answering(*parts: bytes, repeat: bytes = b"", pause: float = 0):
    """Sends the parts, then one again and again."""

    def answer(socket, request):
        for part in parts:
            socket.sendall(part)
        while repeat:
            socket.sendall(repeat)
            time.sleep(pause)

    return answer


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n" % (1 << 20) + bytes(1 << 20) + b"\r\n"


@pytest.mark.parametrize(
    "parts, repeat",
    [
        ([HEAD + b"Content-Length: 999\r\n\r\n"], b" "),
        ([CHUNKED], b"1\r\n \r\n"),
        ([CHUNKED + b"0\r\n"], b"A: b\r\n"),
        ([HEAD], b"A"),
        ([HEAD], b"A: b\r\n"),
        ([], b"HTTP/1.1 100 Continue\r\n\r\n"),
        ([], b"H"),
    ],
    ids=["body", "chunks", "trailer", "header", "headers", "continue", "status"],
)
def test_the_whole_answer_has_one_deadline(client, parts, repeat):
    with raw_server(answering(*parts, repeat=repeat, pause=0.02)) as server:
        code, said = client(f"--server={server}", "--timeout=0.4")
    assert code == 3 and "did not answer within 0.4 s" in said


@pytest.mark.parametrize(
    "parts, repeat",
    [
        ([HEAD + b"Content-Length: 1500000000\r\n\r\n"], CHUNK),
        ([HEAD + b"\r\n"], CHUNK),
        ([CHUNKED], CHUNK),
    ],
    ids=["said", "to the end", "chunks"],
)
def test_an_answer_without_end_takes_little_memory(client, parts, repeat):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with raw_server(answering(*parts, repeat=repeat)) as server:
        code, said = client(f"--server={server}")
    assert code == 3 and "more than 128 MB" in said
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert used < 500 << 10


def test_an_image_goes_to_no_other_server(client):
    seen = []

    def other(socket, request):
        seen.append(request)

    for status in ("301 Moved", "307 Temporary Redirect", "308 Permanent Redirect"):
        with raw_server(other) as elsewhere:
            place = f"http://{elsewhere}/v1/models/lraspp:predict"
            answer = http(b"", status, Location=place)
            with raw_server(answering(answer)) as server:
                code, said = client(f"--server={server}")
        assert code == 3 and f"sends to {place}" in said
    assert not seen


@pytest.mark.parametrize(
    "answer, says",
    [
        (http(labels(b"<html>")), "b'<html>', no whole PNG"),
        (http(labels(PNG[:-1])), "no whole PNG"),
        (http(labels(b"")), "no whole PNG"),
        (http({"predictions": labels()["predictions"] * 2}), "without label_png_bytes"),
        (http({"predictions": []}), "without label_png_bytes"),
        (http({"predictions": {"label_png_bytes": 1}}), "without label_png_bytes"),
        (http({"predictions": [{"label_png_bytes": "a"}]}), "without label_png_bytes"),
        (http({"predictions": [{"label_png_bytes": {"b64": "?"}}]}), "without label"),
        (http({"predictions": [{"label_png_bytes": {"b64": 5}}]}), "without label"),
        (http([]), "without label_png_bytes"),
        (http(b"[" * 10**6), "without label_png_bytes"),
        (http(b"[" + b"{}," * 10**7 + b"{}]"), "without label_png_bytes"),
        (http(b"9" * 10**6), "without JSON"),
        (http(b"\xff"), "without JSON"),
        (http(b"[" * 10**4, "400 Bad"), "answers 400 without JSON"),
        (
            http(gzip.compress(bytes(10**6)), Content_Encoding="gzip"),
            "answers with gzip",
        ),
        (
            http({"error": "\x1b]0;owned\x07\r\n\u202etxt"}, "500 Error"),
            r"\x1b]0;owned",
        ),
        (http({"error": "long " * 5000}, "500 Error"), "long ..."),
        (http(b"", "302 \x1b[31m", Location="\x1b[2J"), r"sends to \x1b[2J"),
        (HEAD + b"A: " + bytes(10**5), "does not speak HTTP"),
        (HEAD + b"A: b\r\n" * 1000 + b"\r\n", "does not speak HTTP"),
        (b"\x16\x03\x01\x1b[31m\r\n\r\n", "does not speak HTTP"),
        (CHUNKED + b"zz\r\n", "does not speak HTTP"),
        (b"", "broke off"),
    ],
)
def test_odd_answers_over_rest(client, answer, says):
    with raw_server(answering(answer)) as server:
        code, said = client(f"--server={server}")
    assert code == 3 and says in said, said
    assert len(said) < 800


@pytest.mark.parametrize(
    "found, says",
    [
        ([b"<html>"], "b'<html>', no whole PNG"),
        ([PNG[:-1]], "no whole PNG"),
        ([PNG, PNG], "without label_png_bytes"),
        (np.zeros(3, "float32"), "without label_png_bytes"),
        ([bytes(129 << 20)], "RESOURCE_EXHAUSTED"),
        (
            ValueError("\x1b]0;owned\x07\n"),
            r"UNKNOWN: Exception calling application: \x1b",
        ),
        (2.0, "did not answer within 1 s"),
    ],
    ids=["page", "cut", "two", "floats", "large", "escapes", "late"],
)
def test_odd_answers_over_grpc(client, found, says):
    def model(signature, outputs, **inputs):
        if isinstance(found, float):
            time.sleep(found)
        if isinstance(found, Exception):
            raise found
        return {"label_png_bytes": found}

    timeout = 1 if isinstance(found, float) else 9
    with grpc_server(model) as server:
        flags = (f"--server={server}", "--protocol=grpc", f"--timeout={timeout}")
        code, said = client(*flags)
    assert code == 3 and says in said, said


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_no_proxy_gets_the_image(client, monkeypatch, protocol):
    seen = []

    def proxy(socket, request):
        seen.append(request)

    with raw_server(proxy) as place:
        for name in ("http_proxy", "HTTP_PROXY", "grpc_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{place}")
        monkeypatch.setenv("no_proxy", "")
        flags = (f"--protocol={protocol}", "--timeout=3")
        code, _ = client("--server=127.0.0.1:1", *flags)
    assert code == 3 and not seen


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
@pytest.mark.parametrize("server", ["nonsense:abc", "a b:1", "[::1", "host.invalid:1"])
def test_servers_that_are_none(client, protocol, server):
    code, said = client(f"--server={server}", f"--protocol={protocol}", "--timeout=3")
    assert code == 3 and server in said


@pytest.mark.parametrize(
    "flag",
    ["--timeout=0", "--timeout=nan", "--timeout=inf", "--version=0", "--version=1e3"]
    + [f"--version={2**63}", "--model=", "--model=\x1b", "--server=a\r\nX: y"],
)
def test_flags_out_of_range(client, flag, capsys):
    with pytest.raises(SystemExit) as ended:
        client(flag)
    assert ended.value.code == 2 and flag.partition("=")[0] in capsys.readouterr().err


def test_images_that_are_no_files(client, tmp_path):
    pipe, large = tmp_path / "pipe.png", tmp_path / "large.png"
    os.mkfifo(pipe)
    with open(large, "wb") as file:
        file.truncate(1 << 40)
    for image, says in {
        pipe: "pipe.png is no file",
        "/dev/zero": "/dev/zero is no file",
        tmp_path: "Is a directory",
        large: "more than 64 MB",
        tmp_path / "\x1b[31m": r"\x1b[31m: No such file",
    }.items():
        code, said = client("--server=127.0.0.1:1", image=image)
        assert code == 3 and says in said, said


def test_outputs_that_cannot_be(client, tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for output, says in {
        pipe: "or no file",
        "/dev/null": "or no file",
        tmp_path: "or no file",
        tmp_path / "image.png": "is the image itself",
        tmp_path / "none" / "out.png": "no folder",
    }.items():
        code, said = client("--server=127.0.0.1:1", output=output)
        assert code == 3 and says in said, said
    assert (tmp_path / "image.png").read_bytes() == PNG
    assert pipe.is_fifo() and Path("/dev/null").is_char_device()


def test_a_full_disk_keeps_what_was_there(client, tmp_path, monkeypatch):
    def full(number):
        raise OSError(28, "No space left on device")

    with raw_server(answering(http(labels()))) as server:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            code, said = client(f"--server={server}")
        assert code == 3 and "out.png: No space left" in said
        assert client(f"--server={server}")[0] == 0
    np.testing.assert_array_equal(Image.open(tmp_path / "out.png"), noise(8, 8))
