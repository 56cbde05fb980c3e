"""ONNX files, as ONNX Runtime loads them in any language."""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

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

    graph = Graph(proto)
    fuse_hard_swish(graph)
    drop_idle_reshapes(graph)
    reach_sizes(graph)
    resize_channels_last(graph, everywhere=False)
    scores_channels_last(graph)
    cancel_transposes(graph)
    maps = feature_maps(graph)
    gates_into_weights(graph, maps, sides)
    if None in sides:
        branch_on_whole_factors(graph, maps)
        resize_channels_last(graph, everywhere=True)
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


class Graph:
    """An ONNX graph whose nodes are few enough to be searched.

    Attributes:
        nodes: Its nodes, each after those that it needs.
    """

    def __init__(self, model: onnx.ModelProto):
        self.model = model
        self.nodes = list(model.graph.node)
        self._constants = {item.name: item for item in model.graph.initializer}

    def producer(self, name: str) -> NodeProto | None:
        """Returns the node that makes a tensor."""
        return next((node for node in self.nodes if name in node.output), None)

    def users(self, name: str) -> list[NodeProto]:
        """Returns the nodes that take a tensor."""
        return [node for node in self.nodes if name in node.input]

    def constant(self, name: str) -> np.ndarray | None:
        """Returns a constant tensor's value."""
        item = self._constants.get(name)
        return None if item is None else numpy_helper.to_array(item)

    def add_constant(self, value: np.ndarray, name: str) -> str:
        """Adds a constant tensor and returns its name."""
        self._constants[name] = numpy_helper.from_array(value, name)
        return name

    def replace(self, old: Sequence[NodeProto], new: Sequence[NodeProto]) -> None:
        """Puts nodes where the last of `old` was."""
        place = next(i for i, node in enumerate(self.nodes) if node is old[-1])
        gone = {id(node) for node in old}
        before = [node for node in self.nodes[:place] if id(node) not in gone]
        after = [node for node in self.nodes[place:] if id(node) not in gone]
        self.nodes = [*before, *new, *after]

    def remove(self, node: NodeProto) -> None:
        """Removes a node that passes its first input on."""
        given, made = node.input[0], node.output[0]
        if any(made == output.name for output in self.model.graph.output):
            return
        self.replace([node], [])
        self.rename(made, given)

    def rename(self, old: str, new: str) -> None:
        """Renames a tensor wherever it is made and taken."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for index, name in enumerate(names):
                    if name == old:
                        names[index] = new

    def finish(self) -> onnx.ModelProto:
        """Returns the model, in order and without what is not used any more."""
        graph = self.model.graph
        makers = {name: node for node in self.nodes for name in node.output}
        wanted, ordered = set(), []

        def add(name: str) -> None:
            if name in wanted:
                return
            wanted.add(name)
            node = makers.get(name)
            if node is None:
                return
            inner = [item for part in _inner_nodes(node) for item in part.input]
            for needed in (*node.input, *inner):
                add(needed)
            if node not in ordered:
                ordered.append(node)

        for output in graph.output:
            add(output.name)
        constants = [item for name, item in self._constants.items() if name in wanted]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(ordered)
        graph.initializer.extend(constants)
        return self.model


def _inner_nodes(node: NodeProto) -> list[NodeProto]:
    """Returns the nodes of an If's branches."""
    graphs = [item.g for item in node.attribute if item.HasField("g")]
    return [inner for graph in graphs for inner in graph.node]


_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]  # the channels
_LAST = "_last"  # ends the name of a tensor that was turned around


def resize_channels_last(graph: Graph, everywhere: bool) -> None:
    """Turns bilinear Resizes around: channels last, which ONNX Runtime does faster.

    With channels first it is as fast for whole, constant factors while its neighbours
    are convolutions.

    Args:
        graph: The graph.
        everywhere: Whether to turn all, else only those that no convolution follows.
    """
    for node in [node for node in graph.nodes if node.op_type == "Resize"]:
        given, made = node.input[0], node.output[0]
        turned_already = given.endswith(_LAST)
        if turned_already or (not everywhere and _leads_to_conv(graph, made)):
            continue
        sizes, nodes = _turned_sizes(graph, node)
        to_last = helper.make_node("Transpose", [given], [given + _LAST], perm=_TO_LAST)
        resize = helper.make_node(
            "Resize",
            [given + _LAST, "", *sizes],
            [made + _LAST],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        to_first = helper.make_node("Transpose", [made + _LAST], [made], perm=_TO_FIRST)
        graph.replace([node], [to_last, *nodes, resize, to_first])


def _turned_sizes(graph: Graph, node: NodeProto):
    """Returns the inputs (scales[, sizes]) of the turned node, and nodes for them."""
    wanted = node.input[-1]
    value, turned = graph.constant(wanted), f"{node.name or node.output[0]}_turned"
    if value is not None:
        graph.add_constant(value[_TO_LAST], turned)
        return ([turned] if len(node.input) == 3 else ["", turned]), []
    order = graph.add_constant(np.array(_TO_LAST), f"{turned}_order")
    gather = helper.make_node("Gather", [wanted, order], [turned], axis=0)
    return ["", turned], [gather]


def _leads_to_conv(graph: Graph, name: str) -> bool:
    for user in graph.users(name):
        if user.op_type == "Conv" or _leads_to_conv(graph, user.output[0]):
            return True
    return False


def scores_channels_last(graph: Graph) -> None:
    """Lets ArgMax and Softmax over channels work where these are last already."""
    for node in [node for node in graph.nodes if node.op_type in ("ArgMax", "Softmax")]:
        before = graph.producer(node.input[0])
        axis = next((item for item in node.attribute if item.name == "axis"), None)
        turned = before is not None and _perm(before) == _TO_FIRST
        if turned and axis is not None and axis.i == 1:
            axis.i = 3
            node.input[0] = before.input[0]
            if node.op_type == "Softmax":
                made = node.output[0]
                node.output[0] = made + _LAST
                back = helper.make_node(
                    "Transpose", [made + _LAST], [made], perm=_TO_FIRST
                )
                graph.replace([node], [node, back])


def cancel_transposes(graph: Graph) -> None:
    """Removes pairs of Transposes that undo each other."""
    for node in [node for node in graph.nodes if node.op_type == "Transpose"]:
        before = graph.producer(node.input[0])
        if before is None or before.op_type != "Transpose":
            continue
        if [_perm(before)[place] for place in _perm(node)] != [0, 1, 2, 3]:
            continue
        made = node.output[0]
        if all(made != output.name for output in graph.model.graph.output):
            node.input[0] = before.input[0]
            graph.remove(node)
            continue
        graph.replace([node], [])
        graph.rename(before.input[0], made)


def _perm(node: NodeProto) -> list[int]:
    if node.op_type != "Transpose":
        return []
    return list(helper.get_node_attr_value(node, "perm"))


_SAME_SIZE = ("Relu", "Clip", "HardSwish", "Add", "Mul")


class Map(NamedTuple):
    """Size of a feature map: the image's, divided by 2 `halvings` times."""

    channels: int
    halvings: int


def feature_maps(graph: Graph) -> dict[str, Map]:
    """Returns the sizes of feature maps by name of the tensor.

    Args:
        graph: The maps of its convolutions are (B, C, H, W), and all are padded so
            that only a stride changes the size.
    """
    maps: dict[str, Map] = {}
    for node in graph.nodes:
        size = _map_of(graph, node, maps)
        if size is None:
            continue
        maps[node.output[0]] = size
        if node.op_type == "Add":  # a shortcut, or a resized map
            maps.update({name: size for name in node.input})
    return maps


def _map_of(graph: Graph, node: NodeProto, maps: dict[str, Map]) -> Map | None:
    given = [maps[name] for name in node.input if name in maps]
    if node.op_type in _SAME_SIZE and given:
        return given[0]
    if node.op_type != "Conv":
        return None
    kernel, before = graph.constant(node.input[1]), graph.producer(node.input[0])
    if before is not None and before.op_type == "Transpose" and not given:
        given = [Map(3, 0)]  # the image
    if not given:
        return None
    stride = helper.get_node_attr_value(node, "strides")[0]
    return Map(len(kernel), given[0].halvings + round(math.log2(stride)))


def size_notes(
    maps: dict[str, Map], sides: Sequence[int | None]
) -> list[onnx.ValueInfoProto]:
    """Notes sizes of feature maps: numbers, or symbols such as `height/8`.

    ONNX cannot infer that two convolutions of the same image have the same size
    where the image may have any. ONNX Runtime must know it to add a shortcut inside a
    convolution.

    Args:
        maps: Result of `feature_maps`.
        sides: Height and width of the image, `None` where it may have any.
    """
    notes = []
    for name, size in maps.items():
        stride = 2**size.halvings
        symbols = (f"height/{stride}", f"width/{stride}")
        pairs = zip(sides, symbols, strict=True)
        known = [-(-side // stride) if side else symbol for side, symbol in pairs]
        dims = ["batch", size.channels, *known]
        notes.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims))
    return notes


def branch_on_whole_factors(graph: Graph, maps: dict[str, Map]) -> None:
    """Splits what follows the first resize of a feature map into two branches.

    Nothing is done where no resized map is added to another one.

    Args:
        graph: The graph, changed in place.
        maps: Result of `feature_maps`.
    """
    resizes = [node for node in graph.nodes if _is_added(graph, node, maps)]
    if not resizes:
        return
    start = graph.producer(resizes[0].input[0])
    last = [node for node in graph.nodes if node.op_type == "Resize"][-1]
    end = graph.producer(last.input[0])
    _take_shape_after(graph, end)
    nodes = _between(graph, start, end)
    skips = [_partner(graph, node) for node in resizes]
    nodes = [node for node in graph.nodes if node in (*nodes, *skips)]
    small = start.input[0]
    factors = {
        skip.input[0]: 2 ** (maps[small].halvings - maps[skip.output[0]].halvings)
        for skip in skips
    }
    checks, condition = _all_whole(graph, small, factors)
    whole = _Branch(graph, nodes, "whole", maps)
    for node, copy in zip(nodes, whole.nodes, strict=True):
        if node in resizes:
            given, made = maps[node.input[0]], maps[node.output[0]]
            factor = 2 ** (given.halvings - made.halvings)
            scales = np.array([1, 1, factor, factor], "float32")
            del copy.input[1:]
            copy.input.extend(["", whole.add_constant(scales, f"scales_{factor}")])
    free = _Branch(graph, nodes, "free", maps)
    choice = helper.make_node(
        "If",
        [condition],
        [end.output[0]],
        then_branch=whole.finish(end.output[0], ()),
        else_branch=free.finish(end.output[0], (_turn_resizes, cancel_transposes)),
    )
    graph.replace(nodes, [*checks, choice])


def _turn_resizes(graph: Graph) -> None:
    resize_channels_last(graph, everywhere=True)


def _take_shape_after(graph: Graph, transpose: NodeProto) -> None:
    """Replaces the shape of what a Transpose takes by that of what it makes."""
    if transpose.op_type != "Transpose":
        return
    for node in graph.users(transpose.input[0]):
        if node.op_type == "Shape":
            shape = f"{node.output[0]}_turned"
            back = np.argsort(helper.get_node_attr_value(transpose, "perm"))
            order = graph.add_constant(back, f"{shape}_order")
            nodes = [
                helper.make_node("Shape", [transpose.output[0]], [shape]),
                helper.make_node("Gather", [shape, order], list(node.output)),
            ]
            graph.replace([node], [])
            graph.replace([transpose], [transpose, *nodes])


def _is_added(graph: Graph, node: NodeProto, maps: dict[str, Map]) -> bool:
    """Says whether a node resizes a feature map to add it to a convolution's."""
    if node.op_type != "Resize" or node.input[0] not in maps:
        return False
    partner = _partner(graph, node)
    return partner is not None and partner.op_type == "Conv"


def _partner(graph: Graph, node: NodeProto) -> NodeProto | None:
    """Returns what makes the map that a node's result is added to."""
    users = graph.users(node.output[0])
    if len(users) != 1 or users[0].op_type != "Add":
        return None
    (other,) = set(users[0].input) - set(node.output)
    return graph.producer(other)


def _between(graph: Graph, start: NodeProto, end: NodeProto) -> list[NodeProto]:
    """Returns the nodes on any way from `start` to `end`, with both."""
    found, reached = [], set(start.output)
    for node in graph.nodes:
        if node is start or reached.intersection(node.input):
            reached.update(node.output)
            found.append(node)
    needed, kept = set(end.output), []
    for node in reversed(found):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def _all_whole(graph: Graph, small: str, factors: dict[str, int]):
    """Returns nodes that work out whether all sides are the factor times the small."""
    nodes = [helper.make_node("Shape", [small], ["head_sides"], start=2, end=4)]
    gaps = []
    for index, (name, factor) in enumerate(factors.items()):
        times = graph.add_constant(np.array([factor]), f"head_factor_{index}")
        wanted, sides, gap = (f"head_{key}_{index}" for key in ("wanted", "has", "gap"))
        nodes += [
            helper.make_node("Mul", ["head_sides", times], [wanted]),
            helper.make_node("Shape", [name], [sides], start=2, end=4),
            helper.make_node("Sub", [sides, wanted], [gap]),
        ]
        gaps.append(gap)
    zero = graph.add_constant(np.array(0), "head_zero")
    nodes += [
        helper.make_node("Concat", gaps, ["head_gaps"], axis=0),
        helper.make_node("Abs", ["head_gaps"], ["head_distances"]),
        helper.make_node("ReduceMax", ["head_distances"], ["head_gap"], keepdims=0),
        helper.make_node("Equal", ["head_gap", zero], ["head_is_whole"]),
    ]
    return nodes, "head_is_whole"


class _Branch:
    """A copy of some nodes with names and constants of its own."""

    def __init__(
        self, graph: Graph, nodes: Sequence[NodeProto], name: str, maps: dict[str, Map]
    ):
        self._name = name
        made = {output for node in nodes for output in node.output}
        self._names = {output: f"{output}_{name}" for output in made}
        self._constants, self.nodes = [], []
        for node in nodes:
            for given in node.input:
                value = graph.constant(given)
                if value is not None and given not in self._names:
                    self._names[given] = self.add_constant(value, given)
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = f"{node.name}_{name}"
            for values in (copy.input, copy.output):
                renamed = [self._names.get(value, value) for value in values]
                del values[:]
                values.extend(renamed)
            self.nodes.append(copy)
        own = {old: new for old, new in self._names.items() if old in maps}
        self._maps = {new: maps[old] for old, new in own.items()}

    def add_constant(self, value: np.ndarray, name: str) -> str:
        """Adds a constant and returns its name in the branch."""
        self._constants.append(numpy_helper.from_array(value, f"{name}_{self._name}"))
        return self._constants[-1].name

    def finish(self, output: str, rules) -> onnx.GraphProto:
        """Returns the branch, whose result is `output` of the nodes copied."""
        result = helper.make_tensor_value_info(
            self._names[output], onnx.TensorProto.FLOAT, [None] * 4
        )
        proto = helper.make_graph(self.nodes, self._name, [], [result], self._constants)
        graph = Graph(helper.make_model(proto))
        for rule in rules:
            rule(graph)
        finished = graph.finish().graph
        finished.value_info.extend(size_notes(self._maps, (None, None)))
        return finished


def gates_into_weights(
    graph: Graph, maps: dict[str, Map], sides: Sequence[int | None]
) -> None:
    """Makes a matrix product of each Mul by a gate and the 1x1 Conv after it.

    Args:
        graph: The graph, changed in place. A gate is the Clip of a convolution of what
            GlobalAveragePool made.
        maps: Result of `feature_maps`.
        sides: Height and width of the image, `None` where it may have any.
    """
    for gated in [node for node in graph.nodes if node.op_type == "Mul"]:
        gates = [name for name in gated.input if _is_gate(graph, name)]
        users = graph.users(gated.output[0])
        if len(gates) != 1 or len(users) != 1 or users[0].op_type != "Conv":
            continue
        kernel = graph.constant(users[0].input[1])
        if kernel is None or kernel.shape[2:] != (1, 1):
            continue
        (x,) = [name for name in gated.input if name != gates[0]]
        stride = 2 ** maps[users[0].output[0]].halvings
        size = None if None in sides else [-(-side // stride) for side in sides]
        nodes = _product(graph, x, gates[0], users[0], kernel[:, :, 0, 0], size)
        graph.replace([gated, users[0]], nodes)


def _product(
    graph: Graph,
    x: str,
    gate: str,
    conv: NodeProto,
    matrix: np.ndarray,
    size: list[int] | None,
) -> list[NodeProto]:
    made = conv.output[0]
    filters, channels = matrix.shape

    def named(what: str) -> str:
        return f"{made}_{what}"

    def constant(value, what: str) -> str:
        return graph.add_constant(np.asarray(value), named(what))

    nodes = [
        # (B, 1, channels) times (filters, channels)
        helper.make_node(
            "Reshape", [gate, constant([0, 1, channels], "row")], [named("gate")]
        ),
        helper.make_node(
            "Mul", [named("gate"), constant(matrix, "matrix")], [named("weights")]
        ),
        helper.make_node(
            "Reshape", [x, constant([0, channels, -1], "flat")], [named("pixels")]
        ),
        helper.make_node(
            "MatMul", [named("weights"), named("pixels")], [named("product")]
        ),
    ]
    if size is not None:
        shape = constant([0, filters, *size], "shape")
    else:
        shape, sides = named("shape"), named("sides")
        start = constant([0, filters], "start")
        nodes += [
            helper.make_node("Shape", [x], [sides], start=2, end=4),
            helper.make_node("Concat", [start, sides], [shape], axis=0),
        ]
    nodes.append(helper.make_node("Reshape", [named("product"), shape], [made]))
    if len(conv.input) == 3:
        nodes[-1].output[0] = named("map")
        bias = graph.constant(conv.input[2]).reshape(1, -1, 1, 1)
        nodes.append(
            helper.make_node("Add", [named("map"), constant(bias, "bias")], [made])
        )
    return nodes


def _is_gate(graph: Graph, name: str) -> bool:
    node = graph.producer(name)
    if node is None or node.op_type != "Clip":
        return False
    while node is not None and node.op_type in ("Clip", "Conv", "Relu"):
        node = graph.producer(node.input[0])
    return node is not None and node.op_type == "GlobalAveragePool"


def fuse_hard_swish(graph: Graph) -> None:
    """Makes HardSwish of x * clip(x + 3, 0, 6) * (1 / 6), in any order of factors."""
    for clip in [node for node in graph.nodes if node.op_type == "Clip"]:
        shifted = graph.producer(clip.input[0])
        if shifted is None or shifted.op_type != "Add":
            continue
        x = next(name for name in shifted.input if graph.constant(name) is None)
        chain, gain, factors = [shifted, clip], 1.0, 0
        while True:
            users = graph.users(chain[-1].output[0])
            if len(users) != 1 or users[0].op_type != "Mul":
                break
            other = next(n for n in users[0].input if n not in chain[-1].output)
            value = graph.constant(other)
            if value is not None and value.size == 1:
                gain *= value.item()
            elif other == x and not factors:
                factors = 1
            else:
                break
            chain.append(users[0])
        bounds = [graph.constant(name) for name in clip.input[1:]]
        shift = [graph.constant(name) for name in shifted.input if name != x]
        numbers = [*shift, *bounds]
        if not factors or any(n is None or n.size != 1 for n in numbers):
            continue
        found = [*(number.item() for number in numbers), gain]
        if np.allclose(found, [3, 0, 6, 1 / 6]):
            swish = helper.make_node("HardSwish", [x], list(chain[-1].output))
            graph.replace(chain, [swish])


def drop_idle_reshapes(graph: Graph) -> None:
    """Removes Reshapes of a globally pooled map (B, C, 1, 1) to its own shape."""
    for node in [node for node in graph.nodes if node.op_type == "Reshape"]:
        shape, maker = graph.constant(node.input[1]), graph.producer(node.input[0])
        while maker is not None and maker.op_type in ("Relu", "Conv", "Clip"):
            maker = graph.producer(maker.input[0])
        pooled = maker is not None and maker.op_type == "GlobalAveragePool"
        if pooled and shape is not None and list(shape[2:]) == [1, 1]:
            graph.remove(node)


def reach_sizes(graph: Graph) -> None:
    """Raises broken factors of Resizes by two steps of float32.

    ONNX rounds the size down, and 13 times float32's 50/13 is less than 50.
    """
    for node in [node for node in graph.nodes if node.op_type == "Resize"]:
        factors = graph.constant(node.input[2]) if len(node.input) == 3 else None
        if factors is None or np.all(factors == np.round(factors)):
            continue
        above = np.nextafter(
            np.nextafter(factors, np.float32(np.inf)), np.float32(np.inf)
        )
        raised = np.where(factors == np.round(factors), factors, above)
        node.input[2] = graph.add_constant(raised, f"{node.input[2]}_raised")
