"""The house: a room imports only rooms on lower floors, and one file imports gin."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "keras_lraspp"
# From the bottom up; the steps between floors are files that build on one another.
STEPS = (
    {"errors"},
    {"files", "images", "parallel"},
    {"classes", "devices", "metrics", "visualize"},
    {"layers", "weights"},
    {"street_scenes"},
    {"data", "export", "inference", "models", "reports", "training"},
    {"model_card"},
    {"predictors"},
    {"segmenter"},
    {"config", "config_arguments", "config_errors", "config_files", "runs"},
    {"cli"},
    {"__main__"},
)
STEP_OF = {room: step for step, rooms in enumerate(STEPS) for room in rooms}


def imports(path: Path):
    """Yields the name of each import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.parent != PACKAGE or path.name != "__init__.py"
]


def test_every_room_has_its_floor():
    assert {room_of(path) for path in FILES} == set(STEP_OF)


@pytest.mark.parametrize("room", sorted(STEP_OF))
def test_rooms_import_lower_floors_only(room):
    wrong = []
    for path in FILES:
        for name in imports(path) if room_of(path) == room else ():
            parts = name.split(".")
            if parts[0] != "keras_lraspp" or parts[1:2] in ([], [room]):
                continue
            if parts[1] not in STEP_OF:  # a name of the package itself
                continue
            lower = STEP_OF[parts[1]] < STEP_OF[room]
            of_config = parts[1].startswith("config_") and room.startswith("config")
            if not (lower or of_config):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not wrong


def test_gin_is_imported_in_one_file():
    users = {path.name for path in FILES for name in imports(path) if name == "gin"}
    assert users == {"config.py"}
