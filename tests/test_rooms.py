"""The house: who may import whom, how large a room may be, and what stays out of the ground floor."""

import ast
from pathlib import Path

import pytest

import surgery

ROOT = Path(surgery.__file__).parent
FLOORS = [
    ["isolated", "lazy", "registering"],
    ["errors", "typed", "structure", "specs", "waiting", "vocabulary", "activations", "normalization", "slots"],
    ["preprocessing", "kinds", "type_names", "reprs"],
    ["configurations", "calls"],
    ["sameness"],
    ["graph", "retracing", "dtypes", "caches", "budget"],
    ["hdf5", "primitives", "ops", "walking", "depth", "shapes", "effective", "layouts"],
    ["analysis", "trusting", "masks", "described"],
    ["selectors", "encoding", "tracing", "files"],
    ["grammar", "lookups", "pairing", "loaded", "matching", "refitting", "flattened", "random_inputs"],
    ["filling", "unsaved", "layer_pairs", "lockstep"],
    ["giving"],
    ["where", "copying", "verification", "call_pairs", "zoo", "values", "figures"],
    ["standins", "rewired", "nodes"],
    ["building", "kept"],
    ["causes"],
    ["doors", "samples"],
    ["edits", "freezing", "verifying", "pyramids", "showing", "comparing", "cookbook", "loading"],
    ["training", "parameters", "plotting"],
    ["tasks", "wiring"],
    ["cli"],
    ["__main__", "__init__"],
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(ROOT.rglob("*.py"))


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or "", node
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_from_lower_floors_only(path):
    here = room_of(path)
    assert here in FLOOR_OF, f"{here} has no floor yet"
    for name, node in imports_of(path):
        parts = name.split(".")
        if parts[0] != "surgery" or len(parts) < 2 or parts[1] not in FLOOR_OF or parts[1] == here:
            continue
        assert FLOOR_OF[parts[1]] < FLOOR_OF[here], f"{path.name}, line {node.lineno}: {here} imports {parts[1]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_and_files_can_be_read_in_one_sitting(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert not body or body[-1].end_lineno - body[0].lineno < 50, f"{node.name} is long"


@pytest.mark.parametrize(
    "room",
    [
        "errors",
        "structure",
        "specs",
        "calls",
        "graph",
        "primitives",
        "ops",
        "walking",
        "analysis",
        "encoding",
        "shapes",
        "kinds",
        "configurations",
        "sameness",
    ],
)
def test_the_ground_floor_knows_no_framework(room):
    files = [path for path in FILES if room_of(path) == room]
    outside = {name.split(".")[0] for path in files for name, _ in imports_of(path)}
    assert not outside & {"keras", "tensorflow", "h5py", "numpy", "click"}


def test_every_public_name_has_a_home_and_a_docstring():
    for name in surgery.__all__:
        assert getattr(surgery, name).__doc__
    assert set(surgery.__all__) == {*surgery._HOME_OF, *surgery._ROOMS}


def test_no_public_name_is_also_a_room():
    """Importing a room would put the module in the place of the function."""
    assert {room_of(path) for path in FILES} & set(surgery.__all__) == set(surgery._ROOMS)


def test_recipes_use_the_public_api_alone():
    for path in (ROOT.parent / "recipes").rglob("*.py"):
        roots = {name for name, node in imports_of(path) if isinstance(node, ast.Import)}
        assert roots <= {"keras", "numpy", "surgery", "time"}
        assert not [node for _, node in imports_of(path) if isinstance(node, ast.ImportFrom)]
