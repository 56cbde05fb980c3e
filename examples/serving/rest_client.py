"""One image to the server over REST, with nothing but Python's own library."""

import base64
import contextlib
import http.client
import json
import queue
import threading
import time
from collections.abc import Callable
from urllib.parse import quote

from errors import LARGEST_ANSWER, RefusedError, ServingError, printable, with_hint

_LARGEST_ERROR = 1 << 16
# Brackets and commas of an answer in JSON; one of two PNGs has eight. Millions of them
# would take gigabytes as Python's objects, or more depth than Python has.
_MOST_PARTS = 100


def predict_png(
    server: str,
    image: bytes,
    *,
    output: str,
    model: str = "lraspp",
    version: int | None = None,
    timeout: float = 30.0,
) -> bytes:
    """Sends an encoded image, returns what the server says is a PNG.

    The signature is `serve_png`: that of `serve_bytes` would also answer with every
    label as a number in JSON, megabytes of them.

    Args:
        server: "host:port", the port of REST (8501).
        image: A JPEG or PNG file's bytes.
        output: `"label_png_bytes"` or `"color_png_bytes"`.
        model: Its name in models.config.
        version: Number of the version; `None` for the newest.
        timeout: Seconds until the whole answer must be there.

    Returns:
        The bytes of a PNG of the image's size.

    Raises:
        RefusedError: If the server does not take the request.
        ServingError: If it cannot be reached, is too slow, fails, sends elsewhere or
            answers with something else.
    """
    which = "" if version is None else f"/versions/{version}"
    path = f"/v1/models/{quote(model, safe='')}{which}:predict"
    request = {
        "signature_name": "serve_png",
        "instances": [{"image_bytes": {"b64": base64.b64encode(image).decode()}}],
    }
    body = json.dumps(request).encode()
    end = time.monotonic() + timeout
    try:
        status, answer = _in_time(lambda: _post(server, path, body, end), timeout)
    except TimeoutError as error:
        raise ServingError(f"{server} did not answer within {timeout:g} s.") from error
    except http.client.HTTPException as error:
        raise ServingError(
            f"{server} does not speak HTTP, or broke off ({type(error).__name__}); is "
            f"this its port for REST?"
        ) from error
    except (OSError, ValueError) as error:
        raise ServingError(
            f"Cannot reach a server at {server}; is it running, and is this its port "
            f"for REST?"
        ) from error
    return _png(status, answer, output, server)


def _in_time(run: Callable[[], object], seconds: float) -> object:
    """Calls `run` in a thread of its own; raises TimeoutError if it takes too long.

    A socket's timeout starts anew with each byte, and finding an address has none.
    """
    results = queue.SimpleQueue()

    def work():
        try:
            results.put((run(), None))
        except Exception as error:
            results.put((None, error))

    threading.Thread(target=work, daemon=True).start()  # the process need not wait
    try:
        result, error = results.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return result


def _post(server: str, path: str, body: bytes, end: float) -> tuple[int, bytes]:
    """Returns status and body; redirections are not followed, nothing is unpacked."""
    connection = http.client.HTTPConnection(server, timeout=end - time.monotonic())
    with contextlib.closing(connection):
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        target = response.getheader("Location")
        if 300 <= response.status < 400:
            raise ServingError(
                f"{server} answers {response.status} and sends to {printable(target)}; "
                f"the image goes to no other server than that of --server."
            )
        packing = response.getheader("Content-Encoding", "identity")
        if packing != "identity":
            raise ServingError(
                f"{server} answers with {printable(packing)}, which was not asked for."
            )
        if response.status != 200:
            return response.status, _read(response, _LARGEST_ERROR, end)
        answer = _read(response, LARGEST_ANSWER, end)
    if len(answer) > LARGEST_ANSWER:
        raise ServingError(
            f"{server} answers with more than {LARGEST_ANSWER >> 20} MB; is this a "
            f"model of export.py?"
        )
    return response.status, answer


def _read(response: http.client.HTTPResponse, most: int, end: float) -> bytes:
    """Returns the body; of one with more than `most` bytes at least one more."""
    if (response.length or 0) > most:
        return bytes(most + 1)
    answer = bytearray()
    while len(answer) <= most and (part := response.read1(1 << 16)):
        answer += part
        if time.monotonic() > end:  # nobody waits for it any more
            raise TimeoutError
    return bytes(answer)


def _png(status: int, content: bytes, output: str, server: str) -> bytes:
    try:
        if status == 200 and sum(map(content.count, (b"[", b"{", b","))) > _MOST_PARTS:
            raise ServingError(f"{server} answers without {output}.")
        answer = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ServingError(
            f"{server} answers {status} without JSON; is this the port for REST?"
        ) from error
    if status != 200:
        kind = RefusedError if status < 500 else ServingError
        reason = answer.get("error", answer) if isinstance(answer, dict) else answer
        reason = with_hint(printable(reason))
        raise kind(f"{server} answers {status}: {reason}")
    try:
        (row,) = answer["predictions"]
        return base64.b64decode(row[output]["b64"], validate=True)
    except (LookupError, TypeError, ValueError) as error:
        raise ServingError(
            f"{server} answers without {output}: {printable(answer)}"
        ) from error
