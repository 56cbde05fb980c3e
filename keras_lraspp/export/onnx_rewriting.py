"""Rewriting of converted ONNX graphs to the nodes that ONNX Runtime runs fastest.

HardSwish is one node, gates are multiplied into weights, resizing has its channels
last or constant, whole factors, and sizes of feature maps are noted.
"""

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnx_ir.tape import Tape
from onnxscript.rewriter.pattern import RewriteRuleClassBase, RewriteRuleSet

from keras_lraspp.export.graph import Sides

_COORDINATES = "coordinate_transformation_mode"
TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]  # the channels


def rewrite_graph(model: ir.Model, sides: Sides, quantized: bool = False) -> None:
    """Rewrites tf2onnx's model in place; `sides` are the images', `None` for any.

    With `quantized`, to what `quantize_graph` takes: gates stay multiplications, of
    which those of maps have integer kernels, and all resizes have channels last.
    """
    graph = model.graph
    RewriteRuleSet(_HARD_SWISH, commute=True).apply_to_model(model)
    _drop_idle_reshapes(graph)
    _subtract_channels_first(graph)
    _reach_sizes(graph)
    _resize_channels_last(graph, everywhere=quantized)
    _scores_channels_last(graph)
    _cancel_transposes(graph)
    strides = _note_sizes(graph, sides)
    if not quantized:
        RewriteRuleSet([_GateIntoWeights.rule()], commute=True).apply_to_model(model)
    if None in sides and not quantized:
        _branch_on_whole_factors(graph, strides)
        _resize_channels_last(graph, everywhere=True)
    graph.sort()
    RemoveUnusedNodesPass()(model)
    for branch in graph.subgraphs():  # where the pass leaves constants, ...
        for value in list(branch.initializers.values()):
            if not value.uses():  # ... of which ONNX Runtime warns at each start
                del branch.initializers[value.name]
    _forget_types(graph)


class _HardSwish(RewriteRuleClassBase):
    """Makes HardSwish of x * clip(x + 3, 0, 6) / 6.

    TensorFlow turns the division around, so that onnxscript's own rule misses it.
    """

    def __init__(self, factor_first: bool):
        super().__init__()
        self._factor_first = factor_first

    def pattern(self, op, x, three, low, high, sixth):
        clipped = op.Clip(x + three, low, high)
        if self._factor_first:
            return x * (clipped * sixth)
        return x * clipped * sixth

    def check(self, context, x, **numbers):
        found = [constant_of(numbers[n]) for n in ("three", "low", "high", "sixth")]
        if any(value is None or value.size != 1 for value in found):
            return False
        return np.allclose([value.item() for value in found], [3, 0, 6, 1 / 6])

    def rewrite(self, op, x, **numbers):
        return op.HardSwish(x)


_HARD_SWISH = [_HardSwish.rule(factor_first) for factor_first in (True, False)]


class _GateIntoWeights(RewriteRuleClassBase):
    """Makes a matrix product of a map times a gate and the 1x1 Conv after it."""

    def pattern(self, op, x, gate, kernel):
        return op.Conv(x * gate, kernel, _allow_other_inputs=True, _outputs=["product"])

    def check(self, context, x, gate, kernel, product):
        matrix, clip = constant_of(kernel), gate.producer()
        if clip is None or clip.op_type != "Clip" or not _is_pooled(gate):
            return False
        one_by_one = matrix is not None and matrix.shape[2:] == (1, 1)
        return one_by_one and product.shape is not None

    def rewrite(self, op, x, gate, kernel, product):
        def constant(value, what: str) -> ir.Value:
            return op.initializer(ir.tensor(value), f"{product.name}_{what}")

        matrix = constant_of(kernel)[:, :, 0, 0]
        filters, channels = matrix.shape
        # (B, 1, channels) times (filters, channels)
        row = op.Reshape(gate, constant([0, 1, channels], "row"))
        weights = op.Mul(row, constant(matrix, "matrix"))
        pixels = op.Reshape(x, constant([0, channels, -1], "flat"))
        result = op.MatMul(weights, pixels)
        if all(isinstance(side, int) for side in product.shape[2:]):
            shape = constant([0, filters, *product.shape[2:]], "shape")
        else:
            sides = op.Shape(x, start=2, end=4)
            shape = op.Concat(constant([0, filters], "start"), sides, axis=0)
        result = op.Reshape(result, shape)
        bias = product.producer().inputs[2:]
        if not bias:
            return result
        return op.Add(
            result, constant(constant_of(bias[0])[None, :, None, None], "bias")
        )


def _drop_idle_reshapes(graph: ir.Graph) -> None:
    """Takes a globally pooled map (B, C, 1, 1) for what is reshaped to the same.

    Which Reshapes and Transposes to (B, 1, 1, C) and back tf2onnx leaves hangs on the
    order of names, with numbers that it counts up through a process.
    """
    turned: dict[ir.Value, tuple[ir.Value, int]] = {}  # the map, the axis of channels
    for node in (node for node in graph if node.op_type in ("Reshape", "Transpose")):
        given, made = node.inputs[0], node.outputs[0]
        pooled, axis = turned.get(given, (given, 1))
        axis = _perm(node).index(axis) if _perm(node) else _channel_axis(node)
        if axis and _is_pooled(pooled):
            turned[made] = pooled, axis
            if axis == 1 and not made.is_graph_output():
                made.replace_all_uses_with(pooled)


def _channel_axis(reshape: ir.Node) -> int | None:
    """Returns which axis of (B, C, 1, 1) or a permutation of it is C, if it is one."""
    shape = constant_of(reshape.inputs[1])
    if shape is None or len(shape) != 4:
        return None
    wide = [axis for axis in (1, 2, 3) if shape[axis] != 1]
    return [*wide, 1][0] if len(wide) < 2 else None


def _subtract_channels_first(graph: ir.Graph) -> None:
    """Subtracts the channels' means behind the Transpose that puts these first.

    There, a mean is for a whole plane, and not for every third number, which takes ONNX
    Runtime eight times as long.
    """
    for node in _nodes(graph, "Transpose"):
        before = node.inputs[0].producer()
        if before is None or before.op_type != "Sub" or _perm(node) != TO_FIRST:
            continue
        means = constant_of(before.inputs[1])
        if means is None or not 1 < means.size == means.shape[-1]:
            continue
        tape, name = Tape(), f"{before.outputs[0].name}_means"
        means = tape.initializer(ir.tensor(means.reshape(1, -1, 1, 1)), name)
        first = tape.op("Transpose", [before.inputs[0]], {"perm": TO_FIRST})
        tape.op("Sub", [first, means])
        _replace(graph, node, tape)


def _reach_sizes(graph: ir.Graph) -> None:
    """Raises broken factors of Resizes by two steps of float32.

    ONNX rounds the size down, and 13 times float32's 50/13 is less than 50.
    """
    for node in _nodes(graph, "Resize"):
        factors = constant_of(node.inputs[2]) if len(node.inputs) == 3 else None
        if factors is not None and np.any(factors != np.round(factors)):
            above = np.nextafter(factors, np.float32(np.inf))
            above = np.nextafter(above, np.float32(np.inf))
            raised = np.where(factors == np.round(factors), factors, above)
            name = f"{node.outputs[0].name}_scales"
            node.replace_input_with(2, Tape(graph).initializer(ir.tensor(raised), name))


def _resize_channels_last(graph: ir.Graph, everywhere: bool) -> None:
    """Turns bilinear Resizes around: channels last, which ONNX Runtime does faster.

    With channels first it is as fast for whole, constant factors while its neighbours
    are convolutions: those are left unless `everywhere`.
    """
    for node in _nodes(graph, "Resize"):
        leave = not everywhere and _leads_to_conv(node.outputs[0])
        if leave or "channels_last" in node.meta:
            continue
        tape, wanted, value = Tape(), node.inputs[-1], constant_of(node.inputs[-1])
        name = f"{node.outputs[0].name}_turned"
        if value is not None:
            turned = tape.initializer(ir.tensor(value[TO_LAST]), name)
        else:
            order = tape.initializer(ir.tensor(TO_LAST), f"{name}_order")
            turned = tape.op("Gather", [wanted, order], {"axis": 0})
        size = [turned] if len(node.inputs) == 3 else [None, turned]
        last = tape.op("Transpose", [node.inputs[0]], {"perm": TO_LAST})
        how = {"mode": "linear", _COORDINATES: coordinates_of(node)}
        resized = tape.op("Resize", [last, None, *size], how)
        resized.producer().meta["channels_last"] = True
        tape.op("Transpose", [resized], {"perm": TO_FIRST})
        _replace(graph, node, tape)


def coordinates_of(resize: ir.Node) -> str:
    """Returns where pixels lie: `half_pixel`, or `align_corners`."""
    return resize.attributes.get_string(_COORDINATES, "half_pixel")


def _leads_to_conv(value: ir.Value) -> bool:
    return any(
        user.op_type == "Conv" or _leads_to_conv(user.outputs[0])
        for user, _ in value.uses()
    )


def _scores_channels_last(graph: ir.Graph) -> None:
    """Lets ArgMax and Softmax over channels work where these are last already."""
    for node in (*_nodes(graph, "ArgMax"), *_nodes(graph, "Softmax")):
        before = node.inputs[0].producer()
        if _perm(before) != TO_FIRST or node.attributes.get_int("axis") != 1:
            continue
        tape = Tape()
        attributes = {**node.attributes, "axis": 3}
        made = tape.op(node.op_type, [before.inputs[0]], attributes)
        if node.op_type == "Softmax":
            tape.op("Transpose", [made], {"perm": TO_FIRST})
        _replace(graph, node, tape)


def _cancel_transposes(graph: ir.Graph) -> None:
    """Removes pairs of Transposes that undo each other."""
    for node in _nodes(graph, "Transpose"):
        before, made = node.inputs[0].producer(), node.outputs[0]
        first = _perm(before)
        if not first or [first[axis] for axis in _perm(node)] != [0, 1, 2, 3]:
            continue
        given = before.inputs[0]
        if made.is_graph_output():
            name, made.name = made.name, None
            given.name, given.type, given.shape = name, made.type, made.shape
        made.replace_all_uses_with(given, replace_graph_outputs=True)
        graph.remove(node, safe=True)


def _note_sizes(graph: ir.Graph, sides: Sides) -> dict[str, int]:
    """Notes sizes of feature maps, as `height/8`; returns pixels per cell by name.

    ONNX cannot infer that two convolutions of the same image have the same size
    where the image may have any. ONNX Runtime must know it to add a shortcut inside a
    convolution. All convolutions are padded so that only a stride changes the size.
    """
    maps: dict[ir.Value, tuple[int, int]] = {}  # channels and stride
    for node in graph:
        made = [maps[value] for value in node.inputs if value in maps]
        if node.op_type == "Conv":
            if not made and _is_turned_image(node.inputs[0].producer()):
                made = [(0, 1)]
            stride = node.attributes["strides"].as_ints()[0]
            filters = node.inputs[1].shape[0]
            made = [(filters, before * stride) for _, before in made]
        elif node.op_type not in ("Relu", "Clip", "HardSwish", "Add", "Mul"):
            continue
        if made:
            maps[node.outputs[0]] = made[0]
        if made and node.op_type == "Add":  # a shortcut, or a resized map
            maps.update(dict.fromkeys(node.inputs, made[0]))
    for value, (channels, stride) in maps.items():
        symbols = (f"height/{stride}", f"width/{stride}")
        pairs = zip(sides, symbols, strict=True)
        known = [-(-side // stride) if side else symbol for side, symbol in pairs]
        value.shape = ir.Shape(["batch", channels, *known])
        value.type = ir.TensorType(ir.DataType.FLOAT)
    return {value.name: stride for value, (_, stride) in maps.items()}


def _is_turned_image(node: ir.Node | None) -> bool:
    """Whether a node puts channels first, which of one channel is no Transpose.

    Or subtracts means behind that.
    """
    if node is not None and node.op_type == "Sub":
        node = node.inputs[0].producer()
    if node is not None and node.op_type == "Reshape":
        before = node.inputs[0].producer()
        return before is not None and before.op_type in ("Unsqueeze", "Sub")
    return bool(_perm(node))


def _branch_on_whole_factors(graph: ir.Graph, strides: dict[str, int]) -> None:
    """Splits the head behind its first resize, for images of whole and other factors.

    Nothing is done where no resized map is added to another one.
    """
    resizes = [node for node in _nodes(graph, "Resize") if _skip_conv(node, strides)]
    if not resizes:
        return
    end = _nodes(graph, "Resize")[-1].inputs[0]
    _take_shape_of(graph, end)
    small = resizes[0].inputs[0].producer().inputs[0]
    taps = [_skip_conv(node, strides).inputs[0] for node in resizes]
    whole, free = (_branch(graph, [small, *taps], end) for _ in range(2))
    pairs = zip(resizes, _nodes(whole, "Resize"), strict=True)
    for index, (node, copy) in enumerate(pairs):
        given, made = (strides[value.name] for value in (node.inputs[0], *node.outputs))
        scales = np.array([1, 1, given // made, given // made], "float32")
        copy.resize_inputs(3)
        copy.replace_input_with(1, None)
        scales = Tape(whole).initializer(ir.tensor(scales), f"scales_{index}")
        copy.replace_input_with(2, scales)
    _resize_channels_last(free, everywhere=True)
    _cancel_transposes(free)
    tape = Tape()
    factors = [strides[small.name] // strides[tap.name] for tap in taps]
    condition = _all_whole(tape, small, taps, factors)
    for branch, name in ((whole, "whole"), (free, "free")):
        branch.name = name
        made = [value for node in branch for value in node.outputs]
        for value in (*branch.initializers.values(), *made):
            value.name = f"{value.name}_{name}"
        _forget_types(branch)
    tape.op("If", [condition], {"then_branch": whole, "else_branch": free})
    _replace(graph, end.producer(), tape)


def _skip_conv(resize: ir.Node, strides: dict[str, int]) -> ir.Node | None:
    """Returns the Conv whose result a resized map is added to, if it is."""
    users = resize.outputs[0].consumers()
    if resize.inputs[0].name not in strides or [u.op_type for u in users] != ["Add"]:
        return None
    (other,) = set(users[0].inputs) - set(resize.outputs)
    conv = other.producer()
    return conv if conv is not None and conv.op_type == "Conv" else None


def _take_shape_of(graph: ir.Graph, turned: ir.Value) -> None:
    """Takes the shape of a Transpose's result, not of what is behind the branches."""
    transpose = turned.producer()
    for node in transpose.inputs[0].consumers():
        if _perm(transpose) and node.op_type == "Shape":
            tape, back = Tape(), np.argsort(_perm(transpose))
            order = tape.initializer(ir.tensor(back), f"{node.outputs[0].name}_order")
            tape.op("Gather", [tape.op("Shape", [turned]), order])
            _replace(graph, node, tape, after=transpose)


def _branch(graph: ir.Graph, inputs: list[ir.Value], end: ir.Value) -> ir.Graph:
    """Copies the nodes from `inputs`, which stay those of the graph, to `end`."""
    branch = ir.convenience.extract(graph, inputs, [end])
    ir.convenience.replace_all_uses_with(branch.inputs, inputs)
    branch.inputs.clear()
    branch.outputs[0].shape = ir.Shape([None] * 4)
    branch.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    return branch


def _all_whole(tape: Tape, small: ir.Value, taps, factors) -> ir.Value:
    """Writes whether all sides of the taps are their factor times the small ones."""

    def sides_of(value):
        return tape.op("Shape", [value], {"start": 2, "end": 4})

    sides, gaps = sides_of(small), []
    for index, (tap, factor) in enumerate(zip(taps, factors, strict=True)):
        times = tape.initializer(ir.tensor([factor]), f"head_factor_{index}")
        wanted = tape.op("Mul", [sides, times])
        gaps.append(tape.op("Sub", [sides_of(tap), wanted]))
    gaps = tape.op("Abs", [tape.op("Concat", gaps, {"axis": 0})])
    zero = tape.initializer(ir.tensor(0), "head_zero")
    return tape.op("Equal", [tape.op("ReduceMax", [gaps], {"keepdims": 0}), zero])


def _replace(graph: ir.Graph, node: ir.Node, tape: Tape, after=None) -> None:
    """Puts the tape's nodes in a node's place; the last one's result gets its name."""
    for value in tape.initializers:
        graph.register_initializer(value)
    ir.convenience.replace_nodes_and_values(
        graph, after or node, [node], tape.nodes, node.outputs, tape.nodes[-1].outputs
    )


def _forget_types(graph: ir.Graph) -> None:
    """Leaves out notes of what constants say themselves, a few kB of the file."""
    for value in graph.initializers.values():
        value.type = value.shape = None


def _nodes(graph: ir.Graph, op_type: str) -> list[ir.Node]:
    return [node for node in graph if node.op_type == op_type]


def constant_of(value: ir.Value | None) -> np.ndarray | None:
    """Returns the numbers of a constant, `None` for other values."""
    known = value is not None and value.const_value is not None
    return value.const_value.numpy() if known else None


def _perm(node: ir.Node | None) -> list[int]:
    is_transpose = node is not None and node.op_type == "Transpose"
    return list(node.attributes["perm"].as_ints()) if is_transpose else []


def _is_pooled(value: ir.Value) -> bool:
    """Says whether a map is GlobalAveragePool's, or made of that by convolutions."""
    node = value.producer()
    while node is not None and node.op_type in ("Clip", "Conv", "Relu"):
        node = node.inputs[0].producer()
    return node is not None and node.op_type == "GlobalAveragePool"
