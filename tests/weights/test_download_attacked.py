"""Downloads from a server that means harm: stopped while they arrive, nothing kept."""

import contextlib
import errno
import gzip
import http.server
import itertools
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from harness.paddle import write_pdparams
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.weights import download
from keras_lraspp.weights.download import fetch
from keras_lraspp.weights.published import Published

TENSORS = {"conv.weight": np.arange(50_000, dtype="float32")}
ROW = Published("mine.pdparams", "model.pdparams", "train without")
LIMIT = 1 << 20


class Server:
    """Answers with what a test sets; counts requests and bytes sent."""

    def __init__(self):
        self.answer = None
        self.paths = []
        self.sent = 0
        self.over = threading.Event()

    def send(self, handler, content):
        handler.wfile.write(content)
        self.sent += len(content)

    def handler(server):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.paths.append(self.path)
                self.close_connection = True
                with contextlib.suppress(OSError):
                    server.answer(self)

            def log_message(self, *arguments):
                pass

        return Handler


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(download, "LARGEST_FILE", LIMIT)
    server = Server()
    loop = http.server.ThreadingHTTPServer(("127.0.0.1", 0), server.handler())
    loop.daemon_threads = True
    thread = threading.Thread(target=loop.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.port = loop.server_port
    monkeypatch.setenv("KERAS_LRASPP_MIRROR", f"http://127.0.0.1:{server.port}")
    yield server
    server.over.set()
    loop.shutdown()
    loop.server_close()
    thread.join()


@pytest.fixture
def content(tmp_path):
    return write_pdparams(tmp_path / "whole.pdparams", TENSORS).read_bytes()


def head(handler, status=200, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def refused(says, kind=StorageError):
    with pytest.raises(kind, match=says) as caught:
        fetch(ROW, lambda tensors: None)
    folder = ROW.cached.parent
    assert not folder.exists() or not [*folder.iterdir()]
    return str(caught.value)


def endless(server, handler, chunked):
    head(handler, **({"Transfer_Encoding": "chunked"} if chunked else {}))
    block = bytes(1 << 16)
    if chunked:
        block = b"10000\r\n" + block + b"\r\n"
    while not server.over.is_set():
        server.send(handler, block)


@pytest.mark.parametrize("chunked", [False, True])
def test_row_56_a_download_without_end_is_stopped_at_the_limit(server, chunked):
    server.answer = lambda handler: endless(server, handler, chunked)
    said = refused("Cannot download .*at most 1 MiB are expected, and it has more")
    assert f"put it at {ROW.cached}, or train without" in said
    assert server.sent < 16 * LIMIT  # what fits into the buffers of sockets


def test_a_length_above_the_limit_is_refused_before_a_byte(server):
    def answer(handler):
        head(handler, Content_Length=str(3 << 30))
        server.over.wait(20)

    server.answer = answer
    refused("it has 3221225472 bytes")


@pytest.mark.parametrize("part", ["head", "body", "status"])
def test_a_server_that_drips_meets_the_deadline(server, monkeypatch, part):
    """A byte now and then keeps every timeout of a socket from its end."""
    monkeypatch.setattr(download, "_DEADLINE", 0.5)

    def answer(handler):
        if part == "body":
            head(handler, Content_Length="1000")
        elif part == "head":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not server.over.wait(0.02):
            again = b"HTTP/1.1 100 Continue\r\n\r\n"
            handler.wfile.write(again if part == "status" else b"a")

    server.answer = answer
    start = time.monotonic()
    refused("it was not done after 0.5 seconds")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("http://localhost:{port}/model.pdparams", "redirected to http://localhost"),
        ("https://localhost:{port}/model.pdparams", "SSL"),  # followed, to no TLS
        ("file:///etc/hostname", "redirected to file:///etc/hostname"),
        ("ftp://127.0.0.1/a", "redirected to ftp://127.0.0.1/a"),
        ("data:text/plain,a", "redirected to data:text/plain,a"),
        ("http://[::1", "Invalid IPv6"),
        ("/model.pdparams", "redirected more than 5 times"),
        ("", "302 Found"),
    ],
)
def test_redirects(server, target, says):
    location = target.format(port=server.port)
    server.answer = lambda handler: head(handler, 302, Location=location)
    refused(says)
    assert len(server.paths) <= 6


def test_a_redirect_on_the_same_host_is_followed(server, content):
    """Without reading its own answer, which has no end here."""

    def answer(handler):
        if handler.path == "/model.pdparams":
            handler.send_response(301)
            handler.send_header("Location", "/other")
            return endless(server, handler, chunked=False)
        head(handler)
        return server.send(handler, content)

    server.answer = answer
    tensors = fetch(ROW, lambda tensors: None)
    np.testing.assert_array_equal(tensors["conv.weight"], TENSORS["conv.weight"])
    assert server.paths == ["/model.pdparams", "/other"]


def test_what_is_packed_for_the_way_is_not_unpacked(server, content):
    def answer(handler):
        assert handler.headers["Accept-Encoding"] == "identity"
        head(handler, Content_Encoding="gzip")
        server.send(handler, gzip.compress(content))

    server.answer = answer
    refused("did not give the published weights and was not kept", InputError)


@pytest.mark.parametrize("lie", ["abc", "-5", "100000", "100000000000000000000000"])
def test_a_length_that_lies(server, content, lie):
    """It is no number, or says less or more than there is."""

    def answer(handler):
        head(handler, Content_Length=lie)
        server.send(handler, content)

    server.answer = answer
    if lie in ("abc", "-5"):
        assert set(fetch(ROW, lambda tensors: None)) == {"conv.weight"}
    elif lie == "100000":
        refused("was not kept", InputError)
    else:
        refused("it has 100000000000000000000000 bytes")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"HTTP/1.1 500 a\x1b[2Jb\r\n\r\n", r"500 a \[2Jb"),
        (b"SSH-2.0\r\n\r\n", "SSH-2.0"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000 + b"\r\n", "more than 100"),
        (b"HTTP/1.1 " + b"2" * 100_000, "got more than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n", "Incomplete"),
        (b"", "closed connection without response"),
    ],
)
def test_answers_that_are_none(server, line, says):
    server.answer = lambda handler: server.send(handler, line)
    said = refused(f"Cannot download .*{says}")
    assert said.isprintable()


@pytest.mark.parametrize(
    "mirror", ["file:///etc", "ftp://a", "a", "http://a b", "http:"]
)
def test_a_mirror_that_is_none(server, monkeypatch, mirror):
    monkeypatch.setenv("KERAS_LRASPP_MIRROR", mirror)
    refused("Cannot download")


def test_a_full_disk_is_no_fault_of_the_server(server, content, monkeypatch):
    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, block):
            raise OSError(errno.ENOSPC, "No space left on device")

    def answer(handler):
        head(handler)
        server.send(handler, content)

    server.answer = answer
    plain = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, mode="r", **rest: (
            Full(plain(path, mode)) if mode == "wb" else plain(path, mode, **rest)
        ),
    )
    refused(f"Cannot write {ROW.cached}: No space left on device")


def test_ctrl_c_leaves_nothing(server):
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)

    def answer(handler):
        head(handler)
        server.send(handler, bytes(1 << 16))
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        server.over.wait(20)

    server.answer = answer
    try:
        with pytest.raises(KeyboardInterrupt):
            fetch(ROW, lambda tensors: None)
    finally:
        signal.signal(signal.SIGINT, usual)
    assert not [*ROW.cached.parent.iterdir()]


@pytest.mark.parametrize("pin", ["", "{", '{"sha256": 5}', "[" * 9999, None])
def test_a_pin_that_is_damaged_is_not_passed_over(server, pin):
    ROW.pin.parent.mkdir(parents=True)
    os.mkfifo(ROW.pin) if pin is None else ROW.pin.write_text(pin)
    with pytest.raises(InputError, match="mine.pdparams.json"):
        fetch(ROW, lambda tensors: None)
    assert not server.paths


def test_two_at_once_both_have_it(server, content):
    together, counts = threading.Barrier(2, timeout=20), itertools.count()

    def answer(handler):
        if next(counts) < 2:
            together.wait()
        head(handler, Content_Length=str(len(content)))
        server.send(handler, content)

    server.answer = answer
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(fetch(ROW, lambda tensors: None))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(server.paths) == 2
    assert ROW.cached.read_bytes() == content
    names = sorted(path.name for path in ROW.cached.parent.iterdir())
    assert names == ["mine.pdparams", "mine.pdparams.json"]
