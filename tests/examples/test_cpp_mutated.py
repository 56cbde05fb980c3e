"""Mutated images and models in the program of `examples/cpp`, built with sanitizers."""

import io
import os
import subprocess

import numpy as np
import onnx
import pytest
from PIL import Image

from harness.mutations import mutate
from harness.pixel_model import pixel_model, random_images
from keras_lraspp.classes import generic_class_set
from keras_lraspp.export.onnx import export_onnx

pytestmark = pytest.mark.cpp
IMAGES = 500
MODELS = 200


def open_files(paths):
    """Opens files in one process; returns what it says of each, by name."""
    done = subprocess.run(
        [os.environ["LRASPP_OPEN_FILES"], *map(str, paths)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[:3000]
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert len(said) == len(paths)
    return said


def encoded(**options):
    file = io.BytesIO()
    mode = options.pop("mode", "RGB")
    Image.fromarray(random_images(33, 41)).convert(mode).save(file, **options)
    return file.getvalue()


def test_mutated_images(tmp_path):
    sources = [
        encoded(format="JPEG"),
        encoded(format="JPEG", progressive=True),
        encoded(format="JPEG", mode="L"),
        encoded(format="JPEG", subsampling=0, restart_marker_blocks=1),
        encoded(format="PNG"),
        encoded(format="PNG", mode="P"),
        encoded(format="PNG", mode="RGBA"),
        encoded(format="PNG", mode="1"),
    ]
    rng, paths = np.random.default_rng(0), []
    for index in range(IMAGES):
        donor = sources[rng.integers(len(sources))]
        paths.append(tmp_path / f"{index}.image")
        paths[-1].write_bytes(mutate(sources[index % len(sources)], donor, rng))
    # More codes of one length than a table has room for.
    table = bytearray(sources[0])
    at = table.index(b"\xff\xc4") + 5
    table[at : at + 16] = bytes([255] * 16)
    paths.append(tmp_path / "table.image")
    paths[-1].write_bytes(table)
    said = open_files(paths)
    assert "is damaged" in said[str(paths[-1])]
    good = sum(text == "good" for text in said.values())
    assert 10 < good < IMAGES - 10  # the others were refused


def test_mutated_models(tmp_path):
    path = tmp_path / "model.onnx"
    export_onnx(pixel_model(5), path, classes=generic_class_set(5))
    content, rng, paths = path.read_bytes(), np.random.default_rng(0), [path]
    for index in range(MODELS):
        paths.append(tmp_path / f"{index}.onnx")
        if index % 2:
            changed = mutate(content, content, rng)
        else:
            changed = mutate_graph(content, rng)
        paths[-1].write_bytes(changed)
    said = open_files(paths)
    assert said[str(path)] == "good"
    assert sum(text == "good" for text in said.values()) < MODELS - 10


def mutate_graph(content, rng):
    """Changes numbers and names of a model, whose structure stays whole."""
    model = onnx.load_model_from_string(content)
    graph = model.graph
    for _ in range(rng.integers(1, 4)):
        node = graph.node[rng.integers(len(graph.node))]
        number = int(rng.choice([-(2**40), -1, 0, 1, 2, 7, 1000, 2**31, 2**62]))
        kind = rng.integers(6)
        if kind == 0 and node.attribute:
            attribute = node.attribute[rng.integers(len(node.attribute))]
            attribute.i = number
            attribute.ints[:] = [number] * len(attribute.ints)
        elif kind == 1 and graph.initializer:
            tensor = graph.initializer[rng.integers(len(graph.initializer))]
            tensor.dims[:] = [*tensor.dims[:-1], number]
        elif kind == 2 and graph.initializer:
            tensor = graph.initializer[rng.integers(len(graph.initializer))]
            tensor.raw_data = rng.bytes(len(tensor.raw_data))
        elif kind == 3:
            other = graph.node[rng.integers(len(graph.node))]
            node.op_type = other.op_type
        elif kind == 4 and node.input:
            other = graph.node[rng.integers(len(graph.node))]
            node.input[rng.integers(len(node.input))] = other.output[0]
        else:
            side = graph.input[0].type.tensor_type.shape.dim[rng.integers(4)]
            side.dim_value = number
    return model.SerializeToString()
