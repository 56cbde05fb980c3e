"""TensorFlow Lite metadata of LiteRT files, which MediaPipe's ImageSegmenter reads."""

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

from keras_lraspp.export.metadata import INPUT, KEY, Metadata, image_kind

_STANDARD = "TFLITE_METADATA"  # name of the entry
_LABELS = "labels.txt"  # in the archive behind the model, a name a line

# Fields of the tables of metadata_schema.fbs 1.5.0, in the order of their slots.
_FIELDS = {
    "ModelMetadata": "name description version subgraph_metadata author license "
    "associated_files min_parser_version",
    "SubGraphMetadata": "name description input_tensor_metadata output_tensor_metadata "
    "associated_files input_process_units output_process_units input_tensor_groups "
    "output_tensor_groups custom_metadata",
    "TensorMetadata": "name description dimension_names content process_units stats "
    "associated_files",
    "Content": "content_properties_type content_properties range",
    "ImageProperties": "color_space default_size",
    "ValueRange": "min max",
    "ProcessUnit": "options_type options",
    "NormalizationOptions": "mean std",
    "Stats": "max min",
    "AssociatedFile": "name description type locale version",
    "CustomMetadata": "name data",
    "ImageSegmenterOptions": "activation min_parser_version",  # MediaPipe's own schema
}


class _Byte(int):
    """A number of one byte: an enumeration's."""


_IMAGE_PROPERTIES, _NORMALIZATION = _Byte(2), _Byte(1)  # kinds in a union
_UNKNOWN, _RGB, _GRAYSCALE = _Byte(0), _Byte(1), _Byte(2)
_COLOR_SPACES = {1: _GRAYSCALE, 3: _RGB}
_AXIS_LABELS, _VALUE_LABELS = _Byte(2), _Byte(3)  # what the lines of a file name
_ACTIVATIONS = {"probabilities": _Byte(0), "logits": _Byte(2)}  # NONE and SOFTMAX
# MediaPipe's ImageSegmenter takes any output for the scores of classes. It refuses a
# file whose activation it does not know, and nothing else reads that.
_REFUSED = _Byte(127)
_MOST_CATEGORIES = 256  # its category mask has 8 bits

_DESCRIPTIONS = {
    "labels": "Class of each pixel.",
    "logits": "Scores of the classes of each pixel, before the softmax.",
    "probabilities": "Probabilities of the classes of each pixel.",
}


def add_metadata(content: bytes, metadata: Metadata) -> bytes:
    """Returns the content of a LiteRT file with its metadata.

    Classes, colours and variant are one JSON object in the entry `keras_lraspp`. What
    the standard has a place for is in its own entry: how the input is normalized (not
    at all), what the outputs are, and the activation that makes probabilities of them.
    The names of the classes are in an archive behind the model, as the standard wants.

    MediaPipe's `ImageSegmenter` reads files whose only output is `logits` or
    `probabilities`, of at most 256 classes and an RGB image, and refuses all others.
    """
    channels, outputs = _signature(content)
    entries = json.dumps(metadata.entries(), ensure_ascii=False).encode()
    standard = _flatbuffer(_model(metadata, channels, outputs), b"M001")
    content = add_buffers(content, {KEY: entries, _STANDARD: standard})
    if metadata.classes is None:
        return content
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        # Without a date: the same model makes the same file.
        archive.writestr(zipfile.ZipInfo(_LABELS), "\n".join(metadata.classes.names))
    return file.getvalue()


def add_buffers(content: bytes, buffers: dict[str, bytes]) -> bytes:
    """Returns the content of a LiteRT file with metadata entries by name."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    model.metadata = list(model.metadata or [])
    for name, data in buffers.items():
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = list(data)
        entry.name, entry.buffer = name, len(model.buffers)
        model.buffers.append(buffer)
        model.metadata.append(entry)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _signature(content: bytes) -> tuple[int, list[str]]:
    """Returns the image's channels, and the outputs' names in their tensors' order."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    named = {
        one.tensorIndex: one.name.decode() for one in model.signatureDefs[0].outputs
    }
    (graph,) = model.subgraphs
    channels = int(graph.tensors[graph.inputs[0]].shape[-1])
    return channels, [named[index] for index in graph.outputs]


def _model(metadata: Metadata, channels: int, outputs: Sequence[str]) -> dict[int, Any]:
    activation = _activation(metadata, outputs) if channels == 3 else _REFUSED
    options = _table("ImageSegmenterOptions", activation=activation)
    segmenter = _table(
        "CustomMetadata",
        name="SEGMENTER_METADATA",
        data=_flatbuffer(options, b"V001"),
    )
    graph = _table(
        "SubGraphMetadata",
        input_tensor_metadata=[_input(channels)],
        output_tensor_metadata=[_output(name, metadata) for name in outputs],
        custom_metadata=[segmenter],
    )
    return _table(
        "ModelMetadata",
        name=metadata.variant or "ImageSegmenter",
        description="Semantic segmentation: the class of each pixel of an image.",
        subgraph_metadata=[graph],
        min_parser_version="1.5.0",
    )


def _activation(metadata: Metadata, outputs: Sequence[str]) -> _Byte:
    """Returns the activation of the scores, or that with which a file is refused."""
    if len(outputs) > 1 or metadata.num_classes > _MOST_CATEGORIES:
        return _REFUSED
    return _ACTIVATIONS.get(outputs[0], _REFUSED)


def _input(channels: int) -> dict[int, Any]:
    normalization = _table("NormalizationOptions", mean=[0.0], std=[1.0])
    unit = _table("ProcessUnit", options_type=_NORMALIZATION, options=normalization)
    return _table(
        "TensorMetadata",
        name=INPUT,
        description=f"{image_kind(channels)} image, 0 to 255.",
        content=_image_content(_COLOR_SPACES.get(channels, _UNKNOWN)),
        process_units=[unit],
        stats=_table("Stats", max=[255.0], min=[0.0]),
    )


def _output(name: str, metadata: Metadata) -> dict[int, Any]:
    # Without a range an image is all of its tensor; one of many is the sides of it.
    part = {} if name == "labels" else {"range": _table("ValueRange", min=1, max=2)}
    fields = {}
    if metadata.classes is not None:
        file = _table(
            "AssociatedFile",
            name=_LABELS,
            description="Names of the classes.",
            type=_VALUE_LABELS if name == "labels" else _AXIS_LABELS,
        )
        fields["associated_files"] = [file]
    return _table(
        "TensorMetadata",
        name=name,
        description=_DESCRIPTIONS[name],
        content=_image_content(_GRAYSCALE, **part),
        **fields,
    )


def _image_content(color_space: _Byte, **fields) -> dict[int, Any]:
    return _table(
        "Content",
        content_properties_type=_IMAGE_PROPERTIES,
        content_properties=_table("ImageProperties", color_space=color_space),
        **fields,
    )


def _table(kind: str, **fields) -> dict[int, Any]:
    """Returns a table's values by slot."""
    slots = _FIELDS[kind].split()
    return {slots.index(name): value for name, value in fields.items()}


def _flatbuffer(table: dict[int, Any], identifier: bytes) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder()
    builder.Finish(_write(builder, table), file_identifier=identifier)
    return bytes(builder.Output())


def _write(builder, value) -> int:
    """Writes a text, bytes, floats, a list of tables or a table; returns its offset."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, dict):
        return _write_table(builder, value)
    if isinstance(value, bytes):  # which are a flatbuffer again, so in whole words
        builder.StartVector(1, len(value), 16)
        prepend = builder.PrependByte
    elif isinstance(value[0], float):
        builder.StartVector(4, len(value), 4)
        prepend = builder.PrependFloat32
    else:
        value = [_write(builder, table) for table in value]
        builder.StartVector(4, len(value), 4)
        prepend = builder.PrependUOffsetTRelative
    for one in reversed(value):
        prepend(one)
    return builder.EndVector()


def _write_table(builder, table: dict[int, Any]) -> int:
    numbers = {slot: value for slot, value in table.items() if isinstance(value, int)}
    # What a table points at is written before it.
    offsets = {
        slot: _write(builder, value)
        for slot, value in table.items()
        if slot not in numbers
    }
    builder.StartObject(max(table) + 1)
    for slot, number in numbers.items():
        prepend = builder.PrependInt32Slot
        if isinstance(number, _Byte):
            prepend = builder.PrependInt8Slot
        prepend(slot, number, 0)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return builder.EndObject()
