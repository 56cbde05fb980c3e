"""PyTorch's files from strangers: refused in one sentence, and nothing runs."""

import io
import pickle
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from harness import pytorch as made
from harness.mutations import mutate
from harness.pytorch import LEGACY, TENSORS, ZIP, dictionary, plain, storage, tensor
from keras_lraspp.errors import InputError
from keras_lraspp.weights import read_pytorch, tensors, unpickling

WRITERS = {"zip": made.write_zip, "legacy": made.write_legacy}
RAMP = np.arange(24, dtype="float32") / 8


@pytest.fixture(params=WRITERS)
def write(request, tmp_path):
    """Writes a file of the format: a pickle, and the storage that it names, if any."""

    def write(content, storages=None, **more):
        storages = {} if b"Storage" not in content else storages
        return WRITERS[request.param](tmp_path / "a.pth", content, storages, **more)

    return write


def refused(path, says=""):
    with pytest.raises(InputError, match=rf"a\.pth(?s:.*){says}.*\.$") as caught:
        read_pytorch(path)
    assert len(str(caught.value)) < 600
    return True


def test_the_parts_that_the_odd_files_are_made_of_are_right(write):
    """What is refused below is not refused for another reason."""
    read = read_pytorch(write(dictionary(a=tensor(), b=tensor((2, 3), (1, 4), 5))))
    np.testing.assert_array_equal(read["a"], RAMP)
    expected = RAMP[[[5, 9, 13], [6, 10, 14]]]
    np.testing.assert_array_equal(read["b"], expected)
    # No more than the last number, and sides of one with any stride.
    read = read_pytorch(write(dictionary(a=tensor((1, 4), (1 << 70, 1), 20))))
    np.testing.assert_array_equal(read["a"], RAMP[None, 20:])
    assert read_pytorch(write(dictionary(a=tensor((0, 3), (1, 1)))))["a"].size == 0


def malice(path):
    """Pickles that leave `path` behind when they are loaded without care."""
    command = plain(f"touch {path}")
    text = b"S'touch " + str(path).encode() + b"'\n"
    for name in ("os.system", "posix.system", "builtins.eval", "__builtin__.exec"):
        yield made.call(name, command)
        yield made.name(name) + command + b"\x85\x81"  # NEWOBJ
        yield b"(" + made.name(name) + command + b"o"  # OBJ
    yield b"(" + text + b"ios\nsystem\n"  # INST
    yield b"cos\nsystem\n(" + text + b"tR"
    # Allowed names, and what they could be used for.
    system = made.name("posix.system")
    yield made.call("builtins.getattr", plain(""), plain("join"))
    yield made.call("builtins.getattr", made.name("torch.device"), plain("a")) + (
        b"(" + command + b"tR"
    )
    yield made.call("collections.defaultdict", system)
    yield made.call("torch.Size", command) + b"(" + command + b"tR"
    yield made.call("torch._utils._rebuild_parameter", system)
    for name in ("argparse.Namespace", "torch.Size", "collections.OrderedDict"):
        yield made.name(name) + dictionary(__call__=system) + b"b"  # BUILD
        yield made.name(name) + b"N" + dictionary(__init__=system) + b"\x86b"
    made_object = made.name("argparse.Namespace") + b")\x81"
    yield made_object + dictionary(__class__=system) + b"b(" + command + b"tR"
    # What is kept outside of the pickle.
    yield b"P" + str(path).encode() + b"\n"
    yield command + b"Q"
    yield b"(" + plain("module") + system + plain("a.py") + command + b"tQ"


def test_no_code_is_run(write, tmp_path):
    path = tmp_path / "ran"
    before = dict(unpickling.StandIn.__dict__), dict(unpickling.StandInDict.__dict__)
    for content in malice(path):
        for whole in (content, dictionary(state_dict=dictionary(a=content))):
            assert refused(write(whole), "nothing in it was run")
            assert not path.exists()
    for loaded in (next(malice(path)), list(malice(path))[12]):
        pickle.loads(b"\x80\x02" + loaded + b".")  # without care
        assert path.exists()
        path.unlink()
    after = dict(unpickling.StandIn.__dict__), dict(unpickling.StandInDict.__dict__)
    assert before == after


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (plain([1, 2]), "holds a list, not tensors by name"),
        (tensor(), "holds a tensor, not tensors by name"),
        (plain({}), "holds 0 tensors"),
        (dictionary(model=plain({})), "holds 0 tensors"),
        (dictionary(epoch=plain(3)), "epoch is no float tensor, but int"),
        (dictionary(a=dictionary(b=tensor())), "a is no float tensor, but dict"),
        (dictionary(a=made.call("argparse.Namespace")), "a is no .*, but object"),
        (dictionary(a=tensor(stored=storage(kind="Int"))), "a is no .* int32"),
        (dictionary(a=tensor(stored=storage(kind="Byte"))), "a is no .*, but uint8"),
        (dictionary(a=made.call("torch._utils._rebuild_qtensor")), "_rebuild_qtensor"),
        (dictionary(a=tensor(more=plain({"neg": True}))), "conjugated"),
        (b"}q\1" + plain("model") + b"h\1s", "holds a dict, not tensors by name"),
    ],
)
def test_what_is_no_state_dict(write, content, says):
    assert refused(write(content), says)


def test_values_that_are_not_finite(write):
    for value in (np.nan, np.inf):
        raw = np.append(RAMP[1:], value).astype("float32").tobytes()
        path = write(dictionary(ok=tensor((23,)), b=tensor()), {"0": raw})
        assert refused(path, "b has values that are not finite")
    raw = np.array([1e300]).tobytes()
    content = dictionary(b=tensor((1,), stored=storage(count=1, kind="Double")))
    assert refused(
        write(content, {"0": raw}, size=8), "b has values that are not finite"
    )


HUGE = (1 << 31, 1 << 40, (1 << 63) - 1, 1 << 64, 1 << 1000)


def lies():
    """Tensors and storages that claim what is not there."""
    for huge in HUGE:
        yield tensor(stored=storage(count=huge))
        yield tensor((huge,), stored=storage(count=huge))
        yield tensor((huge,))
        yield tensor((huge,), (0,))  # all of them the first
        yield tensor((huge, huge), (0, 0))
        yield tensor((2,), (huge,))
        yield tensor((24,), offset=huge)
    yield tensor((25,))
    yield tensor((24,), offset=1)
    yield tensor((12,), (2,), offset=2)
    yield tensor((5, 5), (5, 1))
    yield tensor((24,), (-1,), 23)
    yield tensor((-24,), (-1,))
    yield tensor((24,), (1,), -1)
    yield tensor((24,), (1, 1))
    yield tensor((1,) * 9, (1,) * 9)
    for odd in (None, 24, "24", [24], (24.0,), (True,), ("24",), ((24,),)):
        yield tensor(odd)
        yield tensor(strides=odd)
        yield tensor(offset=odd)
        if odd != 24:
            yield tensor(stored=storage(count=odd))
        if not isinstance(odd, str):
            yield tensor(stored=storage(key=odd))
    yield tensor(stored=storage(key="nowhere"))
    yield tensor(stored=storage(key="../data.pkl"))
    yield tensor(stored=plain("0"))
    yield tensor(stored=storage(kind="Double"))
    yield tensor(stored=storage(view=plain(("1", 20, 5))))
    yield tensor(stored=storage(view=plain(("1", -1, 5))))
    yield tensor(stored=storage(view=plain("view")))
    yield tensor(stored=storage()[:-2] + plain(1) * 2 + b"tQ")
    yield tensor(stored=b"(" + plain("storage") + plain(1) * 4 + b"tQ")
    yield tensor(stored=plain(("file", "a", "0", "cpu", 24)) + b"Q")
    yield b"(" + tensor() + tensor((1,), stored=storage(kind="Int")) + b"t"


def test_tensors_and_storages_that_claim_what_is_not_there(write):
    tracemalloc.start()
    for lie in lies():
        assert refused(write(dictionary(a=lie)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_small_file_of_many_numbers(write):
    million = tensor((1 << 10, 1 << 10), (0, 0))
    tracemalloc.start()
    many = b"".join(plain(f"{i}") + b"h\1" for i in range(40))
    path = write(b"}" + plain("a") + million + b"q\1s(" + many + b"u")
    assert refused(path, "holds more than 64 MiB")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_pickles_that_grow(write, monkeypatch):
    pairs = plain([(f"{i}", 0) for i in range(1000)]) + b"r\0\0\1\0"
    again = made.name("collections.OrderedDict") + b"j\0\0\1\0\x85R"
    assert refused(write(b"(" + pairs + again * 300 + b"t"), "more pairs than it has")
    assert refused(write(b"(" + pairs + again * 100 + b"t"), "holds a tuple")
    laughs = b")q\0" + b"h\0h\0\x86q\0" * 5000
    assert refused(write(laughs + b"}h\0Ns"), "key that is a tuple")
    assert refused(write(b"(" * 300_000), "too many steps")
    text = plain("x" * 100_000) + b"q\1"
    assert refused(write(text + b"ctorch\ndevice\nh\1R"), "of no tuple")
    assert refused(write(text + b"cargparse\nNamespace\nh\1\x81"), "of no tuple")
    long = plain(tuple(range(101))) + b"R"
    assert refused(write(made.name("torch.device") + long), "or of a long one")
    deep = b")" + b"\x85" * 100_000
    assert refused(write(deep), "holds a tuple")
    # Names that are taken off again and again.
    long = "module." * 1000
    read = read_pytorch(write(b"}" + plain(long) + tensor() + b"s"))
    assert len(*read) < len(long)
    monkeypatch.setattr(tensors, "MOST_TENSORS", 1)
    assert refused(write(dictionary(a=tensor(), b=tensor())), "holds 2 tensors")


def test_entries_beside_the_weights_may_have_numbers_as_keys(write):
    state = b"}(" + plain(1) + plain(2) + plain(None) + plain(0.5) + b"N\x88u"
    read = read_pytorch(
        write(dictionary(optimizer=state, model=dictionary(a=tensor())))
    )
    np.testing.assert_array_equal(read["a"], RAMP)


@pytest.mark.filterwarnings("ignore:invalid escape:DeprecationWarning")
@pytest.mark.parametrize("kind", ["zip", "pickle in a zip", "legacy"])
def test_mutated_files_give_errors_only(tmp_path, kind):
    path, rng, errors = tmp_path / "a.pth", np.random.default_rng(0), 0
    other = tensor((4, 6), (1, 4), stored=storage("1"))
    weights = dictionary(a=tensor(), b=other)
    pickled = dictionary(state_dict=weights, args=made.call("argparse.Namespace"))
    storages = {"0": RAMP.tobytes(), "1": RAMP.tobytes()}
    write = made.write_legacy if kind == "legacy" else made.write_zip
    content = write(path, pickled, storages).read_bytes()
    assert len(read_pytorch(path)) == 2
    for _ in range(300):
        if kind == "pickle in a zip":  # behind valid checksums
            write(path, mutate(pickled, content, rng), storages)
        else:
            path.write_bytes(mutate(content, content, rng))
        try:
            read = read_pytorch(path)
        except InputError as error:
            errors += 1
            assert len(str(error)) < 700
        else:
            assert all(np.isfinite(value).all() for value in read.values())
    assert 100 < errors < 300


@pytest.mark.parametrize("path", [ZIP, LEGACY], ids=["zip", "legacy"])
def test_files_that_are_cut(tmp_path, path):
    content, target = path.read_bytes(), tmp_path / "a.pth"
    for length in [*range(0, len(content), 301), len(content) - 1]:
        target.write_bytes(content[:length])
        assert refused(target)


def test_changed_numbers_in_a_zip_are_found(tmp_path):
    """By its checksums; the legacy format has none."""
    content = bytearray(ZIP.read_bytes())
    at = content.find(TENSORS["whole"].tobytes())
    content[at + 5] ^= 1
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    assert refused(path, "CRC")


def test_zip_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_lraspp.weights.pytorch.LARGEST_FILE", 1 << 20)
    path, content = tmp_path / "a.pth", dictionary(a=tensor())
    zeros, deflated = bytes(8 << 20), zipfile.ZIP_DEFLATED
    assert refused(
        made.write_zip(path, content, {"0": zeros}, method=deflated), "unpacks to"
    )
    assert refused(made.write_zip(path, content, method=deflated, other=zeros))
    assert path.stat().st_size < 1 << 17
    # Its headers claim a few bytes, and it unpacks to more.
    small = made.write_zip(path, content, {"0": zeros}, method=deflated).read_bytes()
    claim, sizes = struct.Struct("<LLL"), []
    for found in re.finditer(b"PK\3\4(?s:.{10})|PK\1\2(?s:.{12})", small):
        crc, packed, unpacked = claim.unpack_from(small, found.end())
        sizes.append(unpacked)
        if unpacked == len(zeros):
            small = bytearray(small)
            claim.pack_into(small, found.end(), crc, packed, 96)
    assert sizes.count(len(zeros)) == 2
    path.write_bytes(small)
    tracemalloc.start()
    assert refused(path, "CRC")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    # Packed, but no bomb.
    path = made.write_zip(path, content, method=deflated)
    np.testing.assert_array_equal(read_pytorch(path)["a"], RAMP)


def test_zips_of_too_many_members(tmp_path, monkeypatch):
    path, content = tmp_path / "a.pth", dictionary(a=tensor())
    with zipfile.ZipFile(made.write_zip(path, content), "a") as archive:
        for index in range(17):
            member = zipfile.ZipInfo(f"any/{index}")
            member.comment = bytes(65_000)
            archive.writestr(member, b"")
    assert refused(path, "bytes of directory")
    monkeypatch.setattr("keras_lraspp.weights.pytorch.MOST_TENSORS", 10)
    many = {f"{i}": b"" for i in range(40)}
    assert refused(made.write_zip(path, content, many), "unpacks to 42 files")


def test_zips_that_are_odd(tmp_path):
    path, content = tmp_path / "a.pth", dictionary(a=tensor())
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert refused(made.write_zip(path, content, method=method), "compressed in")
    with pytest.warns(UserWarning, match="Duplicate"):
        with zipfile.ZipFile(made.write_zip(path, content), "a") as archive:
            archive.writestr("any/data.pkl", b"\x80\x02}.")
    assert refused(path, "a file in it twice")
    with zipfile.ZipFile(made.write_zip(path, content), "a") as archive:
        archive.writestr("other/data.pkl", b"\x80\x02}.")
    assert refused(path, "none of `torch.save`")
    assert refused(made.write_zip(path, content, **{"code/a.py": b""}), "TorchScript")
    assert refused(made.write_zip(path, content, **{"constants.pkl": b""}), "TorchScr")
    assert refused(made.write_zip(path, content, byteorder=b"middle"), "byte order")
    encrypted = made.write_zip(path, content).read_bytes()
    path.write_bytes(
        encrypted.replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1")
    )
    assert refused(path, "encrypted|password")
    file = io.BytesIO()
    np.savez(file, a=RAMP)
    path.write_bytes(file.getvalue())
    assert refused(path, "none of `torch.save`")


def test_an_old_file_has_views_and_texts_of_python_2(tmp_path):
    view = storage(view=plain(("7", 4, 10)))
    content = dictionary(
        a=tensor((3,), (3,), 1, view), b=tensor(stored=storage(view=b"N"))
    )
    content = content.replace(plain("storage"), b"U\7storage")
    pairs = b"ccollections\nOrderedDict\n](](X\1\0\0\0a" + tensor((2,)) + b"ee\x85R"
    for written, expected in (
        (content, {"a": RAMP[5:14:3], "b": RAMP}),
        (pairs, {"a": RAMP[:2]}),
    ):
        read = read_pytorch(made.write_legacy(tmp_path / "a.pth", written))
        assert list(read) == list(expected)
        for name, value in expected.items():
            np.testing.assert_array_equal(read[name], value)


def test_numbers_in_the_other_byte_order(tmp_path):
    path = tmp_path / "a.pth"
    for kind, code in (("Float", "f4"), ("Half", "f2"), ("Double", "f8")):
        content = dictionary(a=tensor(stored=storage(kind=kind)))
        raw = {"0": RAMP.astype(f">{code}").tobytes()}
        read = read_pytorch(made.write_zip(path, content, raw, byteorder=b"big"))
        np.testing.assert_array_equal(read["a"], RAMP)
    content = dictionary(a=tensor(stored=storage(kind="BFloat16")))
    raw = {"0": (RAMP.view("u4") >> 16).astype(">u2").tobytes()}
    read = read_pytorch(made.write_zip(path, content, raw, byteorder=b"big"))
    np.testing.assert_array_equal(read["a"], RAMP)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no file of `torch.save`"),
        (b"\x80\x02}.", "no file of `torch.save`"),
        (b"PK\3\4", "not a zip file"),
        (b"\0" * 257 + b"ustar", "a tar of PyTorch before 0.2"),
    ],
)
def test_other_files(tmp_path, content, says):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    assert refused(path, says)
