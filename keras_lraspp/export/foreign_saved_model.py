"""Checks SavedModels of strangers: an allow-list of TensorFlow's operations."""

import math
from collections.abc import Iterable
from pathlib import Path

from keras_lraspp.errors import InputError
from keras_lraspp.export.foreign import (
    MOST_BYTES,
    check_count,
    check_finite,
    check_sizes,
    refusal,
)
from keras_lraspp.files import read_regular

_MOST_REPEATED = 2**24  # values of constants that are stored as one value

# What the signatures that are run may hold, by TensorFlow's names.
_TENSORFLOW = frozenset(
    """
    Abs Acos Acosh Add AddN AddV2 All Any ArgMax ArgMin Asin Asinh Assert Atan Atan2
    Atanh AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpace BatchToSpaceND
    BiasAdd BiasAddV1 Bitcast BroadcastArgs BroadcastTo Cast Ceil ClipByValue Concat
    ConcatV2 Const Conv2D Conv2DBackpropInput Cos Cosh CropAndResize Cumsum DepthToSpace
    DepthwiseConv2dNative Dequantize DisableCopyOnRead Div DivNoNan Einsum Elu
    EnsureShape Equal Erf Erfc Exp ExpandDims Expm1 FakeQuantWithMinMaxArgs
    FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel Fill Floor FloorDiv
    FloorMod FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Gather GatherNd GatherV2
    Greater GreaterEqual Identity IdentityN If InvertPermutation IsFinite IsInf IsNan
    L2Loss LRN LeakyRelu Less LessEqual LinSpace Log Log1p LogSoftmax LogicalAnd
    LogicalNot LogicalOr MatMul Max MaxPool MaxPoolV2 Maximum Mean Min Minimum MirrorPad
    Mod Mul MulNoNan Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2 PartitionedCall
    Placeholder PlaceholderWithDefault Pow PreventGradient Prod QuantizeAndDequantizeV2
    QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2 Range Rank ReadVariableOp
    RealDiv Reciprocal Relu Relu6 Reshape ResizeArea ResizeBicubic ResizeBilinear
    ResizeNearestNeighbor Reverse ReverseV2 Rint Round Rsqrt ScatterNd Select SelectV2
    Selu Shape ShapeN Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
    SpaceToBatch SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference
    Squeeze StatefulPartitionedCall StatelessIf StopGradient StridedSlice Sub Sum Tan
    Tanh TensorScatterUpdate Tile TopKV2 Transpose TruncateDiv TruncateMod Unpack Where
    Xdivy Xlogy ZerosLike
    """.split()
)
# What else our signatures for encoded images need, which are not run here.
_SERVING = frozenset(
    """
    DecodeJpeg DecodePng DecodeRaw EncodePng ExtractJpegShape StatelessWhile
    StringLength StringSplitV2 Substr TensorListFromTensor TensorListGetItem
    TensorListReserve TensorListSetItem TensorListStack While
    """.split()
)
# What every SavedModel has for its saver, in functions that nothing refers to.
_SAVER = frozenset(
    """
    AssignVariableOp MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename
    StaticRegexFullMatch StringJoin VarHandleOp VarIsInitializedOp
    """.split()
)
_TENSORFLOW_FACTORS = {"Tile": (1,)}
_TENSORFLOW_SHAPES = {
    "BroadcastTo": (1,),
    "Fill": (0,),
    "LinSpace": (2,),
    "OneHot": (1,),
    "Range": (1,),
    "ResizeArea": (1,),
    "ResizeBicubic": (1,),
    "ResizeBilinear": (1,),
    "ResizeNearestNeighbor": (1,),
    "ScatterNd": (2,),
}


def check_saved_model(folder: Path, run: Iterable[str]) -> None:
    """Checks a SavedModel before TensorFlow loads it, as `check_onnx`.

    Args:
        folder: The folder with `saved_model.pb`.
        run: Names of the signatures that will be called: these may not have loops.

    Raises:
        InputError: As `check_onnx`; also for tables and other resources, whose
            functions TensorFlow calls as it loads them.
        ValueError: If it is damaged.
        OSError: If it cannot be read.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    _check_files(folder)
    content = read_regular(folder / "saved_model.pb", MOST_BYTES)
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(content)
    except Exception as error:
        raise ValueError("saved_model.pb is damaged") from error
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].object_graph_def.nodes:
        raise InputError(refusal(folder, "the form of TensorFlow 1"))
    (meta,) = saved.meta_graphs
    for asset in meta.asset_file_def:
        if asset.filename in (".", "..") or set(asset.filename) & set("/\\\0"):
            raise InputError(refusal(folder, f"the file {asset.filename!r} elsewhere"))
    objects = meta.object_graph_def
    library = meta.graph_def.library.function
    functions = {function.signature.name: function for function in library}
    if len(functions) < len(library):
        raise InputError(refusal(folder, "two functions of one name"))
    calls = {name: _calls(made.node_def, functions) for name, made in functions.items()}
    main = _calls(meta.graph_def.node, functions)
    check_count(_expanded(calls, main, functions, folder), folder)
    called = _reached(_signatures(objects, set(run)), calls)
    known = _reached(objects.concrete_functions, calls)
    _check_claims(meta, len(content), folder)
    _check_objects(objects, folder)
    for name, function in functions.items():
        if "api_implements" in function.attr:  # by which TensorFlow exchanges them
            raise InputError(refusal(folder, f"a stand-in for a function ({name})"))
        allowed = _TENSORFLOW if name in called else _TENSORFLOW | _SERVING
        allowed |= frozenset() if name in known else _SAVER
        _check_nodes(function.node_def, allowed, functions, folder)
    everything = _TENSORFLOW | _SERVING | _SAVER
    _check_nodes(meta.graph_def.node, everything, functions, folder)


def _check_files(folder: Path) -> None:
    """Refuses what TensorFlow would wait for, or follow elsewhere."""
    for path in folder.rglob("*"):
        if path.is_symlink() and path.is_dir() or not (path.is_dir() or path.is_file()):
            raise InputError(f"{path} is neither a file nor a folder; remove it.")


def _signatures(objects, run: set[str]) -> set[str]:
    """Returns the functions that any object has under one of these names."""
    found = set()
    for parent in objects.nodes:
        for child in parent.children:
            if child.local_name in run:
                node = objects.nodes[child.node_id]
                found.add(node.bare_concrete_function.concrete_function_name)
                found.update(node.function.concrete_functions)
    return found - {""}


def _check_objects(objects, folder: Path) -> None:
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        if kind == "resource" or node.saveable_objects or node.registered_saver:
            raise InputError(refusal(folder, "a table or another resource"))


def _calls(nodes, functions: dict) -> list[str]:
    """Returns the functions that nodes call, as often as they do."""
    found = []
    for node in nodes:
        found += [node.op] if node.op in functions else []
        waiting = [*node.attr.values()]
        while waiting:
            value = waiting.pop()
            for each in (value.func, *value.list.func):
                found += [each.name] if each.name in functions else []
                waiting += each.attr.values()
    return found


def _expanded(calls: dict, main: list[str], functions: dict, folder: Path) -> int:
    """Returns the number of operations with all calls inlined."""
    sizes, open_calls, waiting = {}, set(), [*calls]
    while waiting:
        name = waiting[-1]
        missing = [each for each in calls[name] if each not in sizes]
        if name in sizes or not missing:
            inside = sum(sizes[each] for each in calls[name])
            sizes[waiting.pop()] = len(functions[name].node_def) + inside
            open_calls.discard(name)
        elif name in open_calls:
            raise InputError(refusal(folder, f"a function that calls itself ({name})"))
        else:
            open_calls.add(name)
            waiting += missing
    return sum(sizes[name] for name in main) + max(sizes.values(), default=0)


def _reached(roots: Iterable[str], calls: dict) -> set[str]:
    found, waiting = set(), [*roots]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += calls.get(name, ())
    return found


def _check_nodes(nodes, allowed: frozenset[str], functions: dict, folder: Path) -> None:
    import tensorflow as tf

    constants, operations = {}, []
    for node in nodes:
        if node.op not in allowed and node.op not in functions:
            raise InputError(refusal(folder, f"the operation {node.op}"))
        operations.append((node.op, [name.split(":")[0] for name in node.input]))
        if node.op != "Const":
            continue
        tensor = node.attr["value"].tensor
        dtype = tf.dtypes.as_dtype(tensor.dtype)
        if dtype not in (tf.resource, tf.variant, tf.string):
            constants[node.name] = tf.make_ndarray(tensor)
            check_finite(constants[node.name], folder)
        elif dtype != tf.string:
            raise InputError(refusal(folder, f"a constant of the type {dtype.name}"))
    tables = (_TENSORFLOW_SHAPES, _TENSORFLOW_FACTORS)
    check_sizes(operations, constants.get, *tables, folder)


def _check_claims(meta, size: int, folder: Path) -> None:
    """Refuses constants and variables of far more values than the files have bytes."""
    variables = (folder / "variables").glob("*")
    stored = sum(path.stat().st_size for path in variables if path.is_file())
    nodes = [*meta.graph_def.node]
    for function in meta.graph_def.library.function:
        nodes += function.node_def
    tensors = [node.attr["value"].tensor for node in nodes if node.op == "Const"]
    objects = meta.object_graph_def.nodes
    for claims, most in (
        ([_values(one.tensor_shape, one.string_val) for one in tensors], size),
        ([_values(node.variable.shape) for node in objects], stored),
    ):
        if sum(claims) > most + _MOST_REPEATED:
            raise InputError(refusal(folder, f"{sum(claims)} values in {most} bytes"))


def _values(shape, texts: Iterable[bytes] = ()) -> int:
    longest = max(map(len, texts), default=1)
    return math.prod(max(side.size, 0) for side in shape.dim) * max(longest, 1)
