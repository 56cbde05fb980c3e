"""Packaging: data files, entry point, versions, and modules that an import loads."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import keras_lraspp
from keras_lraspp import data, training

TREE = Path(__file__).parents[1]
HEAVY = {"PIL", "gin", "h5py", "jax", "keras_cv", "matplotlib", "onnx", "tensorboard"}
HEAVY |= {"tensorflow", "tensorflow_datasets", "tf2onnx", "torch", "tqdm"}


@pytest.fixture(scope="module")
def project():
    with (TREE / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def run(code):
    """Runs code in a fresh Python; returns the last line that it printed, as JSON."""
    command = [sys.executable, "-c", f"import json, sys\n{code}"]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("module", ["keras_lraspp", "keras_lraspp.__main__"])
def test_the_package_and_its_command_line_load_nothing_heavy(module):
    loaded = run(f"import {module}\nprint(json.dumps([*sys.modules]))")
    assert not {*loaded} & (HEAVY | {"keras", "numpy"})


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compiled")
    model = keras_lraspp.LRASPP(3, "small", 0.35, 32)
    loss = keras_lraspp.losses.DiceLoss()
    metrics = [keras_lraspp.metrics.MeanIoU(3)]
    model.compile(keras_lraspp.training.SGD(0.1), loss, metrics)
    for name in ("a.keras", "a.h5"):
        model.save(folder / name)
    return folder


def test_beside_keras_the_package_adds_only_its_networks_losses_and_metrics(tmp_path):
    path = tmp_path / "model.keras"
    keras_lraspp.LRASPP(3, "small", 0.35, 32).save(path)
    added, parameters = run(
        "import keras; before = {*sys.modules}; import keras_lraspp\n"
        "added = sorted({*sys.modules} - before)\n"
        f"model = keras.saving.load_model({str(path)!r})\n"
        "print(json.dumps([added, model.count_params()]))"
    )
    assert not {name.partition(".")[0] for name in added} & HEAVY
    ours = [name for name in added if name.startswith("keras_lraspp.")]
    rooms = {name.split(".")[1] for name in ours}
    core = {"arguments", "classes", "devices", "errors", "files", "layers", "losses"}
    known = core | {"metrics", "models", "processor", "progress", "schema", "terminal"}
    assert rooms <= known | {"training", "weights"}
    assert parameters > 100_000  # and Keras knows its classes


@pytest.mark.parametrize(
    "imports",
    [
        "import keras_lraspp, keras",
        "import keras_lraspp.classes\nfrom tensorflow import keras",
    ],
)
def test_files_load_after_a_bare_import(compiled, imports):
    """Networks, losses, metrics and optimizers, whichever is imported first."""
    loaded = run(
        f"{imports}\nfound = []\nfor name in ('a.keras', 'a.h5'):\n"
        f"    model = keras.models.load_model({str(compiled)!r} + '/' + name)\n"
        "    found += [type(model).__name__, type(model.loss).__name__]\n"
        "print(json.dumps([*found, type(model.optimizer).__module__]))"
    )
    assert loaded == ["LRASPP", "DiceLoss"] * 2 + ["keras_lraspp.training.optimizer"]


def test_public_names_exist():
    for name in keras_lraspp.__all__:
        assert getattr(keras_lraspp, name) is not None
        assert name in dir(keras_lraspp)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = keras_lraspp.nothing


@pytest.mark.parametrize("module", [keras_lraspp, data, training])
def test_a_stub_shows_editors_what_is_there(module):
    """Names of the `.pyi` file are all that is public, each from its own module."""
    stub = ast.parse(Path(module.__file__).with_suffix(".pyi").read_text())
    shown = {}
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            source = importlib.import_module(node.module)
            for alias in node.names:
                assert alias.asname == alias.name  # otherwise it is no export
                shown[alias.name] = getattr(source, alias.name)
        elif isinstance(node, ast.Assign):
            shown[node.targets[0].id] = shown[node.value.id]
    assert {*shown} == {*module.__all__}
    for name, value in shown.items():
        assert getattr(module, name) is value
    tables = {node.target.id for node in stub.body if isinstance(node, ast.AnnAssign)}
    assert all(hasattr(module, name) for name in tables)


def test_what_is_listed_is_public():
    assert {*dir(keras_lraspp)} == {*keras_lraspp.__all__, "__version__"}


def test_the_entry_point_and_the_version_are_real(project):
    module, _, name = project["project"]["scripts"]["keras-lraspp"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
    assert project["tool"]["hatch"]["version"]["path"] == "keras_lraspp/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+\w*", keras_lraspp.__version__)


def test_a_wheel_carries_configs_and_type_marker(project):
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    page = ("page", "package.json", "package-lock.json")
    assert wheel["force-include"] == {
        "gin_configs": "keras_lraspp/gin_configs",
        **{f"examples/web/{name}": f"keras_lraspp/demo/web/{name}" for name in page},
    }
    assert all((TREE / source).exists() for source in wheel["force-include"])
    assert (TREE / "keras_lraspp/py.typed").is_file()
    assert wheel["packages"] == ["keras_lraspp"]  # with its stubs


def test_supported_pythons_agree(project):
    supported = project["project"]["requires-python"]
    assert supported == ">=3.11,<3.14"
    listed = [
        line.rpartition(" ")[2]
        for line in project["project"]["classifiers"]
        if line.startswith("Programming Language")
    ]
    assert listed == ["3.11", "3.12", "3.13"]
    assert project["tool"]["ruff"]["target-version"] == "py311"
    assert "With Python 3.11 to 3.13 on Linux" in (TREE / "README.md").read_text()
    # What is promised is run: the ends of both ranges.
    ci = (TREE / ".ci/run").read_text()
    assert "versions 3.11 lowest-direct" in ci and "versions 3.13 highest" in ci


def test_every_requirement_has_a_lowest_version(project):
    optional = project["project"]["optional-dependencies"]
    lines = [*project["project"]["dependencies"], *optional["test"], *optional["jax"]]
    lines += [*optional["torch"], *optional["video"], *optional["voc"]]
    lines += [*optional["hub"], *optional["docs"]]
    without = [line for line in lines if not re.search(">=|==", line)]
    assert without == ["keras-lraspp[coco,hub,video,voc]"]


def test_all_that_the_package_imports_is_required(project):
    names = {
        "gin": "gin_config",
        "PIL": "pillow",
        "tensorflow_serving": "tensorflow_serving_api",
    }
    required = {
        re.match(r"[\w-]+", line)[0].replace("-", "_")
        for line in project["project"]["dependencies"]
    }
    optional = {"av", "cityscapesscripts", "huggingface_hub", "jax", "pycocotools"}
    optional |= {"scipy", "torch"}
    imported = set()
    for path in (TREE / "keras_lraspp").rglob("*.py"):
        found = re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(), flags=re.M)
        imported |= set(found)
    third_party = imported - set(sys.stdlib_module_names) - {"keras_lraspp"}
    # A docstring's sentence may begin with one of these words, too.
    modules = {name for name in third_party if importlib.util.find_spec(name)}
    assert {names.get(name, name) for name in modules} - optional <= required
