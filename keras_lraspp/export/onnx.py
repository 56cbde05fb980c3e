"""ONNX files, as ONNX Runtime loads them in any language."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.export.calibration import (
    Range,
    activation_ranges,
    representative_images,
)
from keras_lraspp.export.graph import (
    FileContents,
    choose_contents,
    inference_graph,
    quiet_converter,
    require_tensorflow,
)
from keras_lraspp.export.metadata import INPUT, check_precision
from keras_lraspp.export.onnx_labels import label_from_cells
from keras_lraspp.export.onnx_quantizing import quantize_graph, values_to_range
from keras_lraspp.export.onnx_rewriting import rewrite_graph
from keras_lraspp.export.parity import ParityReport, check_parity, resize_to
from keras_lraspp.files import replacing

SMALLEST_OPSET = 17


def export_onnx(
    model: keras.Model,
    path: str | Path,
    *,
    size: Sequence[int] | None = None,
    precision: str = "float32",
    representative: Iterable[np.ndarray] | None = None,
    outputs: Sequence[str] = ("labels",),
    classes: ClassSet | None = None,
    variant: str | None = None,
    opset: int = SMALLEST_OPSET,
    images: Iterable[np.ndarray] = (),
    overwrite: bool = False,
) -> ParityReport:
    """Writes an ONNX file from uint8 images to labels, and compares it.

    The input `image` is uint8 (B, H, W, C), RGB by default. Everything is inside the
    file: rescaling, resizing, the largest score. It is checked by `onnx.checker`, run
    in ONNX Runtime and compared with the model before it takes its place.

    Args:
        model: An `LRASPP`, or another model that takes uint8 pixels (B, H, W, C) and
            returns logits (B, H, W, classes).
        path: The file, usually `<name>.onnx`.
        size: Fixed (height, width) of images; `None` for any that `model` takes. A
            fixed size is a little faster. The number of images is free.
        precision: `"float32"`, or `"int8"`: 8 bits for weights and activations, by
            QuantizeLinear and DequantizeLinear, for processors with instructions for
            it, as VNNI.
        representative: For `"int8"`, uint8 images (H, W, C) to see the ranges of
            values on, e.g. 100 of the training set; resized to `size`.
        outputs: Some of `labels`, int32 (B, H, W), and `logits` and `probabilities`,
            float32 (B, H, W, classes).
        classes: Names and colours of the classes, for the file's metadata.
        variant: Name of the network, for the metadata.
        opset: Version of ONNX's operators, at least 17.
        images: More images to compare on, uint8 (H, W, C).
        overwrite: Whether to replace the file if it is there.

    Returns:
        How the file compares with the model. That `"int8"` agrees well enough is for
        the caller to judge.

    Raises:
        InputError: On another backend than TensorFlow, for bad arguments, or if the
            file is there.
        ParityError: If the file of `"float32"` gives other labels than the model.
        StorageError: If it cannot be written.
    """
    require_tensorflow("An ONNX file")
    contents = choose_contents(model, outputs, size, classes, variant)
    if not isinstance(opset, int) or opset < SMALLEST_OPSET:
        raise InputError(
            f"opset is a whole number from {SMALLEST_OPSET}, not {opset!r}."
        )
    check_precision("onnx", precision)
    if precision == "int8":
        representative = representative_images(representative)
    target = Path(path)
    if target.exists() and not overwrite:
        raise InputError(f"{target} is there already; choose another or --overwrite.")
    content, report = convert_to_onnx(
        contents, target, images, precision, representative, opset
    )
    with replacing(target) as temporary:
        temporary.write_bytes(content)
    return report


def convert_to_onnx(
    contents: FileContents,
    path: Path,
    images: Iterable[np.ndarray],
    precision: str = "float32",
    representative: Iterable[np.ndarray] | None = None,
    opset: int = SMALLEST_OPSET,
) -> tuple[bytes, ParityReport]:
    """Returns the content of an ONNX file, which will be at `path`, and its parity."""
    import tf2onnx

    quantized = precision == "int8"
    target = "onnx_int8" if quantized else "onnx"
    graph = inference_graph(contents.model, target, contents.outputs, contents.sides)
    with quiet_converter("tf2onnx"):  # it explains its own optimisations
        proto, _ = tf2onnx.convert.from_function(
            graph, input_signature=graph.input_signature, opset=opset
        )
    model = ir.from_proto(proto)
    rewrite_graph(model, contents.sides, quantized)
    if quantized:
        chosen = representative_images(representative)
        model = quantize_graph(model, _ranges(model, chosen, contents.sides))
    whole = _named(model, contents)
    label_from_cells(model.graph)
    RemoveUnusedNodesPass()(model)
    proto = _named(model, contents)
    onnx.checker.check_model(proto, full_check=True)
    report = _check(contents, proto, whole, precision, images, path)
    return proto.SerializeToString(), report


def _ranges(model: ir.Model, images: list[np.ndarray], sides) -> dict[str, Range]:
    """Measures the ranges of activations on images."""
    proto = onnx.shape_inference.infer_shapes(ir.to_proto(model))
    made = {output.name: output for output in proto.graph.output}
    known = {value.name: value for value in proto.graph.value_info} | made
    names = [
        name
        for name in values_to_range(model)  # some are sizes, in whole numbers
        if name in known
        and known[name].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    ]
    proto.graph.output.extend(_of_floats(name) for name in names if name not in made)
    session = _session(proto)

    def activations() -> Iterator[dict[str, np.ndarray]]:
        for image in images:
            found = session.run(names, {INPUT: resize_to(image, sides)})
            yield dict(zip(names, found, strict=True))

    return activation_ranges(activations())


def _session(proto: onnx.ModelProto):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _of_floats(name: str) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)


def _named(model: ir.Model, contents: FileContents) -> onnx.ModelProto:
    """Returns the model with its dimensions, for tf2onnx unk__17, and metadata."""
    sides, about = contents.sides, contents.metadata
    graph, fixed = model.graph, [sides[0] or "height", sides[1] or "width"]
    lasts = {INPUT: [contents.channels], "labels": []}
    graph.name = about.variant or "segmentation"
    for value in (*graph.inputs, *graph.outputs):
        last = lasts.get(value.name, [about.num_classes])
        value.shape = ir.Shape(["batch", *fixed, *last])
    proto = ir.to_proto(model)
    onnx.helper.set_model_props(proto, about.entries())
    return proto


def _check(
    contents: FileContents, proto, whole, precision, images, path
) -> ParityReport:
    """Compares the labels of `proto`, and the scores of the same with all pixels'."""
    import onnxruntime

    scores, axis, probe = _with_scores(whole)
    session, session_of_scores = _session(proto), _session(probe)

    def labels(image):
        if "labels" in contents.outputs:
            return session.run(["labels"], {INPUT: image})[0]
        return logits(image).argmax(-1)

    def logits(image):
        found = session_of_scores.run([scores], {INPUT: image})[0]
        return np.moveaxis(found, axis, -1)[..., : contents.metadata.num_classes]

    return check_parity(
        contents.model,
        labels,
        None if scores == "probabilities" else logits,
        sides=contents.sides,
        images=images,
        path=path,
        format="onnx",
        runtime=f"onnxruntime {onnxruntime.__version__}",
        precision=precision,
        must_agree=precision == "float32",
    )


def _with_scores(proto):
    """Returns the name of the scores, their axis of classes, and a model with both."""
    names = [output.name for output in proto.graph.output]
    for name in ("logits", "probabilities"):
        if name in names:
            return name, -1, proto
    probe = onnx.ModelProto()
    probe.CopyFrom(proto)
    best = next(node for node in probe.graph.node if node.op_type == "ArgMax")
    probe.graph.output.append(_of_floats(best.input[0]))
    return best.input[0], onnx.helper.get_node_attr_value(best, "axis"), probe
