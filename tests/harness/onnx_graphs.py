"""Small ONNX graphs, rewritten and run."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from keras_lraspp.export.onnx_rewriting import rewrite_graph


def graph_of(nodes, shape, *, rank=4, kind=TensorProto.FLOAT, **constants):
    values = [
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in constants.items()
    ]
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", kind, [None] * rank)],
        values,
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(made, opset_imports=opset, ir_version=8)


def run(model, x):
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": x})[0]


def rewritten(model, sides=(8, 8)):
    """The model after all rewriting, and the kinds of its nodes."""
    changed = ir.from_proto(model)
    rewrite_graph(changed, sides)
    return ir.to_proto(changed), [node.op_type for node in changed.graph]
