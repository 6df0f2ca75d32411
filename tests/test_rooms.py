"""The house: who may import whom, how large a room may be, and what stays out of the ground floor."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

import surgery

ROOT = Path(surgery.__file__).parent
ROOMS = (  # in order: a file imports from its own room and from those before it
    "core",
    "layers",
    "graph",
    "analysis",
    "selectors",
    "formats",
    "keras_bridge",
    "compare",
    "zoo",
    "io",
    "edits",
    "view",
    "data",
    "training",
    "parts",
    "recipe",
    "cli",
    "names",
    "__main__",
    "__init__",
)
GROUND_FLOOR = ("core", "layers", "graph", "analysis", "selectors")
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
def test_a_file_imports_from_its_own_room_and_those_before_it(path):
    here = room_of(path)
    assert here in ROOMS, f"{here} is no room"
    for name, node in imports_of(path):
        parts = name.split(".")
        if parts[0] == "surgery" and len(parts) > 1 and parts[1] in ROOMS:
            there = parts[1]
            assert ROOMS.index(there) <= ROOMS.index(here), f"{path.name}, line {node.lineno}: {here} imports {there}"


def test_no_circle_among_files():
    """An import inside of a function counts as well: what needs each other belongs in one file."""
    names = {".".join(("surgery", *path.relative_to(ROOT).with_suffix("").parts)): path for path in FILES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    imports = {name: {there for there, _ in imports_of(path) if there in names} for name, path in names.items()}
    order = graphlib.TopologicalSorter(
        {name: {there for there in found if not f"{name}.".startswith(f"{there}.")} for name, found in imports.items()}
    )
    order.prepare()  # raises CycleError, with the circle


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_and_files_can_be_read_in_one_sitting(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert not body or body[-1].end_lineno - body[0].lineno < 50, f"{node.name} is long"


@pytest.mark.parametrize("room", GROUND_FLOOR)
def test_the_ground_floor_knows_no_framework(room):
    """NumPy is loaded inside of functions, for what needs values: looking at a network does without it."""
    for path in (path for path in FILES if room_of(path) == room):
        for name, node in imports_of(path):
            outside = name.split(".")[0]
            assert outside not in ("keras", "tensorflow", "h5py", "click"), f"{path.name}, line {node.lineno}"
            assert outside != "numpy" or node.col_offset, f"{path.name}, line {node.lineno}"


def test_every_public_name_has_a_home_and_a_docstring():
    for name in surgery.__all__:
        assert getattr(surgery, name).__doc__


def test_no_public_name_is_also_a_room():
    """Importing a room would put the module in the place of the function; `sg.parts` and `sg.data` are the rooms."""
    assert {room_of(path) for path in FILES} & set(surgery.__all__) == {"data", "parts"}


def test_recipes_use_the_public_api_alone():
    for path in (ROOT.parent / "recipes").rglob("*.py"):
        roots = {name for name, node in imports_of(path) if isinstance(node, ast.Import)}
        assert roots <= {"keras", "numpy", "surgery", "time"}
        assert not [node for _, node in imports_of(path) if isinstance(node, ast.ImportFrom)]


PACKAGES = [room for room in ROOMS if (ROOT / room).is_dir()]


@pytest.mark.parametrize("room", PACKAGES)
def test_a_room_says_what_lives_in_it_and_what_it_may_import(room):
    """In three sentences: what lives here, what does not, and the rooms before it."""
    text = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8")))
    place = ROOMS.index(room)
    before = ("nothing else of the package", "core", "core and layers", *(f"core to {ROOMS[place - 1]}",) * len(ROOMS))
    assert " ".join(text.split()).endswith(f". It {'may import' if place else 'imports'} {before[place]}.")
    assert len(re.findall(r"[.]`?(\s|$)", text)) == 3
