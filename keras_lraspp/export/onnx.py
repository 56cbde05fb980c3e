"""ONNX files, as ONNX Runtime loads them in any language."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.export.graph import (
    Sides,
    check_outputs,
    image_sides,
    inference_graph,
    require_tensorflow,
)
from keras_lraspp.export.metadata import INPUT, Classes, Metadata, describe
from keras_lraspp.export.parity import ParityReport, compare, require_agreement
from keras_lraspp.files import replacing

SMALLEST_OPSET = 17


def export_onnx(
    model: keras.Model,
    path: str | Path,
    *,
    size: Sequence[int] | None = None,
    outputs: Sequence[str] = ("labels",),
    classes: Classes | None = None,
    variant: str | None = None,
    opset: int = SMALLEST_OPSET,
    images: Iterable[np.ndarray] = (),
    overwrite: bool = False,
) -> ParityReport:
    """Writes an ONNX file from uint8 images to labels, and proves it.

    The input `image` is uint8 RGB (B, H, W, 3). Everything is inside the file:
    rescaling, resizing, the largest score. It is checked by `onnx.checker`, run in ONNX
    Runtime and compared with the model before it takes its place.

    Args:
        model: An `LRASPP`, or another model that takes uint8 pixels (B, H, W, 3) and
            returns logits (B, H, W, classes).
        path: The file, by custom `<name>.onnx`.
        size: Fixed (height, width) of images; `None` for any that `model` takes. A
            fixed size is a little faster. The number of images is free.
        outputs: Some of `labels`, int32 (B, H, W), and `logits` and `probabilities`,
            float32 (B, H, W, classes).
        classes: Names and colours of the classes, e.g. a `ClassSet`, for the file's
            metadata.
        variant: Name of the network, for the metadata.
        opset: Version of ONNX's operators, at least 17.
        images: More images to compare on, uint8 RGB (H, W, 3).
        overwrite: Whether to replace the file if it is there.

    Returns:
        How the file compares with the model.

    Raises:
        InputError: On another backend than TensorFlow, for bad arguments, or if the
            file is there.
        ParityError: If the file gives other labels than the model.
        StorageError: If it cannot be written.
    """
    require_tensorflow("An ONNX file")
    names = check_outputs(outputs)
    sides = image_sides(model, size)
    if not isinstance(opset, int) or opset < SMALLEST_OPSET:
        raise InputError(
            f"opset is a whole number from {SMALLEST_OPSET}, not {opset!r}."
        )
    about = describe(model, classes, variant)
    target = Path(path)
    if target.exists() and not overwrite:
        raise InputError(f"{target} is there already; choose another or --overwrite.")
    proto = _convert(model, names, sides, opset, about)
    report = _check(model, proto, sides, images, target)
    with replacing(target) as temporary:
        temporary.write_bytes(proto.SerializeToString())
    return report


def _convert(
    model: keras.Model,
    outputs: Sequence[str],
    sides: Sides,
    opset: int,
    about: Metadata,
):
    import onnx
    import tf2onnx

    graph = inference_graph(model, "onnx", outputs, sides)
    log = logging.getLogger("tf2onnx")
    level = log.level
    log.setLevel(logging.ERROR)  # it explains its own optimisations
    try:
        proto, _ = tf2onnx.convert.from_function(
            graph, input_signature=graph.input_signature, opset=opset
        )
    finally:
        log.setLevel(level)
    proto = _rewritten(proto, sides)
    _name_dimensions(proto, sides, about.num_classes)
    onnx.helper.set_model_props(proto, about.entries())
    proto.graph.name = about.variant or "segmentation"
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _rewritten(proto, sides: Sides):
    from keras_lraspp.export import onnx_layout, onnx_passes
    from keras_lraspp.export.onnx_branches import branch_on_whole_factors
    from keras_lraspp.export.onnx_gates import gates_into_weights
    from keras_lraspp.export.onnx_graph import Graph
    from keras_lraspp.export.onnx_maps import feature_maps, size_notes

    graph = Graph(proto)
    onnx_passes.fuse_hard_swish(graph)
    onnx_passes.drop_idle_reshapes(graph)
    onnx_passes.reach_sizes(graph)
    onnx_layout.resize_channels_last(graph, everywhere=False)
    onnx_layout.scores_channels_last(graph)
    onnx_layout.cancel_transposes(graph)
    maps = feature_maps(graph)
    gates_into_weights(graph, maps, sides)
    if None in sides:
        branch_on_whole_factors(graph, maps)
        onnx_layout.resize_channels_last(graph, everywhere=True)
    proto.graph.value_info.extend(size_notes(maps, sides))
    return graph.finish()


def _name_dimensions(proto, sides: Sides, num_classes: int) -> None:
    """Says (batch, height, width, ...) where tf2onnx says unk__17."""
    fixed = [sides[0] or "height", sides[1] or "width"]
    for value in (*proto.graph.input, *proto.graph.output):
        last = {INPUT: [3], "labels": []}.get(value.name, [num_classes])
        shape = value.type.tensor_type.shape
        del shape.dim[:]
        for side in ("batch", *fixed, *last):
            dim = shape.dim.add()
            if isinstance(side, int):
                dim.dim_value = side
            else:
                dim.dim_param = side


def _check(model, proto, sides: Sides, images, target: Path) -> ParityReport:
    import onnxruntime

    scores, axis, probe = _with_scores(proto)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    classes = model.output_shape[-1]

    def labels(image):
        if "labels" in names:
            return session.run(["labels"], {INPUT: image})[0]
        return logits(image).argmax(-1)

    def logits(image):
        found = session.run([scores], {INPUT: image})[0]
        return np.moveaxis(found, axis, -1)[..., :classes]

    found = compare(
        model,
        labels,
        None if scores == "probabilities" else logits,
        sides=sides,
        images=images,
    )
    require_agreement(found.agreement, f"The ONNX file for {target}")
    return ParityReport(
        path=target,
        format="onnx",
        precision="float32",
        runtime=f"onnxruntime {onnxruntime.__version__}",
        **asdict(found),
    )


def _with_scores(proto):
    """Returns the name of the scores, their axis of classes, and a model with both."""
    import onnx

    names = [output.name for output in proto.graph.output]
    for name in ("logits", "probabilities"):
        if name in names:
            return name, -1, proto
    probe = onnx.ModelProto()
    probe.CopyFrom(proto)
    best = next(node for node in probe.graph.node if node.op_type == "ArgMax")
    probe.graph.output.append(
        onnx.helper.make_tensor_value_info(best.input[0], onnx.TensorProto.FLOAT, None)
    )
    return best.input[0], onnx.helper.get_node_attr_value(best, "axis"), probe
