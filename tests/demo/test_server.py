"""The server of the demo: only the listed files, only to this machine, isolated."""

import http.client
import re
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from keras_lraspp.demo.server import HEADERS, SiteServer, serve
from keras_lraspp.errors import InputError

PAGE = Path(__file__).parents[2] / "examples/web/page/index.html"


@contextmanager
def serving(files):
    with SiteServer(files) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server(tmp_path):
    (tmp_path / "a.html").write_text("a page")
    (tmp_path / "b.wasm").write_bytes(bytes(1000))
    (tmp_path / "secret").write_text("no file of the page")
    files = {"index.html": "a.html", "runtime/b.wasm": "b.wasm", "gone.js": "gone.js"}
    with serving({name: tmp_path / path for name, path in files.items()}) as server:
        yield server


def ask(server, path="/", method="GET", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, 10)
    headers = {"Host": host or f"127.0.0.1:{server.server_port}"}
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_the_page_comes_with_its_type_and_the_headers_that_threads_need(server):
    answer, content = ask(server, "/?x=1")
    assert (answer.status, content) == (200, b"a page")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_a_head_request_gives_the_size_alone(server):
    host = f"localhost:{server.server_port}"
    answer, content = ask(server, "/runtime/b.wasm", "HEAD", host)
    assert (answer.status, content) == (200, b"")
    assert answer.headers["Content-Type"] == "application/wasm"
    assert answer.headers["Content-Length"] == "1000"


@pytest.mark.parametrize(
    "path",
    ["/secret", "/runtime/../secret", "/%2e%2e/etc/passwd", "/runtime/", "/gone.js"],
)
def test_what_is_not_listed_is_not_there(server, path):
    assert ask(server, path)[0].status == 404


def test_only_this_machine_is_answered(server):
    assert server.server_address[0] == "127.0.0.1"
    # A stranger's page whose name was made to lead here.
    assert ask(server, host="stranger.example")[0].status == 403
    assert ask(server, host="127.0.0.1:1")[0].status == 403


def test_nothing_can_be_sent(server):
    assert ask(server, method="POST")[0].status == 501


def test_a_taken_port_is_said(server):
    with pytest.raises(InputError, match=f"Port {server.server_port} cannot be used"):
        serve({}, server.server_port, False, "x")


def test_the_page_asks_for_the_policy_that_the_server_sends():
    policy = re.search(r'content="(default-src [^"]*)"', PAGE.read_text())[1]
    assert policy == HEADERS["Content-Security-Policy"]
