"""Opens exported files, each in its own runtime."""

import math
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from keras_lraspp.classes import MOST_CLASSES
from keras_lraspp.errors import (
    InputError,
    StorageError,
    UserError,
    naming_packages,
)
from keras_lraspp.export.foreign import (
    MOST_BYTES,
    check_litert,
    check_onnx,
    not_finite,
    printable,
)
from keras_lraspp.export.foreign_saved_model import check_saved_model
from keras_lraspp.export.metadata import (
    ASSET,
    INPUT,
    KEY,
    MEND,
    MOST_METADATA,
    OUTPUTS,
    Metadata,
)
from keras_lraspp.files import read_regular
from keras_lraspp.inference.tta import SINGLE_PASS
from keras_lraspp.pixels import MOST_CHANNELS
from keras_lraspp.schema import parse_json, read_json


class ExportedModel:
    """An exported file that is ready to be used: a `Predictor` in its own runtime.

    Attributes:
        path: The file or folder.
        outputs: The outputs that it has, some of `OUTPUTS`.
        sides: Height and width of its images; `None` where any will do.
        channels: Number of channels of its images.
        num_classes: Number of classes; 0 if the file does not say it.
        smallest_side: Smallest height and width of an image, in pixels.
        variant: Name of the network, `None` if the file does not say it.
        classes: Names and colours of the classes, `None` if the file says none.
        options: One pass over the image, as for every `Predictor`.
    """

    options = SINGLE_PASS

    def __init__(
        self,
        path: Path,
        run: Callable[[str, np.ndarray], np.ndarray],
        outputs: Sequence[str],
        sides: tuple[int | None, int | None],
        channels: int,
        metadata: Metadata,
    ):
        self.path = path
        self.outputs = tuple(outputs)
        self.sides = sides
        self.channels = channels
        self.num_classes, self.smallest_side, self.variant, self.classes = metadata
        self._run = run
        if self.num_classes == 1:
            raise InputError(
                f"{path} has one class, so that every pixel is of it; export the model "
                f"again, which makes a background of one channel."
            )

    def __reduce__(self):
        """Leaves the runtime out: the file is opened anew, on all cores."""
        return open_exported, (self.path,)

    @property
    def size(self) -> tuple[int, int] | None:
        """The only (height, width) of images, `None` if a side is free."""
        return None if None in self.sides else self.sides

    def labels(self, images: np.ndarray) -> np.ndarray:
        """Returns the class of every pixel, as every `Predictor` does."""
        self._check(images)
        if "labels" in self.outputs:
            found = self._call("labels", images)
            self._check_labels(found)
        else:
            found = self._scores(self.outputs[0], images).argmax(-1)
        return found.astype("uint8" if 0 < self.num_classes <= 256 else "int32")

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 (B, H, W, classes); InputError if the file has no logits."""
        return self._scores("logits", images)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 (B, H, W, classes), 0 to 1, from the logits if need be."""
        if "probabilities" not in self.outputs and "logits" in self.outputs:
            logits = self._scores("logits", images)
            raised = np.exp(logits - logits.max(-1, keepdims=True))
            return raised / raised.sum(-1, keepdims=True)
        return self._scores("probabilities", images)

    def _scores(self, name: str, images: np.ndarray) -> np.ndarray:
        if name not in self.outputs:
            raise InputError(
                f"{self.path} has no output {name}, only {', '.join(self.outputs)}; "
                f"export it with --outputs=labels,{name}."
            )
        self._check(images)
        found = self._call(name, images)
        if not (math.isfinite(found.min()) and math.isfinite(found.max())):
            raise InputError(
                f"{self.path} gives {name} that are NaN or infinite; export it again "
                f"from weights that are finite."
            )
        return found

    def _call(self, name: str, images: np.ndarray) -> np.ndarray:
        """Runs a file and checks what it gives: it may be anybody's."""
        height, width = images.shape[1:3]
        try:
            found = np.asarray(self._run(name, images))
        except Exception as error:  # of the runtime: the image was checked before
            raise InputError(
                f"{self.path} cannot be run on an image of {height}x{width} "
                f"({_reason(error)}); try a smaller one, or export the model again."
            ) from error
        wanted, kinds = images.shape[:3], "iu"
        if name != "labels":
            wanted, kinds = (*wanted, self.num_classes or found.shape[-1]), "f"
        if found.shape != wanted or found.dtype.kind not in kinds:
            raise InputError(
                f"{self.path} gives {name} {found.dtype} {found.shape} where "
                f"{'integers' if kinds == 'iu' else 'floats'} {wanted} are expected; "
                f"export the model again."
            )
        return found

    def _check_labels(self, found: np.ndarray) -> None:
        lowest, highest = int(found.min()), int(found.max())
        if lowest < 0 or highest >= (self.num_classes or MOST_CLASSES):
            raise InputError(
                f"{self.path} gives labels from {lowest} to {highest}, but has "
                f"{self.num_classes or f'at most {MOST_CLASSES}'} classes; export the "
                f"model again."
            )

    def _check(self, images: np.ndarray) -> None:
        shape, dtype = np.shape(images), getattr(images, "dtype", type(images))
        channels = self.channels
        if len(shape) != 4 or shape[-1] != channels or dtype != np.uint8 or 0 in shape:
            raise InputError(
                f"Images are uint8 (batch, height, width, {channels}), not {dtype} "
                f"{shape}."
            )
        pairs = zip(self.sides, shape[1:3], strict=True)
        if any(side not in (None, given) for side, given in pairs):
            raise InputError(
                f"The image is {shape[1]}x{shape[2]}, but {self.path} was exported for "
                f"{'x'.join(str(side or 'any') for side in self.sides)}; resize the "
                f"image, or export the model for its size."
            )
        if min(shape[1:3]) < self.smallest_side:
            raise InputError(
                f"The image is {shape[1]}x{shape[2]}, but the smallest side of "
                f"{self.path} is {self.smallest_side} pixels; enlarge the image."
            )


def open_exported(path: str | Path, threads: int | None = None) -> ExportedModel:
    """Opens an exported file by its kind: `.onnx`, `.tflite`, or a SavedModel's folder.

    Args:
        path: The file or the folder of one version.
        threads: Number of threads of ONNX Runtime or LiteRT; `None` for all cores.

    Raises:
        InputError: If it is none of these, damaged, or the runtime is not installed.
        StorageError: If it cannot be read.
    """
    kind = Path(path)
    if kind.suffix == ".onnx":
        return open_onnx(kind, threads)
    if kind.suffix == ".tflite":
        return open_litert(kind, threads)
    if (kind / "saved_model.pb").is_file():
        return open_saved_model(kind)
    raise InputError(
        f"{path} is no exported model: expected a .onnx or .tflite file, or a folder "
        f"with saved_model.pb."
    )


@naming_packages("An ONNX file")
def open_onnx(path: str | Path, threads: int | None = None) -> ExportedModel:
    """Opens an ONNX file in ONNX Runtime; see `open_exported`."""
    import onnxruntime

    path, options = Path(path), onnxruntime.SessionOptions()
    content = _read(path)
    options.log_severity_level = 4  # what goes wrong is raised
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        content = check_onnx(content, path)
        session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        (given,) = session.get_inputs()
        described = given.name, given.type, len(given.shape)
        if described != (INPUT, "tensor(uint8)", 4):
            raise ValueError(f"its input is {given.name}, {given.type} {given.shape}")
        *sides, channels = (
            side if isinstance(side, int) else None for side in given.shape[1:]
        )
        channels = _channels(channels)
        made = {output.name: output.shape for output in session.get_outputs()}
        entries = session.get_modelmeta().custom_metadata_map
        metadata = Metadata.of_entries(entries, _count(made), str(path))
    except (UserError, ImportError):
        raise
    except Exception as error:  # damaged files raise many kinds
        raise InputError(_damaged(path, "an ONNX", error)) from error

    def run(name, images):
        return session.run([name], {INPUT: np.ascontiguousarray(images)})[0]

    return ExportedModel(path, run, _known(made), tuple(sides), channels, metadata)


@naming_packages("A LiteRT file")
def open_litert(path: str | Path, threads: int | None = None) -> ExportedModel:
    """Opens a LiteRT file in LiteRT; see `open_exported`."""
    path = Path(path)
    content = _read(path)
    try:
        check_litert(content, path)
        opened = LiteRTFile(content, threads, str(path))
    except (UserError, ImportError):
        raise
    except Exception as error:
        raise InputError(_damaged(path, "a LiteRT", error)) from error
    return ExportedModel(
        path,
        lambda name, images: opened(images)[name],
        opened.outputs,
        opened.size,
        opened.channels,
        opened.metadata,
    )


@naming_packages("A SavedModel")
def open_saved_model(path: str | Path) -> ExportedModel:
    """Opens a SavedModel, the folder of one version; see `open_exported`."""
    import tensorflow as tf

    path, names = Path(path), ("serving_default", *OUTPUTS)
    try:
        check_saved_model(path, names)
        loaded = tf.saved_model.load(str(path))
        signatures = dict(loaded.signatures)
        found = {}
        for signature in names:
            made = signatures[signature] if signature in signatures else None
            for name in made.structured_outputs if made is not None else ():
                found.setdefault(name, made)
        first = found[_known(found)[0]]
        pixels = first.structured_input_signature[1][INPUT]
        if (pixels.dtype, pixels.shape.rank) != (tf.uint8, 4):
            raise ValueError(f"its input is {pixels.dtype.name} {pixels.shape}")
        sides, channels = tuple(pixels.shape[1:3]), _channels(pixels.shape[3])
        for variable in {id(each): each for each in first.variables}.values():
            if not np.isfinite(variable.numpy()).all():
                raise InputError(not_finite(path))
        note, entries = path / "assets" / ASSET, {}
        if note.is_file():
            entries = read_json(note, dict[str, str], mend=MEND, most=MOST_METADATA)
        shapes = {name: found[name].structured_outputs[name].shape for name in found}
        metadata = Metadata.of_entries(entries, _count(shapes), str(path))
    except (UserError, ImportError):
        raise
    except Exception as error:
        raise InputError(_damaged(path, "a SavedModel", error)) from error

    def run(name, images):
        return found[name](**{INPUT: tf.constant(images)})[name].numpy()

    model = ExportedModel(path, run, _known(found), sides, channels, metadata)
    model.loaded = loaded  # its signatures do not keep its weights alive
    return model


def read_entries(content: bytes, source: str = "The file") -> dict[str, str]:
    """Returns the texts by name of a LiteRT file of ours, of others none.

    They are one JSON object, in the buffer of a metadata entry `keras_lraspp`; it is an
    InputError if that is damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == KEY.encode():
            buffer = model.Buffers(entry.Buffer())
            if buffer.DataLength() > MOST_METADATA:
                raise InputError(f"{source} has too much metadata; {MEND}.")
            data = bytes(buffer.DataAsNumpy())
            source = f"metadata `{KEY}` of {source}"
            return parse_json(data, dict[str, str], source, mend=MEND)
    return {}


class LiteRTFile:
    """The content of a LiteRT file in its interpreter.

    Attributes:
        outputs: Names of its outputs.
        size: (height, width) of its images.
        channels: Number of channels of its images.
        metadata: What the file says of itself.
    """

    def __init__(
        self, content: bytes, threads: int | None = None, source: str = "The file"
    ):
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(
            model_content=content, num_threads=threads or os.cpu_count() or 1
        )
        self._run = self._interpreter.get_signature_runner()
        self._lock = threading.Lock()
        pixels = self._run.get_input_details()[INPUT]
        made = self._run.get_output_details()
        if pixels["dtype"] is not np.uint8 or len(pixels["shape"]) != 4:
            raise ValueError("its input is not uint8 (1, H, W, channels)")
        self.outputs = _known(made)
        *size, channels = map(int, pixels["shape"][1:])
        self.size, self.channels = tuple(size), _channels(channels)
        shapes = {name: made[name]["shape"].tolist() for name in self.outputs}
        entries = read_entries(content, source)
        self.metadata = Metadata.of_entries(entries, _count(shapes), source)

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs by name of uint8 images (B, *size, C), one by one."""
        with self._lock:  # the interpreter has one set of tensors
            results = [self._run(**{INPUT: image[None]}) for image in images]
        if len(results) == 1:
            return results[0]
        return {
            name: np.concatenate([result[name] for result in results])
            for name in self.outputs
        }


def _known(names) -> tuple[str, ...]:
    known = tuple(name for name in OUTPUTS if name in names)
    if not known:
        raise ValueError(f"it returns {', '.join(names) or 'nothing'}")
    return known


def _channels(last: int | None) -> int:
    """Returns the channels that the input's last side says; RGB's if it is free."""
    if last is not None and not 1 <= last <= MOST_CHANNELS:
        raise ValueError(f"its input has {last} channels")
    return last or 3


def _count(shapes) -> int:
    """Returns the number of classes that the shape of the scores says, else 0."""
    for name in OUTPUTS[1:]:
        if name in shapes and isinstance(shapes[name][-1], int):
            return shapes[name][-1]
    return 0


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MOST_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; check the path.") from error
    except UserError:
        raise
    except OSError as error:
        raise StorageError(
            f"Cannot read {path}: {error.strerror or error}. Check the path."
        ) from error


def _damaged(path: Path, what: str, error: Exception) -> str:
    return (
        f"{path} is not {what} file from `image` to `labels` or scores "
        f"({_reason(error)}); export the model again."
    )


def _reason(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    # TensorFlow says it in front of the node; an assertion there is text of the file.
    nodes = [at for at, line in enumerate(lines) if line.startswith("\t [[")]
    line = lines[max(nodes[0] - 1, 0) if nodes else 0]
    return printable(line)
