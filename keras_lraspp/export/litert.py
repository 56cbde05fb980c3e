"""LiteRT (TensorFlow Lite) files, for phones and small computers."""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.export.calibration import representative_images
from keras_lraspp.export.graph import (
    CONVERTER_STYLES,
    FileContents,
    choose_contents,
    inference_graph,
    quiet_converter,
    require_tensorflow,
)
from keras_lraspp.export.litert_metadata import add_metadata
from keras_lraspp.export.litert_quantizing import try_in_child, within_limits
from keras_lraspp.export.metadata import INPUT, check_precision
from keras_lraspp.export.parity import (
    ParityError,
    ParityReport,
    check_parity,
    resize_to,
)
from keras_lraspp.export.runtimes import LiteRTFile
from keras_lraspp.files import replacing


def export_litert(
    model: keras.Model,
    path: str | Path,
    *,
    size: Sequence[int] | None = None,
    precision: str = "float32",
    representative: Iterable[np.ndarray] | None = None,
    outputs: Sequence[str] = ("labels",),
    classes: ClassSet | None = None,
    variant: str | None = None,
    images: Iterable[np.ndarray] = (),
    overwrite: bool = False,
) -> ParityReport:
    """Writes a LiteRT file from one uint8 image to its labels, and compares it.

    The input `image` is uint8 (1, H, W, C) of one size, RGB by default, in every
    precision. Only built-in operators are used. The file is run in LiteRT and compared
    with the model before it takes its place. Classes, colours and variant are in the
    file, see `keras_lraspp.export.runtimes`.

    Args:
        model: As for `export_onnx`.
        path: The file, usually `<name>.tflite`.
        size: (height, width) of the image; `None` for that which `model` takes alone.
        precision: `"float32"`; `"float16"`, half the size, for GPUs; `"dynamic"`,
            weights in 8 bits, a quarter of the size; or `"int8"`, also all arithmetic
            in 8 bits, for the smallest devices.
        representative: For `"int8"`, uint8 images (H, W, C) to see the ranges of
            values on, e.g. 100 of the training set; resized to `size`.
        outputs: As for `export_onnx`.
        classes: Names and colours of the classes.
        variant: Name of the network.
        images: More images to compare on, uint8 (H, W, C).
        overwrite: Whether to replace the file if it is there.

    Returns:
        How the file compares with the model. That `"dynamic"` and `"int8"` agree well
        enough is for the caller to judge.

    Raises:
        InputError: On another backend than TensorFlow, for bad arguments, or if the
            file is there.
        ParityError: If the file of `"float32"` or `"float16"` gives other labels than
            the model.
        StorageError: If it cannot be written.
    """
    require_tensorflow("A LiteRT file")
    contents = choose_contents(model, outputs, size, classes, variant)
    if None in contents.sides:
        raise InputError("A LiteRT file is for one size; give size=(height, width).")
    check_precision("litert", precision)
    if precision == "int8":
        representative = representative_images(representative)
    target = Path(path)
    if target.exists() and not overwrite:
        raise InputError(f"{target} is there already; choose another or --overwrite.")
    content, report = convert_to_litert(
        contents, target, images, precision, representative
    )
    with replacing(target) as temporary:
        temporary.write_bytes(content)
    return report


def convert_to_litert(
    contents: FileContents,
    path: Path,
    images: Iterable[np.ndarray],
    precision: str,
    representative: Iterable[np.ndarray] | None,
) -> tuple[bytes, ParityReport]:
    """Returns the content of a LiteRT file, which will be at `path`, and its parity."""
    calibration = None
    if precision == "int8":
        calibration = _calibration(
            representative_images(representative), contents.sides
        )
    content = _convert(contents, precision, calibration)
    if precision == "int8":
        content = within_limits(content)
    content = add_metadata(content, contents.metadata)
    return content, _check(contents, content, precision, images, path)


def _convert(contents: FileContents, precision: str, calibration) -> bytes:
    import tensorflow as tf

    model, outputs, sides, _ = contents
    style = f"litert_{precision}"
    style = style if style in CONVERTER_STYLES else "litert"
    graph = inference_graph(model, style, outputs, sides, batch=1)
    if precision == "int8":
        graph = _of_floats(graph, (1, *sides, contents.channels))
    module = tf.Module()
    module.serve = graph
    # A model that is not written anew has variables, which the module must hold.
    module.weights = [variable.value for variable in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [graph.get_concrete_function()], module
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = calibration
        converter.inference_input_type = tf.uint8
    with quiet_converter("tensorflow"):
        return converter.convert()


def _of_floats(graph, shape: tuple[int, ...]):
    """Takes pixels as floats: the converter itself makes them uint8 again."""
    import tensorflow as tf

    spec = tf.TensorSpec(shape, tf.float32, name=INPUT)
    return tf.function(
        lambda image: graph.python_function(image),
        input_signature=[spec],
        autograph=False,
    )


def _calibration(
    images: list[np.ndarray], sides
) -> Callable[[], Iterable[list[np.ndarray]]]:
    def batches():
        for index, image in enumerate(images):
            pixels = resize_to(image, sides).astype("float32")
            if index == 0:  # so that one step of the input is one step of a pixel
                pixels[0, 0, 0], pixels[0, 0, -1] = 0, 255
            yield [pixels]

    return batches


def _check(contents: FileContents, content, precision, images, path) -> ParityReport:
    outputs = contents.outputs
    same = precision in ("float32", "float16")  # the others lose some labels
    if precision == "int8" and (reason := try_in_child(content)):
        raise _cannot_run(path, precision, reason)
    run = run_scores = LiteRTFile(content)
    if "logits" not in outputs and same:
        scores = _convert(contents._replace(outputs=("logits",)), precision, None)
        run_scores = LiteRTFile(scores)

    def labels(image):
        try:
            found = run(image)
        except (RuntimeError, ValueError) as error:
            # E.g. an activation that was the same on all representative images.
            raise _cannot_run(path, precision, str(error).splitlines()[0]) from error
        return found["labels"] if "labels" in found else found[outputs[0]].argmax(-1)

    return check_parity(
        contents.model,
        labels,
        (lambda image: run_scores(image)["logits"])
        if "logits" in run_scores.outputs
        else None,
        sides=contents.sides,
        images=images,
        path=path,
        format="litert",
        runtime=f"ai-edge-litert {version('ai-edge-litert')}",
        precision=precision,
        must_agree=same,
    )


def _cannot_run(path: Path, precision: str, reason: str) -> ParityError:
    return ParityError(
        f"LiteRT cannot run the {precision} file for {path} ({reason}); give other "
        f"representative images or another precision."
    )
