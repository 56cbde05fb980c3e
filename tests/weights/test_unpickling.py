"""Pickles: arrays come out, everything else is refused and does not run."""

import collections
import contextlib
import functools
import io
import os
import pickle
import pickletools
import struct
import tracemalloc

import numpy as np
import pytest

from harness.mutations import mutate
from keras_lraspp.weights import unpickling
from keras_lraspp.weights.unpickling import PickleError, read_pickle

RNG = np.random.default_rng(0)
ARRAYS = {
    "kernel": RNG.normal(size=(4, 3, 2, 5)).astype("float32"),
    "bias": RNG.normal(size=7),
    "half": RNG.normal(size=(2, 2)).astype("float16"),
    "big_endian": np.arange(6, dtype=">f4").reshape(2, 3),
    "fortran": np.asfortranarray(RNG.normal(size=(3, 4)).astype("float32")),
    "empty_rows": np.zeros((0, 3), "float32"),
    "scalar": np.array(2.5, "float32"),
    "whole": np.arange(5),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_come_out_as_they_went_in(protocol):
    arrays = dict(ARRAYS)
    if protocol == 2:
        del arrays["empty_rows"]  # has no bytes, for which protocol 2 has no word
    content = {**arrays, "names": {"a": "b"}, "rest": [1, (2.5, None, True), b"x"]}
    read = read_pickle(pickle.dumps(content, protocol=protocol))
    assert list(read) == list(content)
    for name, array in arrays.items():
        value = read[name].value
        assert value.dtype == array.dtype
        np.testing.assert_array_equal(value, array)
        assert not value.flags.writeable
    assert read["names"] == {"a": "b"}
    assert read["rest"] == [1, (2.5, None, True), b"x"]


def test_both_spellings_of_numpy_and_an_ordered_dictionary():
    content = collections.OrderedDict(a=np.ones(3, "float32"))
    data = pickle.dumps(content, protocol=2)
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    spellings = {data.replace(new, old), data.replace(old, new)}
    assert len(spellings) == 2
    for spelling in spellings:
        np.testing.assert_array_equal(read_pickle(spelling)["a"].value, [1, 1, 1])


def test_what_python_2_wrote():
    """Its strings have no encoding, and hold the bytes of arrays."""
    raw = np.array([1.5, -2], "<f4").tobytes()
    data = (
        b"\x80\x02}U\x01a"
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U" + bytes([len(raw)]) + raw + b"tbs."
    )
    expected = pickle.loads(data, encoding="latin1")["a"]
    np.testing.assert_array_equal(expected, [1.5, -2])
    np.testing.assert_array_equal(read_pickle(data)["a"].value, expected)


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Plain:
    """An object with a state."""

    def __init__(self):
        self.value = 1


def malice(path):
    """Pickles that leave `path` behind when they are loaded without care."""
    code = f"open({str(path)!r}, 'w').close()"
    yield pickle.dumps({"a": Calls(os.system, f"touch {path}")})
    yield pickle.dumps({"a": Calls(exec, code)}, protocol=2)
    yield pickle.dumps([Calls(eval, code)])
    yield pickle.dumps({"a": Calls(functools.partial(exec, code))})
    yield pickle.dumps({"a": Calls(getattr, "", "join")})
    # A name with dots, which is looked up through what is allowed.
    yield b"\x80\x04\x8c\x05numpy\x8c\x18ctypeslib.os.system.call\x93."
    # A function that is allowed, and the changes that a state could make to it.
    function = b"\x80\x04cnumpy\nndarray\n"
    yield function + b"}\x8c\x08__call__K\x01sb."
    yield function + b"N}\x8c\x08stand_inK\x01s\x86b."
    yield function + b")\x81."
    for state in (b"}\x8c\x0c__defaults__N\x85sb.", b"N}\x8c\x08__code__Ns\x86b."):
        yield b"\x80\x04c_codecs\nencode\n" + state
        yield b"\x80\x04cnumpy\ndtype\n" + state
        yield b"\x80\x04}" + state
        yield b"\x80\x04]" + state
    command = f"touch {path}".encode()
    short = b"\x8c" + bytes([len(command)]) + command
    for name in (b"cos\nsystem\n", b"cbuiltins\neval\n", b"cposix\nsystem\n"):
        yield b"\x80\x04" + name + short + b"\x85R."
        yield b"\x80\x04" + name + short + b"\x85\x81."  # NEWOBJ
        yield b"\x80\x04" + name + short + b"\x85}\x92."  # NEWOBJ_EX
        yield b"\x80\x04(" + name + short + b"o."  # OBJ
    yield b"\x80\x04\x8c\x02os\x8c\x06system\x93" + short + b"\x85R."
    yield b"\x80\x04P" + command + b"\n."  # PERSID
    yield b"\x80\x04" + short + b"Q."  # BINPERSID
    yield from (
        b"\x80\x04\x82\x01.",
        b"\x80\x04\x83\x01\0.",
        b"\x80\x04\x84\x01\0\0\0.",
    )
    yield b"\x80\x05\x97."  # NEXT_BUFFER
    yield b"cos\nsystem\n(S'touch " + str(path).encode() + b"'\ntR."
    yield b"(S'touch " + str(path).encode() + b"'\nios\nsystem\n."


def test_no_code_is_run(tmp_path):
    path = tmp_path / "ran"
    pickles = list(malice(path))
    # One of them, loaded without care, does leave the file.
    pickle.loads(pickles[1])
    assert path.exists()
    path.unlink()
    for data in pickles:
        with pytest.raises(PickleError):
            read_pickle(data)
        assert not path.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (np.load, "numpy.load"),
        (Calls(np.fromfile, "/dev/zero"), "fromfile"),
        (Calls(np.zeros, 1 << 50), "zeros"),
        (Calls(bytearray, 1 << 50), "bytearray"),
        (Plain(), "Plain"),
        (np.float32(1), "scalar"),
        (np.array([{}]), "another type"),
        (np.zeros(2, [("x", "f4")]), "another type"),
        (np.array(["text"]), "another type"),
        ({(1, 2): 2}, "key"),
        ({1, 2}, "EMPTY_SET"),
        (1 << 5000, "LONG4"),
    ],
)
def test_what_is_no_array_is_named(content, says):
    with pytest.raises(PickleError, match=says):
        read_pickle(pickle.dumps(content, protocol=4))


def array_pickle(shape, data, type_code="f4", name=b"_reconstruct"):
    """A pickle of one array, whatever its parts are."""

    class Lies:
        def __reduce__(self):
            reconstruct, arguments, _ = np.zeros(1).__reduce__()
            state = (1, shape, np.dtype(type_code), False, data)
            return reconstruct, arguments, state

    return pickle.dumps(Lies(), protocol=4)


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ((1 << 40,), b"1234"),
        ((1 << 40, 0, 1 << 40), b"1234"),
        ((2,), b"1234"),
        ((-1, -1), b"1234"),
        ((True,), b"1234"),
        ((1.0,), b"1234"),
        ((1,) * 9, b"1234"),
        (1, b"1234"),
        ((1,), 1234),
        ((1,), ["1234"]),
        ((1,), "€"),
    ],
)
def test_arrays_that_lie_about_themselves(shape, data):
    with pytest.raises(PickleError):
        read_pickle(array_pickle(shape, data))


def claims(size):
    """Pickles that claim `size` bytes and hold a few."""
    eight, four = struct.pack("<Q", size), struct.pack("<I", min(size, 2**31 - 1))
    yield b"\x80\x04\x8e" + eight + b"1234."  # bytes
    yield b"\x80\x04B" + four + b"1234."
    yield b"\x80\x05\x96" + eight + b"1234."  # bytearray
    yield b"\x80\x04\x8d" + eight + b"1234."  # text
    yield b"\x80\x04X" + four + b"1234."
    yield b"\x80\x04T" + four + b"1234."  # string of Python 2
    yield b"\x80\x04\x95" + eight + b"1234."  # frame
    yield b"\x80\x04Nr" + four + b"r\xff\xff\xff\xff"  # place in the memory


@pytest.mark.parametrize("size", [1 << 34, (1 << 63) - 1, (1 << 64) - 1])
def test_claimed_sizes_are_not_allocated(size):
    tracemalloc.start()
    for data in claims(size):
        with pytest.raises(PickleError):
            read_pickle(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_tuples_of_tuples_take_no_memory_and_are_no_keys():
    laughs = b"\x80\x04)q\x00" + b"h\x00h\x00\x86q\x00" * 5000
    tracemalloc.start()
    assert isinstance(read_pickle(laughs + b"."), tuple)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    with pytest.raises(PickleError, match="key that is a tuple"):
        read_pickle(laughs + b"}h\x00Ns.")
    with pytest.raises(PickleError, match="key that is a tuple"):
        read_pickle(laughs + b"}(h\x00Nu.")


def test_a_reading_leaves_the_stand_ins_as_they_were():
    before = {name: dict(vars(call)) for name, call in unpickling._NUMPY_NAMES.items()}
    for data in malice("/nowhere"):
        with pytest.raises(PickleError):
            read_pickle(data)
    assert before == {
        name: dict(vars(c)) for name, c in unpickling._NUMPY_NAMES.items()
    }


def test_one_text_does_not_become_bytes_again_and_again():
    text = "x" * 100_000
    encode = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    data = b"\x80\x02X" + struct.pack("<I", len(text)) + text.encode() + b"q\x00"
    with pytest.raises(PickleError, match="more bytes than it has"):
        read_pickle(data + 20 * encode + b".")
    assert read_pickle(data + encode + b".") == text.encode()


def test_steps_are_bounded():
    with pytest.raises(PickleError, match="too many steps"):
        read_pickle(b"\x80\x04" + b"(" * 1_000_000)
    deep = b"\x80\x04)" + b"\x85" * 150_000  # a tuple in a tuple in a tuple ...
    with pytest.raises(PickleError, match="key that is a tuple"):
        read_pickle(deep + b"q\x00}h\x00Ns.")


def test_mutated_pickles_give_errors_only():
    data = pickle.dumps(ARRAYS, protocol=4)
    assert len(list(pickletools.genops(data))) > 100
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(2000):
        mutated = bytearray(data)
        for position in rng.integers(0, len(data), rng.integers(1, 4)):
            mutated[position] = rng.integers(0, 256)
        try:
            read_pickle(bytes(mutated))
        except PickleError:
            refused += 1
    assert refused > 100
    donor = pickle.dumps(ARRAYS, protocol=2)
    for _ in range(2000):
        with contextlib.suppress(PickleError):
            read_pickle(mutate(data, donor, rng))
    for length in range(0, len(data), 7):
        with pytest.raises(PickleError):
            read_pickle(data[:length])


def test_a_checkpoint_is_far_from_the_limit_of_steps():
    tensors = {f"backbone.blocks.{i}.weight": np.ones(3) for i in range(400)}
    steps = len(list(pickletools.genops(io.BytesIO(pickle.dumps(tensors)))))
    assert steps < 40_000
