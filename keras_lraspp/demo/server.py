"""HTTP server on the loopback interface for the page of `keras-lraspp demo`."""

import os
import shutil
import sys
import threading
import webbrowser
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from keras_lraspp.errors import InputError

LOOPBACK = "127.0.0.1"
# What a server says with each file of the page. The first two isolate it, without which
# browsers give WebAssembly one thread; the third keeps it and its workers from loading
# or sending anything elsewhere.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Content-Security-Policy": "default-src 'none'; "
    "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; media-src blob:; style-src 'self'; base-uri 'none'; "
    "form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}


class SiteServer(ThreadingHTTPServer):
    """Serves a fixed list of files, and nothing else, to this machine.

    Args:
        files: Paths by the name that follows the address, as `"index.html"`.
        port: 0 for a free one.

    Raises:
        InputError: If the port is taken or may not be used.
    """

    daemon_threads = True

    def __init__(self, files: Mapping[str, Path], port: int = 0):
        self.files = files
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise InputError(
                f"Port {port} cannot be used ({error.strerror}); choose another "
                f"--port, or leave it out for a free one."
            ) from error

    @property
    def address(self) -> str:
        """What is typed into a browser."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def handle_error(self, request, client_address):
        """Passes over browsers that hang up; the rest is our own bug."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: SiteServer
    protocol_version = "HTTP/1.1"
    server_version = "keras-lraspp"
    timeout = 60  # seconds that an idle connection keeps its thread

    def do_GET(self) -> None:  # noqa: N802 (named by the standard library)
        self._answer(body=True)

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer(body=False)

    def log_message(self, format: str, *args) -> None:
        pass

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def _answer(self, body: bool) -> None:
        # A page elsewhere may call this machine by a name of its own.
        port = self.server.server_port
        if self.headers.get("Host") not in (f"{LOOPBACK}:{port}", f"localhost:{port}"):
            self.send_error(403, f"Ask for {self.server.address}")
            return
        name = unquote(urlsplit(self.path).path).removeprefix("/") or "index.html"
        path = self.server.files.get(name)
        if path is None or not path.is_file():
            self.send_error(404)
            return
        with path.open("rb") as file:
            self.send_response(200)
            kind = _TYPES.get(path.suffix, "application/octet-stream")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            self.end_headers()
            if body:
                shutil.copyfileobj(file, self.wfile)


def serve(files: Mapping[str, Path], port: int, browser: bool, what: str) -> None:
    """Serves the page until Ctrl-C, and opens it in the browser.

    Args:
        files: As for `SiteServer`.
        port: As for `SiteServer`.
        browser: Whether to open a browser, where there is a screen.
        what: What the page shows, for the message.

    Raises:
        InputError: As `SiteServer` does.
    """
    with SiteServer(files, port) as server:
        print(f"{what} is at {server.address} on this machine; Ctrl-C ends it.")
        if browser and _has_screen():
            opening = threading.Thread(
                target=webbrowser.open, args=(server.address,), daemon=True
            )
            opening.start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:  # its usual end
            print()


def _has_screen() -> bool:
    """Whether a window can open; on Linux a browser might else take the terminal."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
