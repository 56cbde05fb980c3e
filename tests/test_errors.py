"""Packages that are missing: named in one sentence, wherever they are asked for."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import keras_lraspp
from keras_lraspp import config, data, visualize
from keras_lraspp.__main__ import main
from keras_lraspp.errors import (
    OPTIONAL_PACKAGES,
    InputError,
    MissingPackageError,
    naming_packages,
)
from keras_lraspp.export.runtimes import open_exported

TREE = Path(__file__).parents[1]


@pytest.fixture
def missing(monkeypatch):
    """Hides a package from what is imported from here on."""

    def hide(module):
        for name in [name for name in sys.modules if name.startswith(f"{module}.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, module, None)

    return hide


def project():
    return tomllib.loads((TREE / "pyproject.toml").read_text())["project"]


def names(lines):
    return {re.match(r"[\w-]+", line)[0].replace("_", "-") for line in lines}


def test_a_missing_package_is_named_with_its_command():
    with pytest.raises(MissingPackageError) as caught:
        with naming_packages("A drawing"):
            raise ModuleNotFoundError("No module named 'gin.config'", name="gin.config")
    assert str(caught.value) == (
        "A drawing needs the package gin-config, which is not installed; run `pip "
        "install gin-config`, or `pip install keras-lraspp` for all that is needed."
    )
    assert isinstance(caught.value, InputError) and isinstance(
        caught.value, ImportError
    )


def test_a_module_of_somebody_else_is_none_of_our_packages():
    with pytest.raises(ModuleNotFoundError) as caught:
        with naming_packages("A drawing"):
            importlib.import_module("a_module_of_mine")
    assert not isinstance(caught.value, MissingPackageError)


def test_all_requirements_are_known_to_be_core_or_not():
    content = (TREE / "requirements-core.txt").read_text().splitlines()
    core = [line for line in content if not line.startswith("#")]
    required = project()["dependencies"]
    assert {*core} <= {*required}
    extras = project()["optional-dependencies"]
    optional = [
        line
        for name in extras
        if name not in ("test", "dev", "cuda", "docs")
        for line in extras[name]
    ]
    known = names(OPTIONAL_PACKAGES.values())
    assert names([*required, *optional]) - names(core) <= known
    assert known <= names([*required, *optional])
    # And CI installs these and no others.
    assert '-r requirements-core.txt "$2"' in (TREE / ".ci/run").read_text()


@pytest.mark.parametrize(
    ("module", "package", "call"),
    [
        ("onnxruntime", "onnxruntime", lambda path: open_exported(path / "a.onnx")),
        ("onnx", "onnx", lambda path: open_exported(path / "a.onnx")),
        (
            "ai_edge_litert",
            "ai-edge-litert",
            lambda path: open_exported(path / "a.tflite"),
        ),
        (
            "matplotlib",
            "matplotlib",
            lambda path: visualize.confusion_picture(np.eye(2, dtype=int), ["a", "b"]),
        ),
        (
            "tensorflow_datasets",
            "tensorflow-datasets",
            lambda path: data.TFDS(path, "val", name="voc"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_functions_name_their_package(module, package, call, missing, tmp_path):
    for name in ("a.onnx", "a.tflite"):
        (tmp_path / name).write_bytes(b"\0\0\0\0TFL3" * 9)
    missing(module)
    with pytest.raises(MissingPackageError, match=f"`pip install {package}`"):
        call(tmp_path)


def test_public_names_that_are_loaded_late_name_their_package(missing, monkeypatch):
    monkeypatch.delitem(sys.modules, "keras_lraspp.data.pipeline", raising=False)
    missing("tensorflow")
    with pytest.raises(MissingPackageError, match="training_batches needs the package"):
        _ = keras_lraspp.data.training_batches


def test_a_command_names_its_package(missing, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "keras_lraspp.config")
    missing("gin")
    assert main(["data", "check", "--gin_file=quickstart.gin"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: This command needs the package gin-config, which")
    assert line.count("\n") == 1


def test_a_configuration_names_the_package_of_what_it_mentions(monkeypatch):
    """Of what it does not mention, none is needed."""
    error = MissingPackageError("Clouds needs the package drawing.")
    found = config._Registered(config._register().parameters, {"Clouds": error})
    monkeypatch.setattr(config, "_register", lambda: found)
    config.load_config([], ["LRASPP.width = 0.5"])
    with pytest.raises(InputError, match="number=3.: Clouds needs the package drawing"):
        config.load_config([], ["Clouds.number=3"])
    with pytest.raises(InputError, match="nothing named Clowns"):
        config.load_config([], ["Clowns.number=3"])
    with pytest.raises(MissingPackageError, match="Clouds needs the package drawing"):
        config.call("Clouds")
