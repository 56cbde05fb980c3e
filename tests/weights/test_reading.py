"""Files of weights are known by what is in them; `.safetensors` files."""

import builtins
import json
import struct

import numpy as np
import pytest

from harness.mutations import mutate
from harness.paddle import write_pdparams
from harness.pytorch import LEGACY, TENSORS, ZIP
from keras_lraspp.errors import InputError, MissingPackageError
from keras_lraspp.weights import read_safetensors, read_tensors

RAMP = np.arange(24, dtype="float32") / 8


def safetensors_file(path, header, body=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)
    return path


def entries(**tensors):
    """The header and the bytes of tensors, each its type, shape and bytes."""
    header, body = {}, b""
    for name, (kind, shape, raw) in tensors.items():
        ends = [len(body), len(body) + len(raw)]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": ends}
        body += raw
    return header, body


@pytest.fixture
def whole(tmp_path):
    """A file with each type that is read; bfloat16 is the upper half of float32."""
    upper = (RAMP.view("uint32") >> 16).astype("uint16")
    header, body = entries(
        **{
            "module.b": ("F32", [2, 3, 4], RAMP.tobytes()),
            "module.a": ("F64", [24], RAMP.astype("float64").tobytes()),
            "module.c": ("F16", [4, 6], RAMP.astype("float16").tobytes()),
            "module.d": ("BF16", [24], upper.tobytes()),
            "module.scalar": ("F32", [], RAMP[20:21].tobytes()),
            "module.bn.num_batches_tracked": ("I64", [], struct.pack("<q", 7)),
        }
    )
    header["__metadata__"] = {"format": "pt"}
    return safetensors_file(tmp_path / "a.safetensors", header, body)


def test_safetensors(whole):
    pytest.importorskip("safetensors")
    tensors = read_safetensors(whole)
    shapes = {"a": (24,), "b": (2, 3, 4), "c": (4, 6), "d": (24,), "scalar": ()}
    assert list(tensors) == list(shapes)
    for name, value in tensors.items():
        assert value.dtype == "float32" and value.shape == shapes[name]
        expected = RAMP if value.size > 1 else RAMP[20]
        np.testing.assert_array_equal(value.ravel(), expected)


FOUR = ("F32", [1], b"1234")


@pytest.mark.parametrize(
    ("header", "body", "says"),
    [
        (*entries(a=("F8_E4M3", [4], b"1234")), "a is no float tensor, but F8_E4M3"),
        (*entries(a=("I64", [1], b"12345678")), "a is no float tensor, but int64"),
        (*entries(a=("F32", [1], b"\0\0\xc0\x7f")), "a has values that are not finite"),
        ({}, b"", "holds 0 tensors"),
        (b"", b"", "damaged"),
        (b"[" * 100_000, b"", "damaged"),
        (b"{" + b" " * (1 << 20) + b"}", b"", "damaged .*a header of 1048578 bytes"),
        (*entries(a=("F32", [1 << 62, 4], b"1234")), "damaged"),
        (*entries(a=("F32", [-1], b"1234")), "damaged"),
        (*entries(a=("F32", [2], b"1234")), "damaged"),
        (entries(a=FOUR)[0], b"12345", "damaged"),
        (entries(a=FOUR)[0], b"123", "damaged"),
        (entries(a=FOUR)[0] | {"b": entries(a=FOUR)[0]["a"]}, b"1234", "damaged"),
        (
            {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
            FOUR[2] * 2,
            "damaged",
        ),
    ],
)
def test_safetensors_that_are_refused(tmp_path, header, body, says):
    pytest.importorskip("safetensors")
    path = safetensors_file(tmp_path / "a.safetensors", header, body)
    with pytest.raises(InputError, match=rf"a\.safetensors.*{says}"):
        read_safetensors(path)


def test_a_header_that_claims_more_than_the_file_has(tmp_path):
    pytest.importorskip("safetensors")
    for size in (100, 1 << 34, (1 << 64) - 1):
        path = tmp_path / "a.safetensors"
        path.write_bytes(struct.pack("<Q", size) + b"{}")
        with pytest.raises(InputError, match=r"a\.safetensors is damaged"):
            read_safetensors(path)


def test_mutated_safetensors_give_errors_only(whole):
    pytest.importorskip("safetensors")
    content, rng, refused = whole.read_bytes(), np.random.default_rng(0), 0
    for _ in range(300):
        whole.write_bytes(mutate(content, content, rng))
        try:
            read_safetensors(whole)
        except InputError:
            refused += 1
    assert refused > 100


def test_safetensors_without_its_package(whole, monkeypatch):
    """As with requirements-core.txt."""
    real = builtins.__import__

    def no_safetensors(name, *arguments):
        if name == "safetensors":
            raise ModuleNotFoundError("no", name=name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", no_safetensors)
    with pytest.raises(
        MissingPackageError, match="safetensors files needs the package"
    ):
        read_tensors(whole)


def test_files_are_known_by_their_content(tmp_path, whole):
    pytest.importorskip("safetensors")
    paddle = write_pdparams(tmp_path / "model.pdparams", {"paddle": RAMP})
    assert list(read_tensors(tmp_path)) == ["paddle"]  # a folder
    others = ("", ".bin", ".keras", ".pdparams", ".safetensors")
    for number, (source, names, suffixes) in enumerate(
        [
            (ZIP, TENSORS, others),
            (LEGACY, TENSORS, others),
            (whole, "abcd", others),
            (paddle, ["paddle"], ("", ".keras")),  # any pickle begins so
        ]
    ):
        for suffix in suffixes:
            path = tmp_path / f"{number}{suffix}"
            path.write_bytes(source.read_bytes())
            assert {*read_tensors(path)} >= {*names}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.pth", b"<html>404", "as PyTorch weights: .*begins with b'<html>404'"),
        ("a.pt", b"", "as PyTorch weights"),
        ("a.bin", b"\x80\x02}.", "as PyTorch weights: it is no file of `torch.save`"),
        ("a.pdparams", b"<html>404", "as PaddlePaddle weights"),
        ("a.safetensors", b"<html>404", "no .safetensors file|needs the package"),
        ("a.h5", b"\x89HDF\r\n", "expected one of PaddlePaddle .*or .safetensors"),
        ("a.pth", None, "There is no weights file .*check the path"),
    ],
)
def test_other_files_get_one_sentence(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}.*({says})|{says}"):
        read_tensors(tmp_path / name)
