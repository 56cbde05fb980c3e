"""Files of PyTorch: a checkpoint with everything in it, and parts to make odd ones of.

The fixtures were written by the torch of their names (1.4.0, 1.7.1, 2.13.0), with
`PYTHONPATH=tests python -m harness.pytorch FILE`; the first is of the legacy format.
"""

import argparse
import collections
import pathlib
import pickle
import struct
import sys
import zipfile

import numpy as np

FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures"
LEGACY, OLD_ZIP = FIXTURES / "pytorch_1_4.pth", FIXTURES / "pytorch_1_7.pth"
ZIP = FIXTURES / "pytorch_2_13.pth"

_RAMP = np.arange(24, dtype="float32") / 8
# What is in `state_dict`, without what the reader takes off or leaves out. All numbers
# are whole eighths below 3, which float16 and bfloat16 hold exactly.
TENSORS = {
    "conv.weight": _RAMP.reshape(2, 3, 2, 2),
    "channels_last": _RAMP.reshape(2, 3, 2, 2),
    "transposed": _RAMP.reshape(4, 6).T,
    "strided": _RAMP.reshape(4, 6)[1:, 1::2],
    "whole": _RAMP,
    "part": _RAMP[5:9],
    "expanded": np.full((3, 2), 1.5, "float32"),
    "double": _RAMP,
    "half": _RAMP,
    "bfloat16": _RAMP.reshape(4, 6).T,
    "parameter": _RAMP,
    "scalar": np.array(2.5, "float32"),
}


def state_dict(torch) -> collections.OrderedDict:
    """`TENSORS` with `module.` before the names, and a counter of batches."""
    ramp = torch.arange(24.0) / 8
    tensors = {
        "conv.weight": ramp.clone().reshape(2, 3, 2, 2),
        "channels_last": ramp.reshape(2, 3, 2, 2).to(memory_format=torch.channels_last),
        "transposed": ramp.reshape(4, 6).T,
        "strided": ramp.reshape(4, 6)[1:, 1::2],
        "whole": ramp,
        "part": ramp[5:9],
        "expanded": torch.tensor(1.5).expand(3, 2),
        "double": ramp.double(),
        "half": ramp.half(),
        "bfloat16": ramp.bfloat16().reshape(4, 6).T,
        "parameter": torch.nn.Parameter(ramp.clone()),
        "scalar": torch.tensor(2.5),
        "bn.num_batches_tracked": torch.tensor(7),
    }
    result = collections.OrderedDict(
        (f"module.{name}", tensor) for name, tensor in tensors.items()
    )
    result._metadata = collections.OrderedDict({"": {"version": 1}})
    return result


def checkpoint(torch) -> dict:
    """What a training saves: the weights, and much plain data beside them."""
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return {
        "epoch": 3,
        "num_classes": 19,
        "args": argparse.Namespace(lr=0.1, output=pathlib.PurePosixPath("runs")),
        "best": np.float64(0.7),
        "confusion": np.eye(2),
        "milestones": collections.Counter([30, 40]),
        "seen": {1, 2},
        "counts": collections.defaultdict(list, a=[1, (2.5, None, True)]),
        "kind": (torch.float32, torch.device("cpu"), torch.Size([1, 2])),
        "meta": {"CLASSES": ("road", "car"), "PALETTE": [[128, 64, 128], [0, 0, 142]]},
        "optimizer": optimizer.state_dict(),  # with numbers as keys
        "state_dict": state_dict(torch),
    }


def name(full: str) -> bytes:
    """The opcode that asks for a function or class."""
    module, _, attribute = full.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def plain(value) -> bytes:
    """The opcodes of plain data."""
    return pickle.dumps(value, protocol=2)[2:-1]


def call(function: str, *arguments: bytes) -> bytes:
    """The opcodes of a call."""
    return name(function) + b"(" + b"".join(arguments) + b"tR"


def storage(key="0", count=24, kind="Float", view: bytes = b"") -> bytes:
    """The opcodes of a storage; the legacy format has a view too, or `None`."""
    parts = [plain("storage"), name(f"torch.{kind}Storage"), plain(key), plain("cpu")]
    return b"(" + b"".join(parts) + plain(count) + view + b"tQ"


def tensor(shape=(24,), strides=(1,), offset=0, stored=b"", more=b"") -> bytes:
    """The opcodes of a tensor, by itself of `storage()`."""
    hooks = call("collections.OrderedDict")
    numbers = plain(offset) + plain(shape) + plain(strides)
    parts = (stored or storage(), numbers, pickle.NEWFALSE, hooks, more)
    return call("torch._utils._rebuild_tensor_v2", *parts)


def dictionary(**entries: bytes) -> bytes:
    """The opcodes of a dictionary."""
    items = (plain(key) + value for key, value in entries.items())
    return b"}(" + b"".join(items) + b"u"


def write_zip(
    path, content: bytes, storages=None, size=4, method=zipfile.ZIP_STORED, **more
):
    """Writes a file of the zip format; `more` are further members."""
    storages = {"0": _RAMP.tobytes()} if storages is None else storages
    members = {"data.pkl": b"\x80\x02" + content + b".", "version": b"3\n"}
    members |= {f"data/{key}": raw for key, raw in storages.items()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, raw in (members | more).items():
            archive.writestr(f"any/{member}", raw)
    return path


def write_legacy(path, content: bytes, storages=None, size=4):
    """Writes a file of the legacy format; `size` is that of a number."""
    storages = {"0": _RAMP.tobytes()} if storages is None else storages
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    parts = [pickle.dumps(value, protocol=2) for value in head]
    parts += [b"\x80\x02" + content + b".", pickle.dumps([*storages], protocol=2)]
    for raw in storages.values():
        parts += [struct.pack("<q", len(raw) // size), raw]
    path.write_bytes(b"".join(parts))
    return path


if __name__ == "__main__":
    import torch

    torch.save(checkpoint(torch), sys.argv[1])
