"""Checks exported files of strangers: allow-lists of operations, before any is run.

A SavedModel, ONNX or LiteRT file is a program. Only files that compute on tensors pass:
without files, loops, randomness, Python, code or data elsewhere. The tables hold what
`export.py` writes and the usual operators of other segmentation networks.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from keras_lraspp.errors import InputError

MOST_BYTES = 2**30  # of a file; the largest of ours has 13 MB
_MOST_OPERATIONS = 50_000  # functions that call each other counted as often as called
_MOST_VALUES = 2**31  # of a tensor whose shape is in the file
_MOST_REPEATS = 2**16  # of a constant that multiplies a tensor's sides

_ONNX = frozenset(
    """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool
    BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike
    Ceil Celu CenterCropPad Clip Compress Concat Constant ConstantOfShape Conv
    ConvInteger ConvTranspose Cos Cosh CumSum DeformConv DepthToSpace DequantizeLinear
    Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike
    Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool
    GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization
    HardSigmoid HardSwish Hardmax Identity If InstanceNormalization IsInf IsNaN LRN
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool
    MatMul MatMulInteger Max MaxPool MaxUnpool Mean MeanVarianceNormalization Min Mish
    Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul
    QuantizeLinear RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
    Relu Reshape Resize ReverseSequence RotaryEmbedding Round ScatterElements ScatterND
    Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
    SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK
    Transpose Trilu Unsqueeze Upsample Where Xor
    """.split()
)
# Indices of inputs that multiply the sides of a tensor.
_ONNX_FACTORS = {"Tile": (1,), "Resize": (2,), "Upsample": (1,)}
# Indices of inputs that are the shape of the result.
_ONNX_SHAPES = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "OneHot": (1,),
    "Range": (1,),
    "Resize": (3,),
}

_LITERT = frozenset(
    """
    ABS ADD ADD_N ARG_MAX ARG_MIN ATAN2 AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND
    BITCAST BITWISE_XOR BROADCAST_ARGS BROADCAST_TO CAST CEIL CONCATENATION CONV_2D COS
    CUMSUM DENSIFY DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV
    DYNAMIC_UPDATE_SLICE ELU EQUAL EXP EXPAND_DIMS FAKE_QUANT FILL FLOOR FLOOR_DIV
    FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GELU GREATER GREATER_EQUAL HARD_SWISH
    L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOCAL_RESPONSE_NORMALIZATION
    LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN
    MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE RANGE
    RANK REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6
    RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2
    RIGHT_SHIFT ROUND RSQRT SCATTER_ND SELECT SELECT_V2 SHAPE SIGN SIN SLICE SOFTMAX
    SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE
    SQUEEZE STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK
    WHERE ZEROS_LIKE
    """.split()
)
_LITERT_FACTORS = {"TILE": (1,)}
_LITERT_SHAPES = {
    "BROADCAST_TO": (1,),
    "FILL": (0,),
    "ONE_HOT": (1,),
    "RANGE": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "SCATTER_ND": (2,),
}


def check_onnx(content: bytes, path: str | Path) -> bytes:
    """Returns an ONNX file's content as it was understood, if it only computes.

    Raises:
        InputError: For an operation outside the table, a loop, local functions, data
            in other files, sizes out of all proportion, or weights that are no numbers.
        ValueError: If it is damaged.
    """
    import onnx

    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # whose type depends on protobuf's version
        raise ValueError("it is no ONNX model") from error
    # What this version of ONNX does not know, that of ONNX Runtime might.
    model.DiscardUnknownFields()
    if model.functions:
        raise InputError(refusal(path, "functions of its own"))
    if model.training_info:
        raise InputError(refusal(path, "graphs for training"))
    count, constants, operations = 0, {}, []
    for graph in _onnx_graphs(model.graph):
        count += len(graph.node)
        for node in graph.node:
            if node.domain not in ("", "ai.onnx") or node.op_type not in _ONNX:
                name = ".".join(filter(None, (node.domain, node.op_type)))
                raise InputError(refusal(path, f"the operation {name}"))
            operations.append((node.op_type, node.input))
            if node.op_type == "Constant":  # of one attribute, if it is valid
                (given,) = node.attribute
                constants[node.output[0]] = np.array([*given.ints, *given.floats])
        for name, tensor in _onnx_tensors(graph, path):
            if tensor.data_type:  # not an attribute of another kind
                constants[name] = _onnx_values(tensor, path)
    check_count(count, path)
    tables = (_ONNX_SHAPES, _ONNX_FACTORS)
    check_sizes(operations, constants.get, *tables, path)
    return model.SerializeToString()


def _onnx_graphs(graph) -> Iterator:
    waiting = [graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting += [attribute.g, *attribute.graphs]


def _onnx_tensors(graph, path) -> Iterator[tuple[str, object]]:
    """Yields initialisers and the tensors of attributes, by the value's name."""
    sparse = bool(graph.sparse_initializer)
    for node in graph.node:
        for attribute in node.attribute:
            sparse |= attribute.HasField("sparse_tensor")
            sparse |= bool(attribute.sparse_tensors)
            made = node.output[0] if node.output else ""
            for tensor in (attribute.t, *attribute.tensors):
                yield made, tensor
            for value in (attribute.f, *attribute.floats):
                if math.isnan(value):
                    raise InputError(not_finite(path))
    if sparse:
        raise InputError(refusal(path, "a sparse tensor"))
    for tensor in graph.initializer:
        yield tensor.name, tensor


def _onnx_values(tensor, path) -> np.ndarray:
    from onnx import numpy_helper

    if tensor.data_location or tensor.external_data:
        raise InputError(refusal(path, f"data in another file ({tensor.name})"))
    values = numpy_helper.to_array(tensor)  # ValueError if its size is wrong
    check_finite(values, path)
    return values


def check_litert(content: bytes, path: str | Path) -> None:
    """Raises InputError unless a LiteRT file only computes, as `check_onnx`."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    if model.SubgraphsLength() != 1:
        raise InputError(refusal(path, f"{model.SubgraphsLength()} graphs"))
    if getattr(model, "ExternalBuffersLength", int)():
        raise InputError(refusal(path, "data in another file"))
    graph = model.Subgraphs(0)
    check_count(graph.OperatorsLength() + graph.TensorsLength(), path)
    constants = _litert_constants(model, graph, path)
    ready = {*constants, *graph.InputsAsNumpy().tolist()}
    operations = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        inputs = operator.InputsAsNumpy().tolist() if operator.InputsLength() else []
        needed = [*inputs[:2], *(one for one in inputs[2:] if one != -1)]
        if not ready.issuperset(needed):  # LiteRT would read where nothing is
            raise InputError(refusal(path, "an operation before its input is there"))
        ready.update(operator.OutputsAsNumpy().tolist())
        code = model.OperatorCodes(operator.OpcodeIndex())
        operations.append((_litert_name(code, path), inputs))
    tables = (_LITERT_SHAPES, _LITERT_FACTORS)
    check_sizes(operations, constants.get, *tables, path)


def _litert_name(code, path: str | Path) -> str:
    """Returns the name of an operation that is in the table."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    names = {value: name for name, value in vars(BuiltinOperator).items()}
    name = names.get(number, f"number {number}")
    if name not in _LITERT:
        custom = (code.CustomCode() or b"").decode(errors="replace")
        raise InputError(refusal(path, f"the operation {name} {custom}".strip()))
    return name


def _litert_constants(model, graph, path: str | Path) -> dict[int, np.ndarray]:
    """Returns the values of tensors by their index; bytes where NumPy has no type."""
    from ai_edge_litert.schema_py_generated import TensorType

    types = {getattr(TensorType, name): dtype for name, dtype in _LITERT_DTYPES}
    constants = {}
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        shape = [tensor.Shape(side) for side in range(tensor.ShapeLength())]
        if min(shape, default=0) < 0 or math.prod(shape) > _MOST_VALUES:
            raise InputError(refusal(path, f"a tensor of the shape {shape}"))
        quantization = tensor.Quantization()
        if quantization is not None and quantization.ScaleLength():
            check_finite(quantization.ScaleAsNumpy(), path)
        buffer = model.Buffers(tensor.Buffer())
        if getattr(buffer, "Offset", int)() > 1:
            raise InputError(refusal(path, "data outside of its model"))
        if buffer.DataLength() or 0 in shape:
            data = bytes(buffer.DataAsNumpy()) if buffer.DataLength() else b""
            constants[index] = np.frombuffer(data, types.get(tensor.Type(), "u1"))
            check_finite(constants[index], path)
    return constants


_LITERT_DTYPES = (
    ("FLOAT32", "<f4"),
    ("FLOAT16", "<f2"),
    ("FLOAT64", "<f8"),
    ("INT32", "<i4"),
    ("INT64", "<i8"),
)


def check_count(count: int, path: str | Path) -> None:
    """Refuses too many operations."""
    if count > _MOST_OPERATIONS:
        raise InputError(
            refusal(path, f"{count} operations, more than {_MOST_OPERATIONS}")
        )


def check_sizes(
    operations, constant: Callable, shapes: dict, factors: dict, path
) -> None:
    """Refuses constants that make a tensor far too large."""
    for table, most in ((shapes, _MOST_VALUES), (factors, _MOST_REPEATS)):
        for kind, inputs in operations:
            for place in table.get(kind, ()):
                sizes = constant(inputs[place]) if place < len(inputs) else None
                if sizes is None or sizes.dtype.kind not in "iuf":
                    continue
                sides = np.maximum(np.abs(sizes.astype(float)), 1)  # -1 and 0: as it is
                claimed = math.prod(sides.ravel().tolist())
                if not claimed <= most:
                    found = f"a {kind} to {claimed:.0f} values"
                    raise InputError(refusal(path, found))


def check_finite(values: np.ndarray, path: str | Path) -> None:
    """Refuses NaN and infinite weights."""
    if values.dtype.kind in "iubcOSU" or not values.size:
        return
    if values.dtype.kind != "f":  # of a type that NumPy does not have
        values = values.astype(np.float32)
    # A single infinite value is the open end of a range.
    wrong = np.isnan(values) if values.size == 1 else ~np.isfinite(values)
    if wrong.any():
        raise InputError(not_finite(path))


def not_finite(path: str | Path) -> str:
    """Says that weights are no numbers."""
    return (
        f"{path} has weights that are NaN or infinite; export it again from weights "
        f"that are finite."
    )


def refusal(path: str | Path, found: str) -> str:
    """Says why a file is refused."""
    return (
        f"{path} is refused: it has {printable(found)}, which no exported network "
        f"here needs; export the model again with export.py."
    )


def printable(text: str) -> str:
    """Returns the beginning of what a file says, without what moves a cursor."""
    return "".join(one if one.isprintable() else "?" for one in text[:300])
