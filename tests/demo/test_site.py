"""The files of the demo: exported once, ONNX Runtime Web by npm or by hand."""

import json
import os
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from keras_lraspp.__main__ import main
from keras_lraspp.demo import site
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.export.deploy import deploy_path
from keras_lraspp.files import sha256
from keras_lraspp.street_scenes import draw_scene

PAGE = Path(__file__).parents[2] / "examples/web/page"
SIZES = range(1, 5)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(site, "_SAMPLE_SIZE", (64, 96))
    return tmp_path / "home" / "keras_lraspp"


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "network.keras"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def exports(monkeypatch):
    """In place of the export, whose proof takes seconds; test_web.py has the real."""
    calls = []

    def export(*, weights, output_dir, formats, classes):
        calls.append((weights, formats, classes))
        output_dir.mkdir()
        path = graph(output_dir / "model.onnx", 3, "labels", str(classes))
        facts = {"weights": {"name": "network.keras", "sha256": sha256(weights)}}
        deploy_path(path).write_text(json.dumps(facts))

    monkeypatch.setattr("keras_lraspp.export.export.export", export)
    return calls


def write_runtime(folder):
    folder.mkdir(parents=True)
    for name, size in zip(site.RUNTIME_FILES, SIZES, strict=True):
        (folder / name).write_bytes(bytes(size))
    return folder


def write_npm(folder, monkeypatch, script):
    """Puts a program of that name first on the path."""
    folder.mkdir()
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_folder_for_a_static_host(weights, exports, tmp_path, capsys):
    runtime, made = write_runtime(tmp_path / "dist"), tmp_path / "page"
    flags = [f"--weights={weights}", f"--runtime={runtime}", f"--out={made}"]
    assert main(["demo", *flags]) == 0
    assert capsys.readouterr().out == f"wrote {made}\n"

    found = {str(path.relative_to(made)): path for path in made.rglob("*.*")}
    for path in PAGE.iterdir():
        assert found.pop(path.name).read_bytes() == path.read_bytes()
    for name, size in zip(site.RUNTIME_FILES, SIZES, strict=True):
        assert found.pop(f"runtime/{name}").stat().st_size == size
    for number, seed in enumerate(site._SAMPLE_SEEDS, 1):
        picture = np.asarray(Image.open(found.pop(f"sample_{number}.png")))
        assert np.array_equal(picture, draw_scene(seed, 64, 96).image)
    assert {*found} == {"model.onnx", "model_webgpu.onnx"}
    headers = (made / "_headers").read_text()
    assert headers.startswith("/*\n  Cross-Origin-Opener-Policy: same-origin\n")


def test_weights_are_exported_once(weights, exports):
    first = site.exported(weights)
    assert site.exported(str(weights)) == first
    assert exports == [(weights, ["onnx"], None)]

    # Other classes, and other weights of the same name, are other files.
    named = site.exported(weights, ("a", "b", "c"))
    assert onnx.load(named).graph.name == "('a', 'b', 'c')"
    weights.write_bytes(b"others")
    assert len({first, named, site.exported(weights)}) == len(exports) == 3
    assert onnx.load(site.exported(weights)).graph.name == "None"
    assert len(exports) == 3


def graph(path, channels, output, name="g"):
    info = onnx.helper.make_tensor_value_info
    image = info("image", onnx.TensorProto.UINT8, ["b", "h", "w", channels])
    node = onnx.helper.make_node("Identity", ["image"], [output])
    kind = onnx.TensorProto.UINT8
    result = info(output, kind, ["b", "h", "w", channels])
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], name, [image], [result])),
        path,
    )
    return path


def test_an_onnx_file_is_taken_as_it_is(tmp_path):
    path = graph(tmp_path / "a.onnx", 3, "labels")
    assert site.exported(path) == path
    with pytest.raises(InputError, match="leave out --classes"):
        site.exported(path, 5)


@pytest.mark.parametrize(("channels", "output"), [(1, "labels"), (3, "logits")])
def test_a_network_of_another_interface_is_refused(tmp_path, channels, output):
    path = graph(tmp_path / "a.onnx", channels, output)
    with pytest.raises(InputError, match=f"from {channels} channels to {output}"):
        site.exported(path)


def test_a_file_that_is_no_network_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"a file" * 100)
    with pytest.raises(InputError, match=r"a\.onnx is no ONNX file"):
        site.exported(tmp_path / "a.onnx")
    with pytest.raises(InputError, match="There is no file .*b.onnx"):
        site.exported(tmp_path / "b.onnx")


def test_npm_fetches_the_runtime_once(tmp_path, home, monkeypatch):
    dist = "node_modules/onnxruntime-web/dist"
    files = " ".join(f"{dist}/{name}" for name in site.RUNTIME_FILES)
    write_npm(
        tmp_path / "bin",
        monkeypatch,
        f"[ $1 = ci ] && grep -q sha512 package-lock.json && mkdir -p {dist} && "
        f"for file in {files}; do echo x > $file; done && echo x >> {tmp_path}/calls",
    )
    for _ in range(2):
        files = site.fetch_runtime()
        assert [path.name for path in files] == [*site.RUNTIME_FILES]
        assert all(path.read_text() == "x\n" for path in files)
    assert (tmp_path / "calls").read_text() == "x\n"
    assert not [*home.glob(".tmp-*")]


def test_npm_that_fails_is_quoted(tmp_path, home, monkeypatch):
    write_npm(
        tmp_path / "bin",
        monkeypatch,
        'echo "npm error code EAI_AGAIN\nnpm error request  failed" >&2; exit 1',
    )
    with pytest.raises(StorageError, match=r"\(request failed\).*--runtime=DIR"):
        site.fetch_runtime()
    assert not [*home.iterdir()]


def test_without_npm_what_to_do_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no npm; install Node.js"):
        site.fetch_runtime()


def test_the_lock_file_pins_the_version_and_its_digest():
    lock = (PAGE.parent / "package-lock.json").read_text()
    version = site._runtime_version()
    assert re.search(
        rf'onnxruntime-web": {{\s+"version": "{re.escape(version)}",\s+'
        rf'"integrity": "sha512-[\w+/]{{86}}==',
        lock,
    )


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--runtime=.", "has no ort.wasm.bundle.min.mjs; --runtime is the folder"),
        ("--out=.", r"\. is there already; choose another --output_dir"),
        ("--port=70000", "--port is 0 to 65535, not 70000"),
    ],
)
def test_bad_flags_are_refused_before_the_export(
    weights, tmp_path, monkeypatch, capsys, flag, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["demo", f"--weights={weights}", flag]) == 2
    assert re.search(sentence, capsys.readouterr().err)
