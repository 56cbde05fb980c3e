"""The errors a user can cause or meet, each with the exit code of the scripts."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """One clear sentence for the person at the keyboard.

    The doors (`train.py` and its siblings) print the sentence and leave with
    `exit_code`. A traceback is reserved for our own bugs.
    """

    exit_code = 2


class InputError(UserError, ValueError):
    """Bad input or configuration: a file, a value or a combination of them."""

    exit_code = 2


class MissingPackageError(InputError, ImportError):
    """A package is not installed that a command or function needs."""


class StorageError(UserError, OSError):
    """A file could not be read, written or locked."""

    exit_code = 3


class DivergedError(UserError):
    """Training produced a loss that is not finite."""

    exit_code = 4


# Packages that not every command needs, by their modules.
OPTIONAL_PACKAGES = {
    "ai_edge_litert": "ai-edge-litert",
    "array_record": "array-record",
    "av": "av",
    "filelock": "filelock",
    "flatbuffers": "flatbuffers",
    "gin": "gin-config",
    "huggingface_hub": "huggingface_hub",
    "importlib_resources": "importlib-resources",
    "isal": "isal",
    "jax": "jax",
    "jinja2": "jinja2",
    "keras_cv": "keras-cv",
    "loky": "loky",
    "matplotlib": "matplotlib",
    "onnx": "onnx",
    "onnx_ir": "onnx-ir",
    "onnxruntime": "onnxruntime",
    "onnxscript": "onnxscript",
    "pycocotools": "pycocotools",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "tensorboard": "tensorboard",
    "tensorflow": "tensorflow",
    "tensorflow_datasets": "tensorflow-datasets",
    "tensorflow_serving": "tensorflow-serving-api",
    "tf2onnx": "tf2onnx",
    "torch": "torch",
}


@contextmanager
def naming_packages(what: str) -> Iterator[None]:
    """Says which package is missing, where an import in the block finds none.

    Also a decorator.

    Args:
        what: What needs it, the beginning of the sentence.

    Raises:
        MissingPackageError: For a package that this library uses.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = OPTIONAL_PACKAGES.get((error.name or "").partition(".")[0])
        if package is None:
            raise
        raise MissingPackageError(
            f"{what} needs the package {package}, which is not installed; run `pip "
            f"install {package}`, or `pip install keras-lraspp` for all that is needed."
        ) from error


_SHOWN = 5


def abbreviate(items: Iterable) -> str:
    """Lists the first five of the items, and says how many more there are."""
    items = [str(item) for item in items]
    text = ", ".join(items[:_SHOWN])
    more = len(items) - _SHOWN
    return f"{text} and {more} more" if more > 0 else text
