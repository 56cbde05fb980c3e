"""Labels of large images by tiles and strips: memory follows the coarse features."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_lraspp.devices import free_memory
from keras_lraspp.inference.compiling import compile_function, to_tensor
from keras_lraspp.inference.graph_split import (
    Key,
    Level,
    SplitGraph,
    Step,
    run_steps,
    split_graph,
)
from keras_lraspp.layers.cpu_fusion import can_fuse, xla_fused
from keras_lraspp.layers.resizing import ResizeLike, resize_bilinear

_NUMBERS = 2**22  # in the largest tensor of a tile or strip, about
_COLUMNS = 1024  # of the image, in a tile

_Ranges = dict[Key, tuple[np.ndarray, int]]  # first row of each strip, and rows
# Of each row its two sources and the share of the second.
_Sources = tuple[np.ndarray, np.ndarray, np.ndarray]


def striped_labels(
    model: keras.Model, arg_max: Callable
) -> Callable[[Any], np.ndarray] | None:
    """Makes a function from images to labels that never holds all logits.

    Between its poolings the network runs tile by tile; only what they take, what skips
    them, and the features that the head takes are kept of the whole image, in the main
    memory. Convolutions see what is around a tile, and a resize has the rows and
    weights that it has for the whole image, so that the labels are the same.

    Args:
        model: Of uint8 pixels (B, H, W, C) to logits.
        arg_max: From logits to labels, backend operations only.

    Returns:
        A function of uint8 images (B, H, W, C), a NumPy array or a tensor, to a NumPy
        array (B, H, W); `None` if `model` is no LRASPP.
    """
    split = split_graph(model)
    if split is None:
        return None
    levels = [_compile_level(model, level) for level in split.levels]
    head = compile_function(model, _head_function(split, arg_max))

    def labels(images) -> np.ndarray:
        values = {split.pixels: images}
        reaches = {split.pixels: Reach(1, 0)}
        for index, (level, run) in enumerate(zip(split.levels, levels, strict=True)):
            _run_level(level, run, values, reaches, images.shape[1:3])
            later = split.levels[index + 1 :]
            needed = {
                split.pixels,
                *split.coarse,
                *(k for m in later for k in m.inputs),
            }
            for key in values.keys() - needed:
                del values[key]
        return _run_head(head, split, values)

    return labels


class Reach(NamedTuple):
    """How a feature map lies over the image."""

    stride: int  # rows of the image for each of its rows
    rows: int  # of the image, on each side, that a row or column of it depends on


def _compile_level(model: keras.Model, level: Level) -> Callable:
    def steps(inputs):
        values = dict(zip(level.inputs, inputs, strict=True))
        return run_steps(level.steps, values, level.outputs)

    return compile_function(model, steps)


def _run_level(
    level: Level,
    run: Callable,
    values: dict[Key, Any],
    reaches: dict[Key, Reach],
    size: tuple[int, int],
) -> None:
    """Adds to `values` what a level and its poolings give of the whole image."""
    reaches.update(_follow(level, reaches))
    if level.by_tiles:
        made = _run_tiles(level, run, values, reaches, size)
    else:
        made = run([values[key] for key in level.inputs])
        made = [keras.ops.convert_to_numpy(one) for one in made]
    values.update(zip(level.outputs, made, strict=True))
    for key in level.outputs:  # kept: nothing around its rows is missing
        reaches[key] = Reach(reaches[key].stride, 0)
    for step in level.pools:
        pooled = step({step.inputs[0]: to_tensor(values[step.inputs[0]])})
        values[step.output] = keras.ops.convert_to_numpy(pooled)


def _follow(level: Level, reaches: dict[Key, Reach]) -> dict[Key, Reach]:
    """Returns those of all tensors of a level; numbers of channels have none."""
    found = dict(reaches)
    for step in level.steps:
        inputs = [found[key] for key in step.inputs if key in found]
        if not inputs:
            continue
        stride = max(one.stride for one in inputs)
        rows = max(one.rows for one in inputs)
        operation, down = step.operation, 1
        if hasattr(operation, "kernel_size"):
            down = operation.strides[0]
            around = operation.kernel_size[0] // 2 * operation.dilation_rate[0]
            # TensorFlow's "same" pads one row less at the top of an even side.
            rows += (around + (down > 1)) * stride if around else 0
        found[step.output] = Reach(stride * down, rows)
    return found


class Tile(NamedTuple):
    """Rows, or columns, of the image."""

    first: int  # that go in
    after: int
    start: int  # that come out
    end: int


def _tiles(side: int, size: int, around: int, unit: int) -> list[Tile]:
    """Cuts a side into tiles that come out whole, with what is `around` them.

    All are equally long, for one compiled graph, and as odd as the image, on which
    depends where TensorFlow's "same" pads. Those inside begin at multiples of `unit`.
    """
    size = max(size // unit * unit, around, unit) + 2 * around
    size += (side - size) % unit
    tiles, done = [], 0
    while done < side:
        first = max(min(done - around, side - size), 0)
        after = min(first + size, side)
        end = side if after == side else (after - around) // unit * unit
        tiles.append(Tile(first, after, done, end))
        done = end
    return tiles


def _run_tiles(
    level: Level, run: Callable, values: dict[Key, Any], reaches, size: tuple[int, int]
) -> list[np.ndarray]:
    """Returns a level's outputs of the whole image, made tile by tile."""
    inputs = [(values[key], reaches.get(key)) for key in level.inputs]
    strides = [reaches[key].stride for key in level.outputs]
    outputs: list[np.ndarray] = []
    for down, across in itertools.product(*_both_tiles(level, values, reaches, size)):
        given = []
        for value, reach in inputs:
            if reach is not None:
                rows = _part(down.first, down.after, reach.stride)
                columns = _part(across.first, across.after, reach.stride)
                value = value[:, rows, columns]
            given.append(value)
        made = [keras.ops.convert_to_numpy(one) for one in run(given)]
        if not outputs:
            outputs = [
                _empty((len(one), -(-size[0] // by), -(-size[1] // by)), one)
                for one, by in zip(made, strides, strict=True)
            ]
        for output, one, by in zip(outputs, made, strides, strict=True):
            rows = _part(down.start, down.end, by)
            columns = _part(across.start, across.end, by)
            one = one[:, rows.start - down.first // by :]
            one = one[:, :, columns.start - across.first // by :]
            output[:, rows, columns] = one[
                :, : rows.stop - rows.start, : columns.stop - columns.start
            ]
    return outputs


def _part(start: int, end: int, stride: int) -> slice:
    """Returns the part of a feature map over a part of a side of the image."""
    return slice(start // stride, -(-end // stride))


def _both_tiles(level, values, reaches, size) -> tuple[list[Tile], list[Tile]]:
    """Returns tiles of rows and of columns, so large that the memory is well used."""
    made = [step for step in level.steps if step.output in reaches]
    reached = [reaches[step.output] for step in made]
    unit = max(one.stride for one in reached)
    around = max(one.rows for one in reached)
    around += -around % unit
    columns = min(size[1], _COLUMNS)
    batch = len(values[level.inputs[0]])
    most = max(  # numbers for each row of the image
        batch * step.channels * columns / reach.stride**2
        for step, reach in zip(made, reached, strict=True)
    )
    return (
        _tiles(size[0], int(_NUMBERS / most), around, unit),
        _tiles(size[1], columns, around, unit),
    )


def _empty(shape: tuple[int, int, int], like: np.ndarray) -> np.ndarray:
    """Returns an array that TensorFlow and JAX take without a copy: at 64 bytes."""
    whole = *shape, like.shape[-1]
    size = math.prod(whole) * like.itemsize
    if size > free_memory():
        raise MemoryError  # as NumPy does not where memory is promised twice
    content = np.empty(size + 64, np.uint8)
    start = -content.ctypes.data % 64
    return content[start : start + size].view(like.dtype).reshape(whole)


def _run_head(head: Callable, split: SplitGraph, values: dict) -> np.ndarray:
    """Returns the labels (B, H, W), made strip by strip."""
    images = values[split.pixels]
    batch, height, width = images.shape[:3]
    rows = _NUMBERS // (batch * width * split.last.channels)
    rows = min(max(rows, 8), height)
    starts = np.minimum(np.arange(0, height, rows), height - rows)
    heights = {key: values[key].shape[1] for key in [*split.coarse, split.pixels]}
    ranges, sources = _plan(split, heights, starts, rows)
    labels = None
    for index, start in enumerate(starts):
        slices = []
        for key in split.coarse:
            firsts, count = ranges[key]
            first = int(firsts[index])
            slices.append(values[key][:, first : first + count])
        tables = [tuple(part[index] for part in table) for table in sources]
        strip = images[:, start : start + rows]
        made = keras.ops.convert_to_numpy(head(slices, strip, tables, np.int32(0)))
        if labels is None:
            labels = np.empty((batch, height, width), made.dtype)
        labels[:, start : start + rows] = made
    return labels


def _plan(
    split: SplitGraph, heights: dict[Key, int], starts: np.ndarray, rows: int
) -> tuple[_Ranges, list[_Sources]]:
    """Finds the rows of each tensor of the head that strips of the labels need.

    All strips need equally many. Returns them, and the sources of each resize, of all
    strips.
    """
    steps = [*split.head, split.last]
    for step in steps:
        heights[step.output] = heights[step.inputs[-1]]  # of a resize the reference
    ranges, sources = {split.last.output: (starts, rows)}, []
    for step in reversed(steps):
        firsts, count = ranges[step.output]
        ranges.update(dict.fromkeys(step.inputs, (firsts, count)))
        if type(step.operation) is ResizeLike:
            given = heights[step.inputs[0]]
            indices = firsts[:, None] + np.arange(count)
            low, high, share = _sources(indices, given, heights[step.output])
            needed = int((high[:, -1] - low[:, 0]).max()) + 1
            tops = np.minimum(low[:, 0], given - needed)
            ranges[step.inputs[0]] = tops, needed
            low, high = (np.int32(each - tops[:, None]) for each in (low, high))
            sources.append((low, high, share))
    return ranges, sources[::-1]


def _sources(indices: np.ndarray, given: int, wanted: int) -> _Sources:
    """Returns the sources of rows, as TensorFlow's resize of `given` to `wanted` rows.

    It computes them in float32, from half-pixel centres.
    """
    scale, half = np.float32(given) / np.float32(wanted), np.float32(0.5)
    place = (indices.astype(np.float32) + half) * scale - half
    low, high = np.floor(place), np.ceil(place)
    share = place - low
    low, high = (np.clip(each, 0, given - 1).astype(int) for each in (low, high))
    return low, high, share


def _head_function(split: SplitGraph, arg_max: Callable) -> Callable:
    """Makes the function from rows of coarse features to the labels of a strip."""

    def labels(columns, *source):
        values = {split.last.output: _blend(columns, *source)}
        return arg_max(run_steps(split.tail, values, [split.logits])[0])

    fused = xla_fused(labels)

    def head(slices: Sequence, pixels, tables: Sequence[_Sources], zero):
        values = dict(zip(split.coarse, slices, strict=True))
        values[split.pixels] = pixels
        rest = iter(tables)
        steps = [_of_rows(step, rest, zero) for step in split.head]
        key = split.last.inputs[0]
        (logits,) = run_steps(steps, values, [key])
        columns = _columns(logits, pixels)
        finish = fused if can_fuse(columns) else labels
        return finish(columns, *next(rest), zero)

    return head


def _of_rows(step: Step, tables, zero) -> Step:
    """Returns a step that resizes by the next of `tables`; any other as it is."""
    if type(step.operation) is not ResizeLike:
        return step
    source = next(tables)

    def resize(inputs, reference):
        columns = _columns(inputs, reference)
        blend = _fused_blend if can_fuse(columns) else _blend
        made = blend(columns, *source, zero)
        return keras.ops.cast(made, step.operation.compute_dtype)

    return step._replace(operation=resize)


def _columns(inputs, reference):
    """Resizes (B, h, w, C) to the width of `reference` alone."""
    inputs = keras.ops.cast(inputs, "float32")
    size = keras.ops.shape(inputs)[1], keras.ops.shape(reference)[2]
    return resize_bilinear(inputs, size)


def _blend(columns, low, high, share, zero):
    """Interpolates between rows, with the roundings of TensorFlow's resize."""
    top, bottom = (keras.ops.take(columns, rows, axis=1) for rows in (low, high))
    added = (bottom - top) * share[:, None, None]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # XLA would multiply and add with one rounding instead of two.
        bits = tf.bitwise.bitwise_xor(tf.bitcast(added, tf.int32), zero)
        added = tf.bitcast(bits, tf.float32)
    return top + added


_fused_blend = xla_fused(_blend)
