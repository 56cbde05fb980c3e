"""TensorFlow Serving's part: a SavedModel in a TF1 session, behind REST and gRPC.

The server itself cannot be had from the package registries. This runs signatures as
it does, in a session that is fed and fetched by the names in the SignatureDef, and
follows its rules for REST: base64 for names that end in `_bytes`, errors as JSON.
"""

import base64
import json
import re
import threading
from concurrent import futures
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import numpy as np
import tensorflow as tf
from tensorflow.python.client import pywrap_tf_session


class ServedModel:
    """A SavedModel as the server loads it."""

    def __init__(self, folder: Path):
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            meta = tf.compat.v1.saved_model.load(self.session, ["serve"], str(folder))
        self.signatures = meta.signature_def

    def __call__(self, signature: str, outputs=(), **inputs) -> dict:
        """Runs a signature; `outputs` is the filter of gRPC, empty for all."""
        if signature not in self.signatures:
            message = f'Serving signature key "{signature}" not found.'
            raise tf.errors.InvalidArgumentError(None, None, message)
        row = self.signatures[signature]
        fetches = {
            name: tensor.name
            for name, tensor in row.outputs.items()
            if not outputs or name in outputs
        }
        feeds = {row.inputs[name].name: value for name, value in inputs.items()}
        return self.session.run(fetches, feeds)

    def unchecked(self, signature: str, value: np.ndarray) -> list[np.ndarray]:
        """Runs a signature by TensorFlow's C interface, which compares no shapes."""
        row, tensor = self.signatures[signature], self.session.graph.get_tensor_by_name
        (fed,) = (tensor(item.name)._as_tf_output() for item in row.inputs.values())
        wanted = [tensor(item.name)._as_tf_output() for item in row.outputs.values()]
        run = pywrap_tf_session.TF_SessionRun_wrapper
        return run(self.session._session, None, {fed: value}, wanted, [], None)


@contextmanager
def rest_server(model: ServedModel, name: str = "lraspp"):
    """Serves `/v1/models/<name>:predict`; yields "host:port"."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != f"/v1/models/{name}:predict":
                return self.answer(404, {"error": f"no servable at {self.path}"})
            rows = [
                {key: _value(value) for key, value in row.items()}
                for row in body["instances"]
            ]
            inputs = {key: [row[key] for row in rows] for key in rows[0]}
            try:
                found = model(body.get("signature_name", "serving_default"), **inputs)
            except tf.errors.InvalidArgumentError as error:
                return self.answer(400, {"error": error.message})
            return self.answer(200, {"predictions": _predictions(found)})

        def answer(self, code, content):
            text = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def raw_server(answer):
    """Calls `answer(socket, request)` for each request over HTTP; yields "host:port".

    The connection ends with the call; that the client hangs up meanwhile is no fault.
    """

    class Handler(StreamRequestHandler):
        def handle(self):
            head = b"".join(iter(self.rfile.readline, b"\r\n"))
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            body = self.rfile.read(int(length[1])) if length else b""
            with suppress(OSError):
                answer(self.request, head + body)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def grpc_server(model: ServedModel, name: str = "lraspp"):
    """Serves `PredictionService.Predict`; yields "host:port"."""
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            asked = request.model_spec.name
            if asked != name:
                context.abort(grpc.StatusCode.NOT_FOUND, f"no servable {asked}")
            inputs = {
                key: tf.make_ndarray(value) for key, value in request.inputs.items()
            }
            signature = request.model_spec.signature_name or "serving_default"
            try:
                found = model(signature, request.output_filter, **inputs)
            except tf.errors.InvalidArgumentError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
            response = predict_pb2.PredictResponse()
            for key, value in found.items():
                response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
            return response

    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Service(), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)


def _value(value):
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _predictions(found: dict) -> list:
    """One entry per image; a signature of one output has no names in JSON."""
    columns = {
        name: [{"b64": base64.b64encode(item).decode()} for item in values]
        if name.endswith("_bytes")
        else np.asarray(values).tolist()
        for name, values in found.items()
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values())]  # noqa: B905
    return [*columns.values()][0] if len(columns) == 1 else rows
