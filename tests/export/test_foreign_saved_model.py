"""SavedModels of strangers, which could do more than compute."""

import os

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from harness.pixel_model import random_images
from keras_lraspp.errors import InputError
from keras_lraspp.export.runtimes import open_exported

IMAGES = random_images(1, 4, 6)
SPEC = tf.TensorSpec((None, None, None, 3), tf.uint8, name="image")


def saved_model(folder, call, spec=SPEC, **parts):
    """Writes a SavedModel with the signature `serving_default`."""
    module = tf.Module()
    for name, part in parts.items():
        setattr(module, name, part)
    module.serve = tf.function(call, input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


def whole(image):
    return {"labels": tf.cast(image[..., 0], tf.int32)}


def _writes(path):
    def call(image):
        tf.io.write_file(str(path), "owned")
        return whole(image)

    return call


def _reads(path):
    def call(image):
        read = tf.strings.length(tf.io.read_file(str(path)))
        return {"labels": whole(image)["labels"] + read}

    return call


def _python(path):
    def call(image):
        done = tf.numpy_function(lambda: np.int32(0), [], tf.int32)
        return {"labels": whole(image)["labels"] + done}

    return call


def _loops(path):
    def call(image):
        turn = tf.while_loop(lambda i: i >= 0, lambda i: (tf.abs(i),), (0,))
        return {"labels": whole(image)["labels"] + turn[0]}

    return call


def _draws(path):
    return lambda image: {
        "labels": whole(image)["labels"] + tf.random.uniform((), 0, 9, tf.int32)
    }


def _prints(path):
    def call(image):
        tf.print("owned", output_stream=f"file://{path}")
        return whole(image)

    return call


@pytest.mark.parametrize(
    "make, found",
    [
        (_writes, "WriteFile"),
        (_reads, "ReadFile"),
        (_python, "PyFunc"),
        (_loops, "While"),
        (_draws, "RandomUniformInt"),
        (_prints, "PrintV2|StringFormat"),
    ],
)
def test_a_saved_model_that_does_more_than_compute_is_refused(tmp_path, make, found):
    written = tmp_path / "written"
    folder = saved_model(tmp_path / "1", make(written))
    with pytest.raises(InputError, match=f"1 is refused: .*the operation .*({found})"):
        open_exported(folder).labels(IMAGES)
    assert not written.exists()


def test_a_table_of_a_saved_model_is_refused(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("a\nb\n")
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(str(words), tf.string, -2, tf.int64, -1), -1
    )
    folder = saved_model(tmp_path / "1", whole, table=table)
    with pytest.raises(InputError, match="refused: it has (a table|the operation)"):
        open_exported(folder)


def test_variables_that_are_no_numbers(tmp_path):
    weight = tf.Variable([1.0, np.nan])

    def call(image):
        return {"logits": tf.cast(image, tf.float32) * tf.reduce_sum(weight)}

    folder = saved_model(tmp_path / "1", call, weight=weight)
    with pytest.raises(InputError, match="1 has weights that are NaN or infinite"):
        open_exported(folder)


@pytest.mark.parametrize(
    "spec",
    [
        tf.TensorSpec((None, 3), tf.uint8, name="image"),
        tf.TensorSpec(None, tf.uint8, name="image"),
        tf.TensorSpec((1, None, None, 3), tf.float32, name="image"),
    ],
)
def test_an_input_that_is_no_image(tmp_path, spec):
    folder = saved_model(tmp_path / "1", whole, spec)
    with pytest.raises(InputError, match="1 is not a SavedModel file .*its input is"):
        open_exported(folder)


@pytest.fixture(scope="module")
def harmless(tmp_path_factory):
    folder = saved_model(tmp_path_factory.mktemp("saved") / "1", whole)
    assert open_exported(folder).labels(IMAGES).shape == (1, 4, 6)
    return folder / "saved_model.pb"


def _function(meta):
    """The function of the signature."""
    names = {*meta.object_graph_def.concrete_functions}
    library = meta.graph_def.library.function
    return next(f for f in library if f.signature.name in names)


def _restores(meta):
    _function(meta).node_def.add(name="n", op="RestoreV2")


def _restores_below(meta):
    made = meta.graph_def.library.function.add()
    made.signature.name = "hidden"
    made.node_def.add(name="n", op="SaveV2")
    node = _function(meta).node_def.add(name="n", op="StatefulPartitionedCall")
    node.attr["f"].func.name = "other"
    node.attr["f"].func.attr["F"].func.name = "hidden"  # of a function's attribute


def _recursion(meta):
    function = _function(meta)
    node = function.node_def.add(name="n", op="PartitionedCall")
    node.attr["f"].func.name = function.signature.name


def _thousand_million_calls(meta):
    for index in range(30):
        made = meta.graph_def.library.function.add()
        made.signature.name = f"f{index}"
        for call in range(2 if index else 0):
            made.node_def.add(name=f"n{call}", op=f"f{index - 1}")
        made.node_def.add(name="n", op="NoOp")


def _constant(meta):
    tensor = _function(meta).node_def.add(name="n", op="Const").attr["value"].tensor
    tensor.dtype = tf.float32.as_datatype_enum
    tensor.tensor_shape.dim.add(size=1 << 40)
    tensor.float_val.append(1)


def _strings(meta):
    tensor = _function(meta).node_def.add(name="n", op="Const").attr["value"].tensor
    tensor.dtype = tf.string.as_datatype_enum
    tensor.tensor_shape.dim.add(size=1 << 20)
    tensor.string_val.append(bytes(1 << 20))


def _main_graph(meta):
    meta.graph_def.node.add(name="n", op="WriteFile")


def _orphan(meta):
    made = meta.graph_def.library.function.add()
    made.signature.name = "orphan"
    made.node_def.add(name="n", op="EagerPyFunc")


def _stand_in(meta):
    _function(meta).attr["api_implements"].s = b"saver"


def _twice(meta):
    meta.graph_def.library.function.append(_function(meta))


def _elsewhere(meta):
    meta.asset_file_def.add(filename="../../etc/passwd")


def _first_version(meta):
    meta.ClearField("object_graph_def")


def _variable(meta):
    node = meta.object_graph_def.nodes.add()
    node.variable.shape.dim.add(size=1 << 40)


def _far(meta):
    function = _function(meta)
    for name, shape in (("a", [2]), ("b", [])):
        tensor = function.node_def.add(name=name, op="Const").attr["value"].tensor
        tensor.CopyFrom(tf.make_tensor_proto(np.full(shape, 1 << 20, "int32")))
    function.node_def.add(name="n", op="Fill", input=["a:output:0", "b:output:0"])


@pytest.mark.parametrize(
    "change, found",
    [
        (_restores, "the operation RestoreV2"),
        (_restores_below, "the operation SaveV2"),
        (_recursion, "a function that calls itself"),
        (_thousand_million_calls, "operations, more than 50000"),
        (_constant, "values in"),
        (_strings, "values in"),
        (_main_graph, "the operation WriteFile"),
        (_orphan, "the operation EagerPyFunc"),
        (_stand_in, "a stand-in for a function"),
        (_twice, "two functions of one name"),
        (_elsewhere, "the file '../../etc/passwd' elsewhere"),
        (_first_version, "the form of TensorFlow 1"),
        (_variable, "values in"),
        (_far, "a Fill to"),
    ],
)
def test_what_a_saved_model_should_not_have(tmp_path, harmless, change, found):
    saved = saved_model_pb2.SavedModel.FromString(harmless.read_bytes())
    change(saved.meta_graphs[0])
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(InputError, match=f"is refused: it has .*{found}"):
        open_exported(tmp_path)


def test_a_pipe_in_a_saved_model_is_not_waited_for(tmp_path, harmless):
    (tmp_path / "saved_model.pb").write_bytes(harmless.read_bytes())
    os.mkfifo(tmp_path / "fingerprint.pb")
    with pytest.raises(InputError, match="fingerprint.pb is neither a file nor"):
        open_exported(tmp_path)
