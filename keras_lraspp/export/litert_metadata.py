"""Metadata inside LiteRT files: one entry of the file format's own list."""

import json

from keras_lraspp.export.metadata import KEY


def add_entries(content: bytes, entries: dict[str, str]) -> bytes:
    """Returns a LiteRT file with texts by name.

    They are one JSON object, in the buffer of a metadata entry `keras_lraspp`.

    Args:
        content: A LiteRT (`.tflite`) file.
        entries: The texts.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer = schema.BufferT()
    buffer.data = list(json.dumps(entries, ensure_ascii=False).encode())
    entry = schema.MetadataT()
    entry.name, entry.buffer = KEY, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def read_entries(content: bytes) -> dict[str, str]:
    """Returns the texts that `add_entries` wrote; none of a file without.

    Raises:
        ValueError: If they are damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == KEY.encode():
            data = model.Buffers(entry.Buffer()).DataAsNumpy()
            return dict(json.loads(bytes(data)))
    return {}
