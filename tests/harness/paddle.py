"""Checkpoints as PaddlePaddle writes them, and a server that publishes a folder."""

import contextlib
import functools
import http.server
import pickle
import threading
from pathlib import Path

import numpy as np

from harness import reference

# Published paths, below the mirror's address.
CITYSCAPES = "cityscapes/lraspp_mobilenetv3_cityscapes_1024x512_80k"
BACKBONE = "backbone/mobilenetv3_large_x1_0_ssld.tar.gz"


def write_pdparams(path: Path, tensors: dict[str, np.ndarray], protocol=4) -> Path:
    """Pickles tensors with the table of names that PaddlePaddle adds."""
    names = {name: f"param_{index}" for index, name in enumerate(tensors)}
    content = {**tensors, "StructuredToParameterName@@": names}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def backbone_tensors(variant: str) -> dict[str, np.ndarray]:
    """A backbone's own tensors, named without a prefix, and its classifier's."""
    tensors = {
        name.removeprefix("backbone."): value
        for name, value in reference.state_dict(variant).items()
        if name.startswith("backbone.")
    }
    tensors["last_conv.weight"] = np.ones((8, 960, 1, 1), "float32")
    tensors["fc.weight"] = np.ones((8, 10), "float32")
    tensors["fc.bias"] = np.ones(10, "float32")
    return tensors


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files; cuts those off that are named in `cut`."""

    requests: list[str]
    cut: set[str]

    def do_GET(self):
        self.requests.append(self.path)
        if self.path not in self.cut:
            return super().do_GET()
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return self.wfile.write(content[: len(content) // 2])

    def log_message(self, *arguments):
        pass


class Server:
    """What a test sees of a server: its address, what was asked for, what to cut."""

    def __init__(self, address: str, handler: type[_Handler]):
        self.address = address
        self.requests = handler.requests
        self.cut = handler.cut


@contextlib.contextmanager
def serving(folder: Path):
    """Serves a folder on the loopback interface; yields a `Server`."""
    handler = type("Handler", (_Handler,), {"requests": [], "cut": set()})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}", handler)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
