"""One image to the server over REST."""

import base64
import binascii

import requests
from errors import RefusedError, ServingError


def predict_png(
    server: str,
    image: bytes,
    *,
    output: str,
    model: str = "lraspp",
    version: int | None = None,
    timeout: float = 30.0,
) -> bytes:
    """Sends an encoded image, returns a PNG.

    The signature is `serve_png`: that of `serve_bytes` would also answer with every
    label as a number in JSON, megabytes of them.

    Args:
        server: "host:port", the port of REST (8501).
        image: A JPEG or PNG file's bytes.
        output: `"label_png_bytes"` or `"color_png_bytes"`.
        model: Its name in models.config.
        version: Number of the version; `None` for the newest.
        timeout: Seconds to wait for a connection, and for the answer.

    Returns:
        The bytes of a PNG of the image's size.

    Raises:
        RefusedError: If the server does not take the request.
        ServingError: If it cannot be reached, is too slow or fails.
    """
    which = "" if version is None else f"/versions/{version}"
    request = {
        "signature_name": "serve_png",
        "instances": [{"image_bytes": {"b64": base64.b64encode(image).decode()}}],
    }
    try:
        response = requests.post(
            f"http://{server}/v1/models/{model}{which}:predict",
            json=request,
            timeout=timeout,
        )
    except requests.Timeout as error:
        raise ServingError(f"{server} did not answer within {timeout:g} s.") from error
    except requests.RequestException as error:
        raise ServingError(
            f"Cannot reach a server at {server}; is it running, and is this its port "
            f"for REST?"
        ) from error
    return _png(response, output, server)


def _png(response: requests.Response, output: str, server: str) -> bytes:
    try:
        answer = response.json()
    except ValueError as error:
        raise ServingError(
            f"{server} answers {response.status_code} without JSON; is this the port "
            f"for REST?"
        ) from error
    if not response.ok:
        kind = RefusedError if response.status_code < 500 else ServingError
        reason = answer.get("error", answer) if isinstance(answer, dict) else answer
        raise kind(f"{server} answers {response.status_code}: {reason}")
    try:
        return base64.b64decode(answer["predictions"][0][output]["b64"], validate=True)
    except (KeyError, IndexError, TypeError, binascii.Error) as error:
        raise ServingError(f"{server} answers without {output}: {answer}") from error
