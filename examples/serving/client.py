"""Segments images with a model behind TensorFlow Serving; `--help` lists the flags.

Over gRPC it needs `pip install tensorflow-serving-api`, over REST nothing.
Exit codes: 0; 2 for a request that is refused; 3 for files and the server.
"""

import argparse
import os
import stat
import sys
from pathlib import Path

from errors import ServingError, printable

_OUTPUTS = {"labels": "label_png_bytes", "color": "color_png_bytes"}
_PORTS = {"rest": 8501, "grpc": 8500}
_LARGEST_IMAGE = 64 << 20  # bytes
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def main() -> int:
    """Sends one image and writes the answer; returns the exit code."""
    flags = _flags()
    try:
        if flags.protocol == "rest":
            from rest_client import predict_png
        else:
            from grpc_client import predict_png
    except ImportError as error:
        print(f"{error}; pip install tensorflow-serving-api.", file=sys.stderr)
        return 2
    server = flags.server or f"localhost:{_PORTS[flags.protocol]}"
    try:
        image = _read_image(flags.image)
        output = _checked_output(flags.output, flags.image)
        answer = predict_png(
            server,
            image,
            output=_OUTPUTS[flags.result],
            model=flags.model,
            version=flags.version,
            timeout=flags.timeout,
        )
        if not (answer.startswith(_PNG_START) and answer.endswith(_PNG_END)):
            raise ServingError(f"{server} answers with {answer[:16]!r}, no whole PNG.")
        _write(output, answer)
    except ServingError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        name = printable(error.filename or flags.output)
        print(f"{name}: {error.strerror or error}.", file=sys.stderr)
        return 3
    print(f"wrote {printable(flags.output)}")
    return 0


def _read_image(path: str) -> bytes:
    def at_once(name, how):  # opening a pipe waits for its other end
        return os.open(name, how | getattr(os, "O_NONBLOCK", 0))

    with open(path, "rb", opener=at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ServingError(f"{printable(path)} is no file; give a JPEG or PNG.")
        image = file.read(_LARGEST_IMAGE + 1)
    if len(image) > _LARGEST_IMAGE:
        raise ServingError(
            f"{printable(path)} has more than {_LARGEST_IMAGE >> 20} MB; make the "
            f"image smaller."
        )
    return image


def _checked_output(output: str, image: str) -> Path:
    """Returns where to write; refuses before anything is sent."""
    path = Path(os.path.realpath(output))
    if not path.parent.is_dir():
        raise ServingError(f"There is no folder {printable(path.parent)}; make it.")
    if path.exists() and (not path.is_file() or path.samefile(image)):
        raise ServingError(
            f"{printable(output)} is the image itself, or no file; choose another name."
        )
    return path


def _write(path: Path, content: bytes) -> None:
    """Writes beside it and renames, so that a whole file is there or the old one."""
    temporary = path.with_name(f".tmp-{os.getpid()}.png")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
    flags = parser.parse_args()
    if not 0 < flags.timeout <= 86_400:
        parser.error(f"--timeout is in seconds, up to a day, not {flags.timeout}")
    if flags.version is not None and not 0 < flags.version < 2**63:
        parser.error(f"--version is a whole number from 1, not {flags.version}")
    for name in ("server", "model"):
        value = getattr(flags, name)
        if value is not None and (not value.isprintable() or not value):
            parser.error(f"--{name} is not a name: {value!r}")
    return flags


if __name__ == "__main__":
    sys.exit(main())
