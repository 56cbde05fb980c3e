"""ONNX and LiteRT files of strangers, which could do more than compute."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.pixel_model import pixel_model, random_images
from keras_lraspp.classes import generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.export.litert import export_litert
from keras_lraspp.export.litert_metadata import add_buffers
from keras_lraspp.export.metadata import KEY
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.export.runtimes import open_exported

IMAGES = random_images(1, 4, 6)


def onnx_file(path, nodes, constants=(), output="labels", kind=TensorProto.INT32):
    """Writes an ONNX file from `image` to an output."""
    rank = 3 if output == "labels" else 4
    graph = helper.make_graph(
        [*nodes],
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [None] * 3 + [3])],
        [helper.make_tensor_value_info(output, kind, [None] * rank)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in dict(constants).items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return model


def of_labels(path, found):
    """Writes an ONNX file whose every label is `found`, of its type."""
    found = np.asarray(found)
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["most"], axes=[3], keepdims=0),
        helper.make_node("Cast", ["most"], ["whole"], to=int(TensorProto.INT64)),
        helper.make_node("Shape", ["whole"], ["shape"]),
        helper.make_node("Expand", ["value", "shape"], ["labels"]),
    ]
    kind = helper.np_dtype_to_tensor_dtype(found.dtype)
    model = onnx_file(path, nodes, {"value": found}, kind=kind)
    helper.set_model_props(model, {"num_classes": "19"})
    path.write_bytes(model.SerializeToString())


LOOP_BODY = helper.make_graph(
    [helper.make_node("Identity", ["on"], ["still"])],
    "body",
    [
        helper.make_tensor_value_info("step", TensorProto.INT64, []),
        helper.make_tensor_value_info("on", TensorProto.BOOL, []),
    ],
    [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
)


def branches(*nodes):
    graph = helper.make_graph(
        [*nodes], "branch", [], [helper.make_empty_tensor_value_info("x")]
    )
    return helper.make_node("If", ["yes"], ["x"], then_branch=graph, else_branch=graph)


LOOP = helper.make_node("Loop", ["", "yes"], [], body=LOOP_BODY)


@pytest.mark.parametrize(
    "node, found",
    [
        (LOOP, "operation Loop"),
        (branches(LOOP), "operation Loop"),
        (branches(branches(LOOP)), "operation Loop"),
        (helper.make_node("Scan", ["image"], ["x"], body=LOOP_BODY), "Scan"),
        (helper.make_node("RandomNormal", [], ["x"], shape=[1]), "RandomNormal"),
        (
            helper.make_node("Attention", ["image"], ["x"], domain="com.microsoft"),
            "com.microsoft.Attention",
        ),
        (helper.make_node("Conv", ["image"], ["x"], domain="evil"), "evil.Conv"),
        (helper.make_node("StringConcat", ["a", "a"], ["x"]), "StringConcat"),
        (helper.make_node("\x1b[2JAdd", ["a", "a"], ["x"]), r"\?\[2JAdd, which"),
        (helper.make_node("ConstantOfShape", ["huge"], ["x"]), "a ConstantOfShape to"),
        (helper.make_node("Expand", ["image", "huge"], ["x"]), "an? Expand to"),
        (helper.make_node("Tile", ["image", "huge"], ["x"]), "a Tile to"),
        (helper.make_node("Resize", ["image", "", "", "huge"], ["x"]), "a Resize to"),
        (helper.make_node("Resize", ["image", "", "zoom"], ["x"]), "a Resize to"),
    ],
)
def test_an_onnx_file_that_does_more_than_compute_is_refused(tmp_path, node, found):
    path = tmp_path / "a.onnx"
    constants = {
        "yes": np.bool_(True),
        "huge": np.array([1, 1 << 20, 1 << 20, 3]),
        "zoom": np.array([1, 1e4, 1e4, 1], "float32"),
    }
    onnx_file(path, [node], constants)
    with pytest.raises(InputError, match=f"a.onnx is refused: it has .*{found}"):
        open_exported(path)


def _external(model):
    tensor = model.graph.initializer.add(name="w", data_type=1, dims=[3])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def _external_attribute(model):
    tensor = model.graph.node.add(op_type="Constant", output=["w"]).attribute.add()
    tensor.name, tensor.type = "value", onnx.AttributeProto.TENSOR
    tensor.t.external_data.add(key="location", value="/dev/zero")
    tensor.t.data_type = 1


def _functions(model):
    model.functions.add(name="f", domain="own")


def _sparse(model):
    sparse = model.graph.sparse_initializer.add()
    sparse.dims.extend([1 << 40])
    sparse.values.name = "w"


def _many(model):
    for _ in range(50_001):
        model.graph.node.add(op_type="Identity", input=["image"], output=["x"])


def _training(model):
    model.training_info.add()


@pytest.mark.parametrize(
    "change, found",
    [
        (_external, "data in another file"),
        (_external_attribute, "data in another file"),
        (_functions, "functions of its own"),
        (_sparse, "a sparse tensor"),
        (_many, "more than 50000"),
        (_training, "graphs for training"),
    ],
)
def test_what_an_onnx_file_should_not_have(tmp_path, change, found):
    path = tmp_path / "a.onnx"
    model = onnx_file(path, [])
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=f"a.onnx is refused: it has .*{found}"):
        open_exported(path)


def test_an_onnx_tensor_that_claims_more_than_it_has(tmp_path):
    path = tmp_path / "a.onnx"
    model = onnx_file(path, [])
    tensor = model.graph.initializer.add(name="w", data_type=1, dims=[1 << 40])
    tensor.raw_data = bytes(8)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="a.onnx is not an ONNX file"):
        open_exported(path)


def test_a_model_in_ONNX_Runtimes_own_format_is_no_onnx(tmp_path):
    (tmp_path / "a.onnx").write_bytes(struct.pack("<I", 64) + b"ORTM" + bytes(200))
    with pytest.raises(InputError, match="a.onnx is not an ONNX file"):
        open_exported(tmp_path / "a.onnx")


@pytest.mark.parametrize("found", [np.int32(200), np.int64(-1), np.int64(2**32 + 3)])
def test_labels_out_of_range_from_an_exported_file_are_refused(tmp_path, found):
    of_labels(tmp_path / "a.onnx", found)
    opened = open_exported(tmp_path / "a.onnx")
    with pytest.raises(InputError, match=f"gives labels from {found} to {found}, but"):
        opened.labels(IMAGES)


def test_labels_that_are_none(tmp_path):
    of_labels(tmp_path / "a.onnx", np.float32(1))
    with pytest.raises(InputError, match=r"gives labels float32 .* where integers"):
        open_exported(tmp_path / "a.onnx").labels(IMAGES)
    node = helper.make_node("Identity", ["image"], ["labels"])
    onnx_file(tmp_path / "a.onnx", [node], kind=TensorProto.UINT8)
    with pytest.raises(InputError, match=r"uint8 \(1, 4, 6, 3\) where .* \(1, 4, 6\)"):
        open_exported(tmp_path / "a.onnx").labels(IMAGES)


@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_scores_that_are_NaN_are_refused(tmp_path, output):
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=int(TensorProto.FLOAT)),
        helper.make_node("Sub", ["x", "x"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], [output]),
    ]
    path, kind = tmp_path / "a.onnx", TensorProto.FLOAT
    onnx_file(path, nodes, output=output, kind=kind)
    opened = open_exported(path)
    for call in (opened.labels, opened.probabilities, getattr(opened, output)):
        with pytest.raises(InputError, match=f"gives {output} that are NaN"):
            call(IMAGES)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_weights_of_an_onnx_file_that_are_no_numbers(tmp_path, wrong, dtype):
    onnx_file(tmp_path / "a.onnx", [], {"w": np.array([1, wrong], dtype)})
    with pytest.raises(InputError, match="a.onnx has weights that are NaN or infinite"):
        open_exported(tmp_path / "a.onnx")


def test_an_error_of_the_runtime_names_the_file(tmp_path):
    path = tmp_path / "a.onnx"
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=int(TensorProto.INT32)),
        helper.make_node("Reshape", ["x", "sides"], ["labels"]),
    ]
    onnx_file(path, nodes, {"sides": np.array([7, 7, 7])})
    with pytest.raises(InputError, match="a.onnx cannot be run on an image of 4x6"):
        open_exported(path).labels(IMAGES)


@pytest.mark.parametrize("shape", [[], [3], [None, None, 3], [1, 1, 4, 6, 3]])
def test_an_input_that_is_no_image(tmp_path, shape):
    path = tmp_path / "a.onnx"
    model = onnx_file(path, [helper.make_node("Cast", ["image"], ["labels"], to=6)])
    info = helper.make_tensor_value_info("image", TensorProto.UINT8, shape)
    model.graph.input[0].CopyFrom(info)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="a.onnx is not an ONNX file .*its input is"):
        open_exported(path)


@pytest.mark.parametrize(
    "key, text, match",
    [
        ("palette", "[[0, 0, 256], [1, 1, 1]]", r"palette\[0\]\[2\].* is 256"),
        ("palette", "[[0, 0, 0]]", "it has 2 classes, but 1 colours"),
        ("classes", '"ab"', "`classes` is 'ab'"),
        ("classes", "[" * 100_000, "classes of .*a.onnx is nested too deeply"),
        ("classes", "{}", "`classes` is an object of 0"),
        ("num_classes", "1e9", "num_classes of .*a.onnx is 1000000000"),
        ("num_classes", "-1", "num_classes of .*a.onnx is -1"),
        ("num_classes", "9" * 5000, "has a whole number of 5000 digits"),
        ("num_classes", "3", "says that it has 3 classes, .* names 2"),
        ("smallest_side", "NaN", "NaN is no finite number"),
        ("variant", "a" * 2**21, "`variant` is 'aaa.*, not text of length"),
        ("variant", "a\x1b[2J", "`variant` is"),
    ],
)
def test_metadata_of_a_stranger(tmp_path, key, text, match):
    path = tmp_path / "a.onnx"
    node = helper.make_node("Identity", ["image"], ["labels"])
    model = onnx_file(path, [node], kind=TensorProto.UINT8)
    entries = {"classes": '["a", "b"]', "palette": "[[0, 0, 0], [1, 1, 1]]"}
    entries |= {"num_classes": "2", "other": "\n", key: text}
    helper.set_model_props(model, entries)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=match) as caught:
        open_exported(path)
    assert "a.onnx" in str(caught.value)
    assert "export the model again" in str(caught.value)


@pytest.fixture(scope="module")
def litert(tmp_path_factory):
    path = tmp_path_factory.mktemp("litert") / "a.tflite"
    export_litert(pixel_model(), path, size=(4, 6), classes=generic_class_set(5))
    return path.read_bytes()


def litert_changed(content: bytes, change) -> bytes:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for operator in model.subgraphs[0].operators:
        operator.inputs = [*operator.inputs]  # what was read cannot be written
    change(model, schema)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _code(name):
    def change(model, schema):
        code = model.operatorCodes[0]
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.customCode = "Evil" if name == "CUSTOM" else None

    return change


def _second_graph(model, schema):
    model.subgraphs.append(model.subgraphs[0])


def _huge_tensor(model, schema):
    model.subgraphs[0].tensors[0].shape = [1, 1 << 20, 1 << 20, 3]


def _too_early(model, schema):
    first, *_, last = model.subgraphs[0].operators
    first.inputs = [last.outputs[0], *first.inputs[1:]]


def _no_weights(model, schema):
    model.subgraphs[0].operators[1].inputs[1] = -1


def _nan_weights(model, schema):
    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data) == 60:  # the kernel
            buffer.data = np.frombuffer(np.float32([np.nan] * 15).tobytes(), "uint8")


@pytest.mark.parametrize(
    "change, found",
    [
        *(
            (_code(name), f"is refused: it has the operation {name}")
            for name in ("WHILE", "IF", "CALL_ONCE", "READ_VARIABLE", "RANDOM_UNIFORM")
        ),
        (_code("CUSTOM"), "is refused: it has the operation CUSTOM Evil"),
        (_second_graph, "is refused: it has 2 graphs"),
        (_too_early, "is refused: it has an operation before its input"),
        (_no_weights, "is refused: it has an operation before its input"),
        (_huge_tensor, "is refused: it has a tensor of the shape"),
        (_nan_weights, "has weights that are NaN"),
    ],
)
def test_a_litert_file_that_does_more_than_compute(tmp_path, litert, change, found):
    path = tmp_path / "a.tflite"
    path.write_bytes(litert_changed(litert, change))
    with pytest.raises(InputError, match=f"a.tflite {found}"):
        open_exported(path)


def test_metadata_of_a_stranger_in_litert(tmp_path, litert):
    entries = {"classes": json.dumps(["a"]), "palette": "[[0, 0, 0]]"}
    path = tmp_path / "a.tflite"
    bare = litert_changed(litert, lambda model, _: setattr(model, "metadata", None))
    data = json.dumps(entries | {"num_classes": "7"}).encode()
    path.write_bytes(add_buffers(bare, {KEY: data}))
    with pytest.raises(InputError, match="a.tflite says that it has 7 classes"):
        open_exported(path)


@pytest.mark.parametrize("ending", [".onnx", ".tflite", ""])
def test_what_is_no_regular_file(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    os.mkfifo(path if ending else tmp_path / "saved_model.pb")
    with pytest.raises(InputError, match="is a pipe, not a file|is no exported model"):
        open_exported(path if ending else tmp_path)


def test_usual_networks_pass(tmp_path):
    """What this package writes is in the tables."""
    path = Path(tmp_path / "a.onnx")
    outputs = ("labels", "logits", "probabilities")
    export_onnx(pixel_model(), path, outputs=outputs)
    assert open_exported(path).labels(IMAGES).shape == (1, 4, 6)
