"""Splits an LRASPP's graph at its poolings, which alone need the whole image."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import keras

from keras_lraspp.layers.resizing import ResizeLike
from keras_lraspp.models.mobilenet_v3 import MobileNetV3

# Each row of what they give depends on the same row of what they take.
_POINTWISE = frozenset(
    "Activation Add BatchNorm BatchNormalization Cast Concatenate HardSwish ReLU "
    "Rescaling SpatialDropout2D ZerosLike".split()
)
# Or on a few rows around it, or on one number for each channel.
_LOCAL = _POINTWISE | frozenset(
    "Conv2D DepthwiseConv2D HardGate Multiply ScaleChannels ZeroPadding2D".split()
)
_POOLS = frozenset({"GlobalAveragePooling2D", "LargeKernelPool"})

Key = int  # of a tensor in the graph


class Step(NamedTuple):
    """One operation of a model's graph."""

    operation: Any
    arguments: Any  # of the call, with symbolic tensors
    keys: dict[int, Key]  # of symbolic tensors, by their `id`
    inputs: tuple[Key, ...]
    output: Key
    channels: int  # of the output

    def __call__(self, values: dict[Key, Any]) -> Any:
        """Returns the output for values of the inputs."""

        def value(argument):
            symbolic = isinstance(argument, keras.KerasTensor)
            return values[self.keys[id(argument)]] if symbolic else argument

        args, kwargs = self.arguments.convert(value)
        return self.operation(*args, **kwargs)


def run_steps(
    steps: Sequence[Step], values: dict[Key, Any], wanted: Sequence[Key]
) -> list:
    """Runs steps; returns the values that are wanted, and frees others once used."""
    uses = Counter([*wanted, *(key for step in steps for key in step.inputs)])
    for step in steps:
        values[step.output] = step(values)
        uses.subtract(step.inputs)
        for key in step.inputs:
            if not uses[key]:
                values.pop(key, None)
    return [values[key] for key in wanted]


class Level(NamedTuple):
    """What a network does between two poolings over all rows."""

    inputs: list[Key]
    steps: list[Step]
    outputs: list[Key]
    pools: list[Step]  # of some of the outputs
    by_tiles: bool  # whether outputs depend on their surroundings alone


class SplitGraph(NamedTuple):
    """A network in parts, each of which takes what those before it give."""

    pixels: Key
    levels: list[Level]  # from pixels to `coarse`
    coarse: list[Key]
    head: list[Step]  # from `coarse` to coarse logits: resizes and 1x1 convolutions
    last: Step  # resizes them to the size of the pixels
    tail: list[Step]  # what is behind it, of each pixel by itself
    logits: Key


def split_graph(model: keras.Model) -> SplitGraph | None:
    """Splits the graph of an LRASPP, or of a model that hardly does more than one.

    Returns:
        The parts; `None` for any other model.
    """
    steps, pixels, logits, taps = _flatten(model)
    last = next((s for s in steps if _is_resize(s) and s.inputs[1] == pixels), None)
    if last is None or not taps:
        return None
    pointwise = {step.output for step in steps if _is_pointwise(step)} - taps
    outside = {step.output for step in steps} - pointwise | {pixels}
    head = _needed(steps, [logits], outside)
    if last not in head:
        return None
    at = head.index(last)
    head, tail = head[:at], head[at + 1 :]
    if not {*_given(tail, [logits])} <= {last.output}:
        return None
    coarse = [key for key in _given([*head, last]) if key != pixels]
    levels = _levels(_needed(steps, coarse, {pixels}), coarse)
    return SplitGraph(pixels, levels, coarse, head, last, tail, logits)


def _levels(steps: list[Step], wanted: Sequence[Key]) -> list[Level]:
    """Parts steps at the poolings."""
    numbers: dict[Key, int] = {}
    for step in steps:
        before = max(numbers.get(key, 0) for key in step.inputs)
        numbers[step.output] = before + _is_pool(step)
    levels = []
    for number in range(max(numbers.values()) + 1):
        own = [s for s in steps if numbers[s.output] == number and not _is_pool(s)]
        later = [s for s in steps if numbers[s.output] > number]
        made = {step.output for step in own}
        outputs = [key for key in _given(later, wanted) if key in made]
        pools = [s for s in later if _is_pool(s) and s.inputs[0] in made]
        by_tiles = all(type(step.operation).__name__ in _LOCAL for step in own)
        levels.append(Level(_given(own), own, outputs, pools, by_tiles))
    return levels


def _is_pool(step: Step) -> bool:
    return type(step.operation).__name__ in _POOLS


def _is_resize(step: Step) -> bool:
    return type(step.operation) is ResizeLike and not step.operation.align_corners


def _is_pointwise(step: Step) -> bool:
    operation, name = step.operation, type(step.operation).__name__
    if name == "Conv2D":
        return operation.kernel_size == operation.strides == (1, 1)
    if name == "Concatenate" and operation.axis not in (-1, 3):
        return False
    return name in _POINTWISE or _is_resize(step)


def _needed(steps: Iterable[Step], wanted: Iterable[Key], given: set[Key]):
    """Returns the steps, in their order, from `given` tensors to the wanted ones."""
    wanted, found = {*wanted}, []
    for step in reversed([*steps]):
        if step.output in wanted - given:
            found.append(step)
            wanted |= {*step.inputs}
    return found[::-1]


def _given(steps: Sequence[Step], wanted: Iterable[Key] = ()) -> list[Key]:
    """Returns what steps take, and what of `wanted` they do not give, each once."""
    made = {step.output for step in steps}
    keys = [*(key for step in steps for key in step.inputs), *wanted]
    return [key for key in dict.fromkeys(keys) if key not in made]


def _flatten(model: keras.Model) -> tuple[list[Step], Key, Key, set[Key]]:
    """Returns the steps of a graph, its input and output, and the backbone's outputs.

    The steps of models inside are among them, each after those that it needs.
    """
    steps, keys, taps = [], {}, set()
    keys[id(model.inputs[0])] = 0

    def follow(tensor) -> Key:
        if id(tensor) in keys:
            return keys[id(tensor)]
        operation, node, index = tensor._keras_history
        node = operation._inbound_nodes[node]
        inputs = tuple(follow(given) for given in node.input_tensors)
        if isinstance(operation, keras.Model):
            keys.update(zip(map(id, operation.inputs), inputs, strict=True))
            key = follow(operation.outputs[index])
            if isinstance(operation, MobileNetV3):
                taps.add(key)
        else:
            key = len(steps) + 1
            channels = tensor.shape[-1]
            steps.append(Step(operation, node.arguments, keys, inputs, key, channels))
        keys[id(tensor)] = key
        return key

    return steps, 0, follow(model.outputs[0]), taps
