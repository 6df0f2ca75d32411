"""What a first command meets on a fresh machine: the cards that are shipped, and what is loaded to look at one."""

import ast
import configparser
import fnmatch
import importlib.metadata
import inspect
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import surgery as sg
from surgery.cli.main import COMMANDS, main
from surgery.zoo import cards, shipped
from surgery.zoo import keras_settings as settings
from surgery.zoo.catalogue import NETWORKS
from surgery.zoo.graph_json import decode

ROOT = Path(sg.__file__).parent
LAZY = ("surgery.analysis",)
ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("keras", "tensorflow", "h5py", "numpy", "subprocess"):
            raise AssertionError(f"{name} is imported")
sys.meta_path.insert(0, Absent())
"""


def python(code, *arguments, **variables):
    """Runs Python in a process of its own; returns what it prints."""
    env = {**os.environ, **variables}
    if "HOME" in variables:
        env = {
            name: value
            for name, value in env.items()
            if name not in ("SURGERY_CACHE", "XDG_CACHE_HOME", "MPLCONFIGDIR")
        }
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=env, check=False)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return run.stdout


# ---- cards ----


@pytest.mark.parametrize("name", ["alexnet", "squeezenet", "tinyvgg", "mobilenetv3small"])
def test_a_shipped_card_is_the_one_that_keras_makes(name):
    """`scripts/zoo_catalogue.py` checks the others in the same way."""
    assert shipped.shipped(name, keras.__version__) == cards.made_now(name, "{}", settings.USUAL)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_card_for_the_keras_that_is_installed(name):
    graph = decode(json.loads(shipped.shipped(name, keras.__version__)))
    assert (len(graph), graph.params) == (NETWORKS[name].calls, NETWORKS[name].params)


@pytest.mark.parametrize("name", ["vgg16", "NASNetLarge"])
def test_a_first_look_needs_no_keras_no_home_and_no_cache(name, tmp_path):
    code = f"{ABSENT}from surgery.cli.main import main\nmain(['inspect', {name!r}], standalone_mode=False)"
    home = os.path.join(os.devnull, "home")
    seen = python(code, HOME=home, KERAS_HOME=home, TMPDIR=str(tmp_path))
    assert f" {NETWORKS[name.lower()].params:,} parameters" in seen.splitlines()[0]
    assert not list(tmp_path.iterdir())


def test_cards_of_another_series_are_not_taken():
    assert shipped.shipped("vgg16", f"{shipped.series(keras.__version__)}.99") is not None
    assert shipped.shipped("vgg16", "3.1.0") is None
    assert shipped.shipped("vgg16", "unknown") is not None  # there is no Keras that would make another


@pytest.mark.parametrize(
    ("arguments", "other"),
    [({"include_top": False}, None), ({"dtype": "mixed_float16"}, None), ({}, "3.14.0")],
    ids=["options", "settings", "Keras"],
)
def test_any_other_card_is_made_once_and_said(arguments, other, monkeypatch, tmp_path, caplog):
    made = shipped.shipped("tinyvgg", keras.__version__)
    answer = subprocess.CompletedProcess([], 0, made, b"")
    runs = []
    monkeypatch.setattr(cards.subprocess, "run", lambda **how: runs.append(how["args"]) or answer)
    monkeypatch.setenv("SURGERY_CACHE", str(tmp_path))
    for module in (shipped, cards):
        monkeypatch.setattr(module, "keras_version", lambda: other or keras.__version__)
    for _ in range(2):
        assert len(sg.open("tinyvgg", **arguments)) == 23
    assert len(runs) == 1
    (record,) = caplog.records
    assert record.name == "surgery" and record.levelno == logging.WARNING
    assert record.message.startswith(f"tinyvgg: Keras {other or keras.__version__} makes ")


# ---- the command line ----


@pytest.mark.parametrize("name", COMMANDS)
def test_the_group_lists_a_command_as_the_command_describes_itself(name):
    command = main.get_command(None, name)
    assert command.name == name
    assert COMMANDS[name] == command.get_short_help_str(limit=100)
    assert COMMANDS[name] == inspect.cleandoc(command.help).splitlines()[0]


def test_the_group_lists_every_module_that_is_a_command():
    modules = {path.stem for path in (ROOT / "cli").glob("*.py") if f"\ndef {path.stem}(" in path.read_text("utf-8")}
    assert modules - {"main"} == set(COMMANDS) == set(main.list_commands(None))


def test_help_loads_no_command_and_nothing_of_the_library():
    code = "import sys\nfrom surgery.cli.main import main\nmain(['--help'], standalone_mode=False)\nprint(*sys.modules)"
    loaded = set(python(code).splitlines()[-1].split())
    unused = {f"surgery.{name}" for name in ("analysis", "cli.output", "formats", "io", "view", "zoo")} | {"tabulate"}
    assert not ({f"surgery.cli.{name}" for name in COMMANDS} | unused) & loaded


def test_a_look_at_a_named_network_loads_no_reader_of_files():
    code = (
        "import sys\nfrom surgery.cli.main import main\n"
        "main(['inspect', 'vgg16'], standalone_mode=False)\nprint(*sys.modules)"
    )
    loaded = set(python(code).splitlines()[-1].split())
    unused = {"hashlib", "logging", "subprocess", "difflib", "platformdirs", "tqdm"}
    ours = {"formats.open_file", "formats.hdf5_file", "compare", "selectors.select", "zoo.cards", "view.scene", "edits"}
    assert not (unused | {f"surgery.{name}" for name in ours}) & loaded


@pytest.mark.parametrize("with_keras", [False, True])
def test_a_process_that_only_looked_ends_without_a_search_for_garbage(with_keras):
    code = (
        "import atexit, gc, sys, types\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
        f"if {with_keras}: sys.modules['keras'] = types.ModuleType('keras')\n"
        "from surgery.cli.main import main\nmain(['--help'], standalone_mode=False)"
    )
    assert python(code).splitlines()[-1] == str(not with_keras)


# ---- the package ----


@pytest.mark.parametrize("package", LAZY)
def test_a_lazy_package_takes_each_name_from_where_the_type_checker_sees_it(package):
    module = importlib.import_module(package)
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {node.module: tuple(alias.name for alias in node.names) for node in block.body}
    assert {f"{package}.{home}": names for home, names in module.HOMES.items()} == seen
    folder = {path.stem for path in Path(module.__file__).parent.glob("*.py")}
    for names in seen.values():
        assert set(names) <= set(module.__all__) and not set(names) & folder


def test_all_files_of_the_package_are_installed():
    """What is not in setup.cfg is in a clone, and missing where the package is installed from it."""
    read = configparser.ConfigParser()
    read.read(ROOT.parent / "setup.cfg")
    packages = set(read["options"]["packages"].split())
    data = {key: value.replace(",", " ").split() for key, value in read["options.package_data"].items()}
    for path in ROOT.rglob("*"):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        package, name = ".".join(path.parent.relative_to(ROOT.parent).parts), path.name
        while package not in packages:
            package, _, folder = package.rpartition(".")
            name = f"{folder}/{name}"
        assert name.endswith(".py") or any(fnmatch.fnmatch(name, one) for one in data.get(package, ())), path


def test_importing_surgery_changes_nothing_but_what_keras_will_register():
    code = """
import gc, logging, os, sys, threading, warnings
def state():
    handlers = list(logging.root.handlers), list(logging.getLogger("surgery").handlers)
    return handlers, dict(os.environ), sys.path[:], warnings.filters[:], threading.active_count(), gc.get_threshold()
before, finders = state(), sys.meta_path[:]
import surgery
assert state() == before
assert [type(one).__name__ for one in sys.meta_path if one not in finders] == ["_Hook"]
assert not {"keras", "tensorflow", "numpy", "click"} & set(sys.modules)
"""
    assert python(code) == ""


CATEGORIES = ("SurgeryWarning", "DeprecationWarning", "FutureWarning")  # the last for users of commands


def test_every_warning_has_the_category_of_the_package():
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn":
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert given.get("category", "") in CATEGORIES, f"{path}, line {node.lineno}"


def test_the_library_prints_only_what_it_is_asked_to_show():
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
                found.add(str(path.relative_to(ROOT)))
    progress = "core/progress.py"  # to a terminal alone
    assert {name for name in found if not name.startswith("cli")} == {"view/show.py", progress}


@pytest.mark.parametrize("words", [["-m", "surgery"], ["-c", "from surgery.cli.main import main; main()"]])
def test_the_versions_are_said_without_importing_keras(words, tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    env["KERAS_HOME"] = str(tmp_path)
    command = [sys.executable, *words, "--version"]
    seen = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    version = importlib.metadata.version("tensorflow")
    assert seen.stdout == f"surgery {sg.__version__}, Keras {keras.__version__}, backend tensorflow {version}\n"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    seen = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert "backend jax" in seen.stdout
    seen = subprocess.run(command, capture_output=True, text=True, check=True, env={**env, "KERAS_BACKEND": "torch"})
    assert "backend torch" in seen.stdout and seen.stderr == ""


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "py.typed").is_file()
