"""Where the time of a training step goes on TensorFlow, and how near the floor it is.

    python benchmarks/step_profile.py [--output_stride=32|8] [--plain] [--steps=N]

Prints the kinds of operations of a step with OHEM loss and SGD, by the time they take,
and the floor: multiply-adds over the rate of a matrix product, and bytes over the
bandwidth of a copy, both measured here. A step needs three times the forward pass's
multiply-adds. Each layer's output is written once and read twice, its gradient written
and read once. `--plain` switches off what this package does about it: fused batch norm,
loops that XLA makes, products in place of 1x1 convolutions, depthwise convolutions'
gradients, and what is computed again.
"""

import argparse
import collections
import glob
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_lraspp.processor import prefer_onednn

prefer_onednn()  # as train.py does

import numpy as np
import tensorflow as tf

from keras_lraspp import LRASPP
from keras_lraspp.layers import (
    activations,
    batch_norm,
    depthwise_tensorflow,
    pointwise_tensorflow,
    resizing,
)
from keras_lraspp.losses import OhemCrossEntropy, fast_ops
from keras_lraspp.models.summary import multiply_adds, output_bytes
from keras_lraspp.training.optimizer import SGD
from keras_lraspp.training.setup import compile_network

SIZE = 256, 512
BATCHES = {32: 4, 8: 2}  # by output stride
KINDS = (  # of operations, by a part of their names; the first that fits
    ("depthwise convolution", ("Depthwise",)),
    ("convolution", ("Conv2D",)),
    ("product of 1x1 convolutions, forward and backward", ("MatMul",)),
    ("batch norm", ("BatchNorm",)),
    ("resizing", ("Resize",)),
    ("sums", ("Sum", "Mean", "BiasAddGrad", "AddN")),
    ("update of weights", ("ResourceApply", "Assign")),
    ("copies and padding", ("Pad", "Concat", "Slice", "Transpose", "Cast", "Identity")),
    ("elementwise, by TensorFlow or XLA", ("",)),
)


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output_stride", type=int, choices=BATCHES, default=32)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--steps", type=int, default=6)
    arguments = parser.parse_args()
    if arguments.plain:
        switch_off()
    batch = BATCHES[arguments.output_stride]
    model = LRASPP(output_stride=arguments.output_stride, input_shape=(*SIZE, 3))
    compile_network(model, OhemCrossEntropy(), SGD())
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (batch, *SIZE, 3), dtype="uint8")
    labels = draw.integers(0, 19, (batch, *SIZE), dtype="uint8")

    def step():
        model.train_on_batch(images, labels)

    step()
    seconds = statistics.median(seconds_of(step, arguments.steps))
    print(f"{batch}x{SIZE[0]}x{SIZE[1]}: {1e3 * seconds:.0f} ms a step")
    print_kinds(operations(step, arguments.steps))
    print_floor(model, batch, seconds)


def switch_off() -> None:
    """Leaves everything to Keras and TensorFlow."""
    batch_norm.BatchNorm._can_fuse = lambda *arguments: False
    fused = activations, depthwise_tensorflow, pointwise_tensorflow, resizing
    for module in (*fused, fast_ops):
        module.can_fuse = lambda *tensors: False


def operations(step, count: int) -> dict[str, float]:
    """Seconds of a step by type of operation."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(count):
            step()
        tf.profiler.experimental.stop()
        (path,) = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)
        with open(path, "rb") as file:
            space = xplane_pb2.XSpace.FromString(file.read())
    found = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if name.count(":") == 1 and " " not in name:  # "layer/operation:Type"
                    found[name.partition(":")[2]] += event.duration_ps / 1e12 / count
    return found


def print_kinds(found: dict[str, float]) -> None:
    """Prints the share of each kind in the time of all operations."""
    kinds = collections.Counter()
    for operation, seconds in found.items():
        kind = next(name for name, parts in KINDS if any(p in operation for p in parts))
        for direction in ("BackpropFilter", "BackpropInput"):
            if direction in operation:
                kind += f", {direction.removeprefix('Backprop').lower()}'s gradient"
        kinds[kind] += seconds
    total = sum(kinds.values())
    for kind, seconds in kinds.most_common():
        print(f"{1e3 * seconds:8.1f} ms {seconds / total:6.1%}  {kind}")


def print_floor(model, batch: int, seconds: float) -> None:
    """Prints the least time that this machine could take for a step."""
    products = 3 * batch * multiply_adds(model)
    moved = 5 * batch * output_bytes(model)
    rate, bandwidth = matrix_rate(), copy_bandwidth()
    floor = products / rate + moved / bandwidth
    print(
        f"floor {1e3 * floor:.0f} ms: {products / 1e9:.1f} G multiply-adds at "
        f"{rate / 1e9:.0f} G/s and {moved / 1e9:.2f} GB at {bandwidth / 1e9:.1f} GB/s; "
        f"the step takes {seconds / floor:.2f} times that"
    )


def matrix_rate(side: int = 1536) -> float:
    """Multiply-adds a second of a matrix product in float32, at best."""
    matrix = tf.random.normal((side, side))
    product = tf.function(tf.matmul)
    return side**3 / min(seconds_of(lambda: product(matrix, matrix)[0, 0].numpy(), 9))


def copy_bandwidth(count: int = 2**25) -> float:
    """Bytes a second that an elementwise operation reads and writes, at best."""
    numbers = tf.random.normal((count,))
    negative = tf.function(tf.negative)
    return 2 * 4 * count / min(seconds_of(lambda: negative(numbers)[0].numpy(), 9))


def seconds_of(function, count: int) -> list[float]:
    """Seconds of calls, after one that is not counted."""
    function()
    seconds = []
    for _ in range(count):
        before = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - before)
    return seconds


if __name__ == "__main__":
    main()
