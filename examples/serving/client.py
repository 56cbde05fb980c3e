"""Segments images with a model behind TensorFlow Serving; `--help` lists the flags.

Needs `pip install requests` for REST; `pip install tensorflow-serving-api` for gRPC.
Exit codes: 0; 2 for a request that is refused; 3 for files and the server.
"""

import argparse
import sys
from pathlib import Path

from errors import ServingError

_OUTPUTS = {"labels": "label_png_bytes", "color": "color_png_bytes"}
_PORTS = {"rest": 8501, "grpc": 8500}


def main() -> int:
    """Sends one image and writes the answer; returns the exit code."""
    flags = _flags()
    if flags.protocol == "rest":
        from rest_client import predict_png
    else:
        from grpc_client import predict_png
    server = flags.server or f"localhost:{_PORTS[flags.protocol]}"
    try:
        answer = predict_png(
            server,
            Path(flags.image).read_bytes(),
            output=_OUTPUTS[flags.result],
            model=flags.model,
            version=flags.version,
            timeout=flags.timeout,
        )
        Path(flags.output).write_bytes(answer)
    except ServingError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{error.filename}: {error.strerror}.", file=sys.stderr)
        return 3
    print(f"wrote {flags.output}")
    return 0


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="segment an image on a server")
    parser.add_argument("image", help="a JPEG or PNG file")
    parser.add_argument("output", help="the PNG to write")
    parser.add_argument("--result", choices=_OUTPUTS, default="labels")
    parser.add_argument("--protocol", choices=_PORTS, default="rest")
    parser.add_argument("--server", help="HOST:PORT (default: localhost, usual port)")
    parser.add_argument("--model", default="lraspp", help="its name in models.config")
    parser.add_argument("--version", type=int, help="of the model (default: newest)")
    parser.add_argument("--timeout", type=float, default=30.0, help="in seconds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
