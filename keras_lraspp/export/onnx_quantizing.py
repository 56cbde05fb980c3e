"""Quantization of ONNX graphs to int8 (QDQ), as ONNX Runtime's integer kernels want it.

Activations are uint8 with a zero point, weights int8 with a scale for each filter and
no zero point: of U8S8, x86 has fast kernels, of S8S8 none. On processors without VNNI
these add two products in 16 bits, and cut off what is too large: weights have 7 bits,
as 2 * 255 * 64 is not, but for depthwise convolutions, whose kernels have more room.
Every operation stands between DequantizeLinear and QuantizeLinear, and any runtime of
ONNX gives the same.
"""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnx_ir.tape import Tape

from keras_lraspp.export.calibration import Range
from keras_lraspp.export.onnx_rewriting import TO_FIRST, TO_LAST, constant_of

_FOLDED = 4  # columns of pixels
_LARGEST, _LARGEST_DEPTHWISE = 64, 127  # weights
_OF_PIXELS = ("Cast", "Transpose", "Reshape", "Unsqueeze")  # before the stem
_RANGED = ("Add", "Clip", "Conv", "GlobalAveragePool", "HardSwish", "Mul", "Relu")
_RANGED += ("AveragePool", "Sigmoid")
_TAKEN = ("Conv", "GlobalAveragePool", "HardSwish")  # their first input is quantized
_MOVES = ("Resize", "Transpose")  # which leave the range as it is


def values_to_range(model: ir.Model) -> list[str]:
    """Lists the activations whose ranges `quantize_graph` may ask for."""
    names = {}
    for node in model.graph:
        taken = {"Add": 2, "Mul": 2, **dict.fromkeys(_TAKEN, 1)}.get(node.op_type, 0)
        values = [*node.inputs[:taken]] + [*node.outputs] * (node.op_type in _RANGED)
        names |= {value.name: 0 for value in values if value.producer() is not None}
    return list(names)


def quantize_graph(model: ir.Model, ranges: Mapping[str, Range]) -> ir.Model:
    """Returns a quantized copy of a graph, of which `ranges` has been measured.

    The graph is that of `rewrite_graph`. What follows the scores stays in float32.
    Activations are limited by the saturation of QuantizeLinear, which costs nothing.
    """
    return _Quantizer(model, dict(ranges)).quantized()


def fold_columns(kernel: np.ndarray, attributes: dict, shape):
    """Folds columns of an image into channels, for a convolution of stride 2.

    (B, H, W, C) is (B, H, W / 4, 4 C) without a move, and then a convolution makes two
    cells at once, from channels that are enough for integer kernels.

    Args:
        kernel: (filters, C, 3, 3).
        attributes: The convolution's.
        shape: Of the image, (B, H, W, C).

    Returns:
        The kernel (2 filters, 4 C, 3, blocks), the attributes that change, the folded
        shape of the image and the unfolded one of the result, both channels last and
        without the batch; `None` where it does not fit.
    """
    height, width, channels = sides = shape[1:]
    if not {"pads", "strides"} <= attributes.keys():
        return None
    pads, strides = (list(attributes[name].as_ints()) for name in ("pads", "strides"))
    whole = all(isinstance(side, int) for side in sides) and width % _FOLDED == 0
    if not whole or kernel.shape[1:] != (channels, 3, 3) or strides != [2, 2]:
        return None
    filters = len(kernel)
    # Of the column that each tap of each cell sees, the block and the place in it.
    seen = [
        (cell, tap, *divmod(2 * cell + tap - pads[1], _FOLDED))
        for cell in range(_FOLDED // 2)
        for tap in range(3)
    ]
    first = min(block for _, _, block, _ in seen)
    blocks = max(block for _, _, block, _ in seen) - first + 1
    folded = np.zeros((_FOLDED // 2, filters, _FOLDED, channels, 3, blocks), "float32")
    for cell, tap, block, place in seen:
        folded[cell, :, place, :, :, block - first] = kernel[..., tap]
    folded = folded.reshape(-1, _FOLDED * channels, 3, blocks)
    rows = (height + pads[0] + pads[2] - 3) // 2 + 1
    changed = {
        "kernel_shape": ir.AttrInt64s("kernel_shape", [3, blocks]),
        "strides": ir.AttrInt64s("strides", [2, 1]),
        "pads": ir.AttrInt64s("pads", [pads[0], -first, pads[2], blocks - 1 + first]),
    }
    taken = [height, width // _FOLDED, _FOLDED * channels]
    return folded, changed, taken, [rows, width // 2, filters]


def _pixel_values(graph: ir.Graph, image: ir.Value) -> set[ir.Value]:
    """Finds the values from the image to a convolution: pixels, moved and shifted."""
    for conv in (node for node in graph if node.op_type == "Conv"):
        chain, value = set(), conv.inputs[0]
        while value is not image and (node := value.producer()) is not None:
            users = [user for user in value.consumers() if user.op_type != "Shape"]
            shifts = node.op_type == "Sub" and constant_of(node.inputs[1]) is not None
            if len(users) > 1 or not (shifts or node.op_type in _OF_PIXELS):
                break
            chain.add(value)
            value = node.inputs[0]
        if value is image:
            return {image, *chain}
    return set()


def _is_positive_part(node: ir.Node) -> bool:
    """Says whether it is what saturation does: Relu, or Clip from 0."""
    if node.op_type == "Clip":
        low = constant_of(node.inputs[1])
        return low is not None and low.item() == 0
    return node.op_type == "Relu"


class _Quantizer:
    """Writes a graph anew, node by node.

    `_new` has the new value of each old one: of a quantized one, what its
    DequantizeLinear makes. `_steps` has the scale and zero point of those; `_moved`
    those of old values that only move, or blend, quantized ones.
    """

    def __init__(self, model: ir.Model, ranges: dict[str, Range]):
        self._model = model
        self._ranges = ranges
        self._tape = Tape()
        self._constants: dict[str, ir.Value] = {}
        self._new: dict[ir.Value, ir.Value] = {}
        self._steps: dict[ir.Value, tuple[np.ndarray, np.ndarray]] = {}
        self._moved: dict[ir.Value, tuple[np.ndarray, np.ndarray]] = {}

    def quantized(self) -> ir.Model:
        """Writes all nodes."""
        graph = self._model.graph
        (image,) = graph.inputs
        self._image = image
        self._new[image] = image
        pixels, means = _pixel_values(graph, image), np.zeros(1)
        for node in graph:
            given, made = (*node.inputs, None)[0], node.outputs[0]
            if made in self._new:  # done with the node before
                continue
            if made in pixels:
                if node.op_type == "Sub":
                    means = constant_of(node.inputs[1]).ravel()
                if node.op_type in ("Cast", "Sub"):
                    self._new[made] = self._new[given]
                else:
                    self._copy(node)
            elif node.op_type == "Conv":
                self._convolve(node, means if given in pixels else None)
            elif node.op_type == "HardSwish":
                self._hard_swish(node)
            elif node.op_type == "GlobalAveragePool" or self._joins_maps(node):
                inputs = [self._quantize(value) for value in node.inputs]
                self._limited(node, self._copy(node, inputs))
            else:
                self._copy(node)
                steps = self._steps.get(self._get(given), self._moved.get(given))
                if node.op_type in _MOVES and steps is not None:
                    self._moved[made] = steps
        outputs = []
        for old in graph.outputs:
            new = self._new[old]
            new.name, new.type, new.shape = old.name, old.type, old.shape
            outputs.append(new)
        inputs = list(graph.inputs)
        graph.inputs.clear()
        made = ir.Graph(
            inputs,
            outputs,
            nodes=self._tape.nodes,
            initializers=list(self._constants.values()),
            opset_imports=self._model.opset_imports,
            name=graph.name,
        )
        made.sort()
        model = ir.Model(made, ir_version=self._model.ir_version)
        RemoveUnusedNodesPass()(model)
        return model

    def _joins_maps(self, node: ir.Node) -> bool:
        """Says whether it adds maps, or multiplies a map by another or a gate."""
        if node.op_type not in ("Add", "Mul"):
            return False
        if any(constant_of(value) is not None for value in node.inputs):
            return False
        known = self._steps.keys() | self._moved.keys()
        return any({value, self._get(value)} & known for value in node.inputs)

    def _convolve(self, node: ir.Node, means: np.ndarray | None) -> None:
        """Convolves in 8 bits; of uint8 pixels if it is given their `means`."""
        kernel = constant_of(node.inputs[1])
        bias = constant_of(node.inputs[2]) if len(node.inputs) > 2 else 0
        bias, attributes = np.zeros(len(kernel)) + bias, dict(node.attributes)
        if means is None:
            given, unfold = self._quantize(node.inputs[0]), None
        else:
            # The padding is the zero point, a whole number: at the image's border the
            # means are rounded to that, elsewhere the bias makes up for it.
            zero = np.uint8(np.rint(means.mean()))
            means = np.broadcast_to(means, kernel.shape[1])
            bias += kernel.sum((2, 3)) @ (float(zero) - means)
            pixels, unfold = self._get(node.inputs[0]), None
            folded = fold_columns(kernel, attributes, self._image.shape)
            if folded is not None:
                kernel, changed, shape, unfold = folded
                bias, attributes = np.tile(bias, _FOLDED // 2), attributes | changed
                pixels = self._reshaped(self._image, shape)
            given = self._dequantize(pixels, np.float32(1), zero)
        name = node.outputs[0].name
        depthwise = node.attributes.get_int("group", 1) > 1
        most = _LARGEST_DEPTHWISE if depthwise else _LARGEST
        scales = np.maximum(np.abs(kernel).max((1, 2, 3)), 1e-8) / most
        step = self._steps[given][0]  # a filter of nearly nothing may have a bias
        scales = np.maximum(scales, np.abs(bias) / (2**30 * step)).astype("float32")
        steps = scales * step
        kernel = np.rint(kernel / scales[:, None, None, None]).astype("int8")
        bias = np.rint(bias / steps).astype("int32")
        parts = {"kernel": (kernel, scales), "bias": (bias, steps)}
        inputs = [
            self._tape.op(
                "DequantizeLinear",
                [
                    self._constant(value, f"{name}_{part}"),
                    self._constant(step, f"{name}_{part}_scales"),
                ],
                {"axis": 0},
            )
            for part, (value, step) in parts.items()
        ]
        made = self._tape.op("Conv", [given, *inputs], attributes)
        self._limited(node, made, unfold)

    def _hard_swish(self, node: ir.Node) -> None:
        """Writes x * relu6(x + 3) / 6: relu6 by saturation, / 6 by another scale."""
        given = self._quantize(node.inputs[0])
        three = self._constant(np.uint8(1), "hard_swish_one")
        three = self._dequantize(three, np.float32(3), np.uint8(0))
        gate = self._tape.op("Add", [given, three])
        sixth, zero = np.float32(1 / 255), np.uint8(0)
        gate = self._dequantize(
            self._quantize_linear(gate, 6 * sixth, zero), sixth, zero
        )
        self._limited(node, self._tape.op("Mul", [given, gate]))

    def _reshaped(self, value: ir.Value, shape: list[int]) -> ir.Value:
        """Reshapes an image to (-1, *shape) and puts its channels first."""
        shape = self._constant(np.array([-1, *shape]), f"shape_{shape}")
        last = self._tape.op("Reshape", [value, shape])
        return self._tape.op("Transpose", [last], {"perm": TO_FIRST})

    def _limited(self, node: ir.Node, new: ir.Value, unfold=None) -> None:
        """Quantizes what a node made, in the range of the activation after it."""
        made = node.outputs[0]
        users = made.consumers()
        kinds = {user.op_type for user in users}
        if kinds == {"HardSwish"}:  # which is 0 below -3
            low, high = self._ranges[made.name]
            self._ranges[made.name] = max(low, -3.0), max(high, 0.0)
        if len(users) == 1 and _is_positive_part(users[0]):
            self._new[made] = new
            made = users[0].outputs[0]
        self._new[made] = self._in_steps(new, made.name, unfold)

    def _quantize(self, value: ir.Value) -> ir.Value:
        new = self._get(value)
        if new in self._steps:
            return new
        if value in self._moved:
            scale, zero = self._moved[value]
            return self._dequantize(
                self._quantize_linear(new, scale, zero), scale, zero
            )
        return self._in_steps(new, value.name)

    def _in_steps(self, new: ir.Value, name: str, unfold=None) -> ir.Value:
        """Quantizes a value in the range that was measured of the one of that name.

        And gives it the shape `unfold`, channels last, while it is of 8 bits.
        """
        low, high = self._ranges[name]
        low, high = min(low, 0.0), max(high, 0.0)
        scale = np.float32(max((high - low) / 255, 1e-8))
        zero = np.uint8(np.clip(np.rint(-low / scale), 0, 255))
        made = self._quantize_linear(new, scale, zero)
        if unfold is not None:
            made = self._tape.op("Transpose", [made], {"perm": TO_LAST})
            made = self._reshaped(made, unfold)
        return self._dequantize(made, scale, zero)

    def _quantize_linear(self, value: ir.Value, scale, zero) -> ir.Value:
        return self._tape.op("QuantizeLinear", [value, *self._step(scale, zero)])

    def _dequantize(self, value: ir.Value, scale, zero) -> ir.Value:
        made = self._tape.op("DequantizeLinear", [value, *self._step(scale, zero)])
        self._steps[made] = scale, zero
        return made

    def _step(self, scale, zero) -> tuple[ir.Value, ir.Value]:
        return (
            self._constant(np.float32(scale), f"scale_{np.float32(scale)!s}"),
            self._constant(zero, f"zero_{zero}"),
        )

    def _copy(self, node: ir.Node, inputs=None) -> ir.Value:
        """Writes a node as it is."""
        if inputs is None:
            inputs = [self._get(value) for value in node.inputs]
        made = self._tape.op(node.op_type, inputs, dict(node.attributes))
        self._new[node.outputs[0]] = made
        return made

    def _get(self, value: ir.Value | None) -> ir.Value | None:
        if value is None or value in self._new:
            return self._new.get(value)
        return self._constant(constant_of(value), value.name)

    def _constant(self, value, name: str) -> ir.Value:
        if name not in self._constants:
            tensor = ir.tensor(np.asarray(value))
            self._constants[name] = self._tape.initializer(tensor, name)
        return self._constants[name]
