"""LiteRT's int8 files: within the limits of XNNPACK, and tried in another process."""

import copy
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from keras_lraspp.parallel import run_child

# XNNPACK refuses a convolution if a step of its sums is 256 of its result or more, and
# LiteRT then frees memory twice, which ends the process.
_MOST_STEPS = 255.0

_TRIAL = ("-m", "keras_lraspp.export.litert_quantizing")


def within_limits(content: bytes) -> bytes:
    """Returns the content of a LiteRT file whose convolutions XNNPACK takes.

    A channel that was never above 0 on the representative images, as a gate's of few
    channels may be, has a range of almost 0, and one step of its sum is thousands of
    the result's. From 255 on any sum above 0 is the highest value and any below it
    the lowest, so that its weights in smaller steps give the same to the bit.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    operators = schema.BuiltinOperator
    kinds = {
        index
        for index, code in enumerate(model.operatorCodes)
        if code.builtinCode in (operators.CONV_2D, operators.DEPTHWISE_CONV_2D)
    }
    for graph in model.subgraphs:
        for operator in graph.operators:
            if operator.opcodeIndex in kinds:
                _limit_steps(graph.tensors, operator)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _limit_steps(tensors: list, convolution) -> None:
    """Makes the steps of a convolution's weights, and of its bias, small enough."""
    before, after = (
        tensors[index].quantization.scale
        for index in (convolution.inputs[0], convolution.outputs[0])
    )
    if before is None or after is None:  # floats
        return
    for index, most in ((1, _MOST_STEPS * after / before), (2, _MOST_STEPS * after)):
        tensor = tensors[convolution.inputs[index]]
        if (tensor.quantization.scale > most).any():
            tensor = copy.copy(tensor)  # of another convolution, too
            tensor.quantization = copy.copy(tensor.quantization)
            tensor.quantization.scale = np.minimum(tensor.quantization.scale, most)
            convolution.inputs = convolution.inputs.copy()  # a view of the file
            convolution.inputs[index] = len(tensors)
            tensors.append(tensor)


def try_in_child(content: bytes) -> str | None:
    """Runs a LiteRT file once in a process of its own, for LiteRT may end it.

    Returns why it cannot be run, if so.
    """
    if not sys.executable:  # inside of another program
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        path.write_bytes(content)
        return run_child(_TRIAL, {"path": str(path)}).get("error")


def _run_once(path: str) -> dict:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(path).get_signature_runner()
    image = {
        name: np.zeros(given["shape"], given["dtype"])
        for name, given in run.get_input_details().items()
    }
    return {"outputs": sorted(run(**image))}


if __name__ == "__main__":
    try:
        print(json.dumps(_run_once(**json.loads(sys.argv[1]))))
    except (RuntimeError, ValueError) as error:
        sys.exit(f"error: {str(error).splitlines()[0]}")
