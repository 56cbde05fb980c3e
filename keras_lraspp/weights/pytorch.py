"""Safe reader and writer of PyTorch checkpoints, without PyTorch."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.weights.tensors import (
    BFLOAT16,
    LARGEST_FILE,
    MOST_TENSORS,
    float_tensors,
    read_bounded,
    read_weights_file,
)
from keras_lraspp.weights.unpickling import (
    Allowed,
    PickleError,
    StandIn,
    StandInDict,
    StoredArray,
    is_shape,
    read_first_pickle,
    read_pickle,
)
from keras_lraspp.weights.zip_archive import open_zip

_ZIP = b"PK\x03\x04"
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # of the format before PyTorch 1.6
# Entries of a checkpoint that hold its weights, the first that is there. An average
# over the training is taken only where nothing else is.
_WRAPPERS = "state_dict model_state_dict model state_dict_ema model_ema".split()
_MEND = "save the `state_dict()` of the network again with `torch.save`"


def read_pytorch(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a PyTorch checkpoint, without running anything in it.

    Args:
        path: A file of `torch.save`, in the zip format or the one before it: a state
            dict, or a dictionary that holds one as `state_dict`, `model_state_dict` or
            `model` (where none of these is there, as `state_dict_ema` or `model_ema`),
            also one in another. `module.` before all names is taken off.

    Returns:
        Float32 arrays by name, in the file's order, of tensors in float32, float64,
        float16 or bfloat16. `num_batches_tracked` is left out.

    Raises:
        InputError: If the file is missing, too large, damaged, holds TorchScript, a
            whole module or anything else that would have to be run, tensors that are
            no floats, or values that are not finite.
        StorageError: If it cannot be read.
    """
    path = Path(path)
    data = read_weights_file(path)
    try:
        is_zip = data.startswith(_ZIP)
        values = (_read_zip if is_zip else _read_legacy)(data, path)
    except InputError:
        raise
    except Exception as error:  # damage raises many kinds
        raise InputError(
            f"{path} is not read as PyTorch weights: {str(error)[:300]}; nothing in it "
            f"was run. Get the file again, or {_MEND}."
        ) from error
    return float_tensors(values, path)


def is_pytorch(begin: bytes) -> bool:
    """Whether a file that begins so was written by `torch.save`, or is a zip."""
    try:
        return begin.startswith(_ZIP) or read_pickle(begin[:64]) == _MAGIC_NUMBER
    except PickleError:
        return False


def _read_zip(data: bytes, path: Path) -> dict[str, object]:
    most_members = 4 * MOST_TENSORS  # with the state of an optimizer
    file = io.BytesIO(data)
    with open_zip(file, path, most_members, LARGEST_FILE, _MEND) as archive:
        # All names are below one folder, whatever its name.
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if "constants.pkl" in names or any(name.startswith("code/") for name in names):
            raise InputError(
                f"{path} is a TorchScript archive, which holds a program beside its "
                f"weights; load it with `torch.jit.load` and {_MEND}."
            )
        if "data.pkl" not in names or len(names) < len(archive.namelist()):
            raise PickleError("it is a zip archive, but none of `torch.save`")

        def read(name: str) -> bytes:
            if name not in names:
                raise PickleError(f"it has no {name[:100]}")
            with archive.open(names[name]) as member:
                return read_bounded(member, path)

        content, _ = _unpickle(read("data.pkl"), _Storages())
        order = read("byteorder") if "byteorder" in names else b"little"
        if order not in (b"little", b"big"):
            raise PickleError(f"its numbers have the byte order {order[:10]!r}")

        def read_storage(storage: _Storage) -> bytes:
            raw = read(f"data/{storage.key}")
            if order == b"little":
                return raw
            numbers = np.dtype(f"u{min(storage.kind.itemsize, 8)}")
            return np.frombuffer(raw, numbers).byteswap().tobytes()

        return _arrays(_state_dict(content, path), read_storage)


def _read_legacy(data: bytes, path: Path) -> dict[str, object]:
    """Reads the format before PyTorch 1.6: five pickles, then the storages."""
    if not is_pytorch(data):
        tar = data[257:262] == b"ustar"
        kind = "a tar of PyTorch before 0.2" if tar else "no file of `torch.save`"
        raise PickleError(f"it is {kind}, as it begins with {data[:12]!r}")
    at, storages = 0, _Storages()
    for _ in range(3):  # magic number, version, and what system wrote it
        _, at = read_first_pickle(data, at)
    content, at = _unpickle(data, storages, at)
    values = _state_dict(content, path)
    keys, at = read_first_pickle(data, at)
    places = {}
    for key in keys if isinstance(keys, list) else ():
        kind = storages.kinds.get(key) if isinstance(key, str) else None
        begin = at + 8
        count = int.from_bytes(data[at:begin], "little")
        at = begin + count * (kind.itemsize if kind else 0)
        if kind is None or at > len(data):
            raise PickleError("it is cut, or has storages that no tensor is in")
        places[key] = slice(begin, at)

    def read_storage(storage: _Storage) -> bytes:
        return data[places.get(storage.key, slice(0))]

    return _arrays(values, read_storage)


def _unpickle(data: bytes, storages: "_Storages", start: int = 0) -> tuple[object, int]:
    allowed = Allowed(_NAMES, _OPCODES, storages.load)
    try:
        return read_first_pickle(data, start, allowed)
    except PickleError as error:
        if b"torch.nn.modules." not in data:
            raise
        raise PickleError(f"it holds a whole module, which is code ({error})") from None


@dataclass(frozen=True)
class _Storage:
    """Numbers that tensors share: some, or all, of those under a key."""

    kind: np.dtype
    key: str
    start: int
    count: int


class _Storages:
    """The storages that a pickle names, with the type of each."""

    def __init__(self):
        self.kinds: dict[str, np.dtype] = {}

    def load(self, saved: object) -> _Storage:
        """Stands in for what a persistent id names."""
        if not isinstance(saved, tuple) or len(saved) not in (5, 6):
            raise PickleError("it has parts outside of it that are no storages")
        name, kind, key, _, count, *view = saved
        if name != "storage" or not isinstance(kind, np.dtype):
            raise PickleError("it has parts outside of it that are no storages")
        if not isinstance(key, str) or not is_shape((count,)):
            raise PickleError("it has a storage without a key and a size")
        if self.kinds.setdefault(key, kind) != kind:
            raise PickleError(f"it has storage {key[:100]} in two types")
        if not view or view[0] is None:
            return _Storage(kind, key, 0, count)
        _, start, part = view[0]  # of PyTorch before 0.4
        if not is_shape((start, part)) or start + part > count:
            raise PickleError(f"it has a view beyond the end of storage {key[:100]}")
        return _Storage(kind, key, start, part)


@dataclass(frozen=True)
class _Tensor:
    """A tensor that is being unpickled."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild(storage, offset, shape, strides, *rest) -> _Tensor:
    """Stands in for how a tensor is made; the last of `rest` are marks of its values.

    The others are whether it requires a gradient, and its hooks.
    """
    if not isinstance(storage, _Storage) or any(rest[2:]):
        raise PickleError("it has a tensor without a storage, or conjugated")
    whole = is_shape(shape) and is_shape(strides) and is_shape((offset,))
    if not whole or len(shape) != len(strides):
        raise PickleError("it has a tensor without a shape, strides and offset")
    last = sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    if math.prod(shape) and offset + last >= storage.count:
        key = storage.key[:100]
        raise PickleError(f"it has a tensor beyond the end of storage {key}")
    return _Tensor(storage, offset, shape, strides)


def _state_dict(content: object, path: Path) -> dict[str, object]:
    """Returns the tensors by name that a checkpoint holds, whatever is beside them."""
    for _ in range(3):
        if not isinstance(content, dict):
            break
        held = [content[n] for n in _WRAPPERS if isinstance(content.get(n), dict)]
        if not held:
            return content
        content = held[0]
    kind = "tensor" if isinstance(content, _Tensor) else type(content).__name__
    raise InputError(f"{path} holds a {kind}, not tensors by name; {_MEND}.")


def _arrays(
    values: dict[str, object], read_storage: Callable[[_Storage], bytes]
) -> dict[str, object]:
    """Returns entries with arrays in place of tensors, without a copy."""
    raw: dict[str, bytes] = {}
    arrays: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, _Tensor):
            key = value.storage.key
            if key not in raw:
                raw[key] = read_storage(value.storage)
            value = _array(value, raw[key])
        elif isinstance(value, StoredArray):  # of NumPy
            value = value.value
        elif isinstance(value, StandIn):
            value = {} if isinstance(value, dict) else object()
        arrays[name] = value
    return arrays


def _array(tensor: _Tensor, raw: bytes) -> np.ndarray:
    storage, size = tensor.storage, tensor.storage.kind.itemsize
    if len(raw) < (storage.start + storage.count) * size:
        raise PickleError(
            f"its storage {storage.key[:100]} has {len(raw)} bytes, and at least "
            f"{(storage.start + storage.count) * size} are expected"
        )
    # A side of one number may have any stride.
    strides = [
        step * size if side > 1 else 0
        for side, step in zip(tensor.shape, tensor.strides, strict=True)
    ]
    begin = (storage.start + tensor.offset) * size
    return np.ndarray(tensor.shape, storage.kind, raw, begin, strides)


_OPCODES = frozenset({"BINPERSID", "NEWOBJ", "EMPTY_SET", "ADDITEMS"})
_KINDS = {
    "Double": np.dtype("<f8"),
    "Float": np.dtype("<f4"),
    "Half": np.dtype("<f2"),
    "BFloat16": BFLOAT16,
    "Long": np.dtype("<i8"),
    "Int": np.dtype("<i4"),
    "Short": np.dtype("<i2"),
    "Char": np.dtype("i1"),
    "Byte": np.dtype("u1"),
    "Bool": np.dtype("b1"),
    "ComplexDouble": np.dtype("<c16"),
    "ComplexFloat": np.dtype("<c8"),
}
# Plain data that trainings keep beside the weights, of which nothing is needed.
_OBJECTS = (
    "argparse.Namespace pathlib.PosixPath pathlib.WindowsPath pathlib.PurePosixPath "
    "pathlib.PureWindowsPath torch.device numpy.core.multiarray.scalar builtins.set "
    "builtins.slice mmengine.logging.history_buffer.HistoryBuffer"
).split()
_DICTS = (
    "collections.Counter collections.defaultdict easydict.EasyDict addict.addict.Dict "
    "mmcv.utils.config.ConfigDict mmengine.config.config.ConfigDict"
).split()
_VALUES = (
    "torch.float64 torch.float32 torch.float16 torch.bfloat16 torch.int64 "
    "builtins.dict builtins.list builtins.int builtins.float"
).split()


def _attribute(owner: object, name: str) -> None:
    """Stands in for the methods that a `HistoryBuffer` names; nothing is looked up."""
    if owner is not StandIn:
        raise PickleError(f"it asks for an attribute {str(name)[:100]!r}")


_NAMES: dict[str, object] = {
    **{f"torch.{name}Storage": kind for name, kind in _KINDS.items()},
    "torch.storage.UntypedStorage": _KINDS["Byte"],
    "torch._utils._rebuild_tensor": _rebuild,
    "torch._utils._rebuild_tensor_v2": _rebuild,
    "torch._utils._rebuild_parameter": lambda tensor, *rest: tensor,
    "torch.Size": lambda shape=(): shape,
    **dict.fromkeys(_OBJECTS, StandIn),
    **dict.fromkeys(_DICTS, StandInDict),
    **dict.fromkeys(_VALUES, None),
    "builtins.getattr": _attribute,
}
