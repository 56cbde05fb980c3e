"""Labels from coarse scores in ONNX, without the scores of every pixel.

Bilinear interpolation blends the scores of four cells. Where all four have the same
largest class, so has every pixel between them; only the others are calculated. Those
are the borders of things: some 10 % of a street, a tenth of the time and the memory.
"""

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from keras_lraspp.export.onnx_rewriting import constant_of, coordinates_of

_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # rows and columns, of a square of cells
_FAR = 2**31 - 1
_INT32 = int(ir.DataType.INT32)


def label_from_cells(graph: ir.Graph) -> None:
    """Rewrites the last Resize and the ArgMax after it, where the factor is even.

    That is a constant only in files of one size of images. The labels are the same but
    for rounding where two classes are equal.
    """
    for node in [node for node in graph if node.op_type == "ArgMax"]:
        resize = node.inputs[0].producer()
        factor = _even_factor(resize)
        if factor is None or node.attributes.get_int("axis") != 3:
            continue
        if len(node.inputs[0].consumers()) > 1 or node.inputs[0].is_graph_output():
            continue
        (cast,) = node.outputs[0].consumers()
        if cast.op_type != "Cast":
            continue
        tape = Tape()
        _write(tape, resize.inputs[0], factor, f"{cast.outputs[0].name}_cells")
        for value in tape.initializers:
            graph.register_initializer(value)
        ir.convenience.replace_nodes_and_values(
            graph,
            cast,
            [cast, node, resize],
            tape.nodes,
            cast.outputs,
            tape.nodes[-1].outputs,
        )


def _even_factor(resize: ir.Node | None) -> int | None:
    if resize is None or resize.op_type != "Resize" or len(resize.inputs) != 3:
        return None
    factors = constant_of(resize.inputs[2])
    if coordinates_of(resize) != "half_pixel" or factors is None:
        return None
    if factors[1] != factors[2]:
        return None
    even = factors[0] == factors[3] == 1 and factors[1] % 2 == 0
    return int(factors[1]) if even else None


def _write(tape: Tape, scores: ir.Value, factor: int, name: str) -> ir.Value:
    """Writes int32 labels (B, H, W) of scores (B, H / factor, W / factor, C).

    There is a square of factor x factor pixels between any four neighbours, and
    around the map, where the cells at the border are repeated: half of those squares
    is cut off in the end.
    """

    def numbers(values, what: str, kind="int64") -> ir.Value:
        value = ir.tensor(np.asarray(values, kind))
        return tape.initializer(value, f"{name}_{what}")

    def sliced(value, starts, ends, what):
        limits = numbers(starts, f"{what}_starts"), numbers(ends, f"{what}_ends")
        return tape.op("Slice", [value, *limits, sides])

    def best(value, axis):
        found = tape.op("ArgMax", [value], {"axis": axis, "keepdims": 0})
        return tape.op("Cast", [found], {"to": _INT32})

    sides, area = numbers([1, 2], "sides"), factor * factor
    border = numbers([0, 1, 1, 0, 1, 1], "border")
    coarse = best(scores, 3)
    padded = tape.op("Pad", [coarse, border], {"mode": "edge"})
    corners = [
        sliced(padded, [y, x], [_FAR if y else -1, _FAR if x else -1], f"corner{y}{x}")
        for y, x in _CORNERS
    ]
    highest, lowest = tape.op("Max", corners), tape.op("Min", corners)
    mixed = tape.op("Not", [tape.op("Equal", [highest, lowest])])
    squares = tape.op("Transpose", [tape.op("NonZero", [mixed])], {"perm": [1, 0]})

    # The scores of the four cells, (4, squares, C), and of the pixels between them.
    steps = [[[0, y - 1, x - 1]] for y, x in _CORNERS]
    cells = tape.op("Add", [squares, numbers(steps, "steps")])
    cells = tape.op("Max", [cells, numbers([0, 0, 0], "first")])
    last = tape.op("Sub", [tape.op("Shape", [coarse]), numbers(1, "one")])
    found = tape.op("GatherND", [scores, tape.op("Min", [cells, last])])
    flat = tape.op("Reshape", [found, numbers([4, -1], "flat")])
    weights = numbers(_weights(factor), "weights", "float32")
    blended = tape.op("MatMul", [weights, flat])
    shape = tape.op("Shape", [found], {"start": 1})
    shape = tape.op("Concat", [numbers([area], "area"), shape], {"axis": 0})
    pixels = best(tape.op("Reshape", [blended, shape]), 2)
    pixels = tape.op("Transpose", [pixels], {"perm": [1, 0]})

    every = tape.op("Unsqueeze", [highest, numbers([3], "last_axis")])
    every = tape.op("Add", [every, numbers(np.zeros(area), "spread", "int32")])
    every = tape.op("ScatterND", [every, squares, pixels])
    square = numbers([0, 0, 0, factor, factor], "square")
    every = tape.op("Reshape", [every, square])
    every = tape.op("Transpose", [every], {"perm": [0, 1, 3, 2, 4]})
    size = tape.op("Shape", [highest])
    size = tape.op("Mul", [size, numbers([1, factor, factor], "factors")])
    every = tape.op("Reshape", [every, size])
    half = factor // 2
    return sliced(every, [half, half], [-half, -half], "inside")


def _weights(factor: int) -> np.ndarray:
    """Returns the weights of four cells for the pixels between, (factor^2, 4)."""
    lower = (np.arange(factor) + 0.5) / factor
    along = np.stack([1 - lower, lower])
    return np.einsum("iy,jx->yxij", along, along).reshape(factor * factor, 4)
