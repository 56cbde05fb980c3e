"""One image to the server over gRPC."""

import grpc
from errors import LARGEST_ANSWER, RefusedError, ServingError, printable, with_hint
from tensorflow import make_tensor_proto
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

_OPTIONS = (
    # gRPC's own limit of 4 MiB is a small image.
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
    ("grpc.max_send_message_length", LARGEST_ANSWER),
    # The image goes to --server alone, as over REST.
    ("grpc.enable_http_proxy", 0),
    # A PNG is compressed already: nothing is unpacked.
    ("grpc.compression_enabled_algorithms_bitset", 1),
)
_REFUSALS = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
)


def predict_png(
    server: str,
    image: bytes,
    *,
    output: str,
    model: str = "lraspp",
    version: int | None = None,
    timeout: float = 30.0,
) -> bytes:
    """Sends an encoded image, returns a PNG; see `rest_client.predict_png`.

    The signature is `serve_bytes`; of its outputs only the one that is wanted is
    computed and sent.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "serve_bytes"
    if version is not None:
        request.model_spec.version.value = version
    request.inputs["image_bytes"].CopyFrom(make_tensor_proto([image]))
    request.output_filter.append(output)
    with grpc.insecure_channel(server, _OPTIONS) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            response = stub.Predict(request, timeout=timeout)
        except grpc.RpcError as error:
            raise _explained(error, server, timeout) from error
    answer = response.outputs[output].string_val  # empty if there is no such output
    if len(answer) != 1:
        raise ServingError(f"{server} answers without {output}.")
    return answer[0]


def _explained(error: grpc.RpcError, server: str, timeout: float) -> ServingError:
    code = error.code()
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return ServingError(f"{server} did not answer within {timeout:g} s.")
    if code == grpc.StatusCode.UNAVAILABLE:
        return ServingError(
            f"Cannot reach a server at {server}; is it running, and is this its port "
            f"for gRPC?"
        )
    kind = RefusedError if code in _REFUSALS else ServingError
    reason = with_hint(printable(error.details()))
    return kind(f"{server} answers {code.name}: {reason}")
