"""The house: imports point down, no circles, one home for each name, sizes of files."""

import ast
import statistics
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "keras_lraspp"
# From the bottom up; a room imports rooms of lower floors only.
FLOORS = (
    {"errors", "terminal"},
    {"progress"},
    {"arguments", "files", "image_bytes", "parallel", "processor", "street_scenes"},
    {"multiband", "pixels"},
    {"images", "schema"},
    {"classes", "devices", "layers", "metrics", "weights"},
    {"palettes", "regions"},
    {"legends", "losses", "visualize"},
    {"models", "data"},
    {"inference"},
    {"export"},
    {"prediction", "run_dir"},
    {"evaluation"},
    {"demo", "report"},
    {"benchmark", "training"},
    {"config"},
    {"cli"},
    {"__main__"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Commands have the names of the rooms that they call.
COMMANDS = {"__init__", "train", "evaluate", "predict", "export", "benchmark"}


def module_of(path: Path) -> str:
    parts = ("keras_lraspp", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


FILES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
LINES = {module: len(path.read_text().splitlines()) for module, path in FILES.items()}


def imports(module: str) -> set[str]:
    """Names of what a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in FILES else node.module)
    return found - {module}


def room_of(module: str) -> str:
    return module.split(".")[1]


def ours(module: str) -> set[str]:
    """The modules of the package, below its top, that a file imports."""
    return {name for name in imports(module) if name in FILES and "." in name}


def public_names(module: str) -> list[str]:
    names = []
    for node in ast.parse(FILES[module].read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [name.id for name in node.targets if isinstance(name, ast.Name)]
        elif isinstance(node, ast.AnnAssign):
            names.append(node.target.id)
    return [name for name in names if not name.startswith("_")]


def homes(names_of) -> dict[str, list[str]]:
    """Modules by what `names_of` finds in them, where it finds it in several."""
    found = {}
    for module in FILES:
        for name in names_of(module):
            found.setdefault(name, []).append(module)
    return {name: modules for name, modules in found.items() if len(modules) > 1}


def test_every_room_has_its_floor():
    assert {room_of(module) for module in FILES if "." in module} == set(FLOOR_OF)


@pytest.mark.parametrize("room", sorted(FLOOR_OF))
def test_imports_point_down(room):
    wrong = [
        f"{module} imports {name}"
        for module in FILES
        if "." in module and room_of(module) == room
        for name in ours(module)
        if room_of(name) != room and FLOOR_OF[room_of(name)] >= FLOOR_OF[room]
    ]
    assert not wrong


def test_no_circles():
    waiting = {module: ours(module) for module in FILES if "." in module}
    while waiting:
        free = {module for module, needs in waiting.items() if not needs & {*waiting}}
        assert free, f"these import each other: {sorted(waiting)}"
        waiting = {name: needs for name, needs in waiting.items() if name not in free}


def test_no_public_name_is_defined_twice():
    assert not homes(public_names)


def test_no_two_files_have_one_name():
    shared = homes(lambda module: [FILES[module].stem])
    assert {*shared} <= COMMANDS


def test_files_are_neither_slivers_nor_heaps():
    sizes = [size for module, size in LINES.items() if FILES[module].stem != "__init__"]
    assert max(sizes) <= 450, max(LINES, key=LINES.get)
    assert 120 <= statistics.median(sizes) <= 240


def test_gin_is_imported_in_one_file():
    assert [name for name in FILES if "gin" in imports(name)] == ["keras_lraspp.config"]


def test_the_renderer_stands_alone():
    inside = [name for name in FILES if name.startswith("keras_lraspp.street_scenes")]
    outside = {name for module in inside for name in ours(module)} - {*inside}
    assert len(inside) <= 13
    assert outside <= {"keras_lraspp.errors"}
