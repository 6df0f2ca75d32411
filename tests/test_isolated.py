"""A folder of downloaded files is data: whatever lies in it, no command imports from it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from old_files import functional, layer, write_h5

import surgery as sg
from surgery.core.isolation import program

TEXT = """
    json h5py keras numpy click tabulate sitecustomize usercustomize zipfile tqdm platformdirs PIL matplotlib pydot
    recipe lazily torch jax requests evil dataclasses socket copy ast tempfile optree absl typing __future__ hashlib
    struct
"""
MODULES = TEXT.split()
PACKAGES = ["tensorflow", "keras_hub", "scipy", "ml_dtypes", "recipes"]
RECIPE = '''
"""A head."""
import beside
import keras
import surgery as sg

def recipe(classes=2):
    try:
        keras.src.utils.module_utils.LazyModule("lazily").anything
    except ImportError:
        pass
    open(beside.MARK, "a").write("run by design\\n")
    return sg.graft(sg.open("tinyvgg"), [keras.layers.Flatten(), keras.layers.Dense(classes)], at="block5_pool")
'''


@pytest.fixture
def traps(tmp_path):
    """A folder with small sound files and a module of every name that is imported; each module leaves a mark."""
    folder, mark = tmp_path / "downloads", tmp_path / "mark"
    folder.mkdir()
    x = keras.Input((8,), name="x")
    y = keras.layers.Dense(2, name="scores")(keras.layers.Dense(3, name="first")(x))
    keras.Model(x, y, name="small").save(folder / "model.keras")
    old = [
        layer("InputLayer", "x", batch_input_shape=[None, 8], dtype="float32"),
        layer("Dense", "first", ["x"], units=3),
    ]
    values = {"first": [("kernel", np.ones((8, 3), "float32")), ("bias", np.ones(3, "float32"))]}
    write_h5(folder / "model.h5", "Model", functional(old, ["x"], ["first"]), values)
    with h5py.File(folder / "model.h5", "r+") as file:  # compressed: h5py reads it, in a process of its own
        place = next(name for name in _datasets(file) if name.endswith("kernel:0"))
        array, parent = file[place][...], file[place].parent
        del file[place]
        parent.create_dataset("kernel:0", data=array, compression="gzip")
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write('{name}\\n')\n")
    for name in PACKAGES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"open({str(mark)!r}, 'a').write('{name}\\n')\n")
    (folder / "traps.pth").write_text("import evil\n")
    (folder / "pyvenv.cfg").write_text("home = .\n")
    (folder / "matplotlibrc").write_text("backend: module://evil\n")
    (folder / "keras.json").write_text('{"backend": "evil"}')
    (folder / "mine.py").write_text(RECIPE)
    (folder / "beside.py").write_text(f"MARK = {str(mark)!r}\n")
    return folder


def _datasets(file):
    found = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


def ran(folder):
    """Returns what was imported from the folder."""
    mark = folder.parent / "mark"
    return mark.read_text().split("\n")[:-1] if mark.exists() else []


def process(folder, *command, **env):
    env = {**os.environ, "SURGERY_CACHE": str(folder.parent / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3", **env}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


COMMANDS = """
    inspect model.keras
    inspect model.h5
    inspect tinyvgg
    inspect model.keras --plot plot.html
    weights model.keras
    weights model.h5
    diff model.keras model.h5
    zoo
    recipes
    recipes transfer
    tap model.keras first -o tapped.keras
    cut model.keras --to first -o cut.keras
    freeze model.keras first -o frozen.keras
    verify model.keras model.keras
    convert model.h5 new.keras
    inspect model.keras --about
    graft transfer --dry-run
    graft mine.py --set classes=3 --dry-run
"""


def test_no_command_imports_from_the_folder_that_it_is_run_in(traps):
    """As the console script runs: its own folder is on the path, not that of its files."""
    script = traps.parent / "script.py"
    lines = [line.split() for line in textwrap.dedent(COMMANDS).strip().splitlines()]
    script.write_text(
        "import sys\nfrom surgery.cli.main import main\n"
        f"for words in {lines!r}:\n"
        "    try:\n        main(words, prog_name='surgery')\n"
        "    except SystemExit as end:\n        print('ended', end.code, *words, file=sys.stderr)\n"
    )
    run = process(traps, sys.executable, script)
    ended = [line.split()[1:] for line in run.stderr.splitlines() if line.startswith("ended")]
    codes = {" ".join(words): code for code, *words in ended}
    assert len(codes) == len(lines) and {code for words, code in codes.items() if words[:4] != "diff"} == {"0"}, run
    assert ran(traps) == ["run by design"]


@pytest.mark.parametrize("words", ["inspect model.h5", "weights model.keras", "recipes"])
def test_python_with_the_module_option_does_not_import_from_the_current_folder(traps, words):
    run = process(traps, sys.executable, "-m", "surgery", *words.split())
    assert run.returncode == 0, run.stderr
    assert ran(traps) == []


def test_a_folder_that_the_user_put_on_the_path_stays_there(tmp_path):
    """PYTHONPATH that names the folder in full is the user's word; a dot, or an empty entry, is any folder."""
    code = "from surgery.core.isolation import trusted_path; print(trusted_path())"
    for path, kept in ((str(tmp_path), True), (f"{os.pathsep}/nowhere", False), (".", False), ("", False)):
        run = process(tmp_path, sys.executable, "-c", code, PYTHONPATH=path)
        assert run.returncode == 0, run.stderr
        assert (repr(str(tmp_path)) in run.stdout) == kept, path


def test_processes_find_what_the_parent_finds_when_it_lies_on_its_path_alone(traps, tmp_path):
    """A package that is not installed, and one of its dependencies, on PYTHONPATH; the child reads a file with them."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "surgery").symlink_to(Path(sg.__file__).parent)
    (tmp_path / "lib" / "own_dependency.py").write_text("")
    statement = "import surgery, own_dependency, h5py, json; print(surgery.__file__, json.__file__)"
    code = (
        "import subprocess\nfrom surgery.core.isolation import isolated\n"
        f"run = subprocess.run(**isolated({statement!r}), stdout=subprocess.PIPE, text=True)\nprint(run.stdout)"
    )
    run = process(traps, sys.executable, "-I", "-c", f"import sys; sys.path[:0] = [{str(tmp_path / 'lib')!r}]\n{code}")
    assert str(tmp_path / "lib" / "surgery") in run.stdout, run.stderr
    assert ran(traps) == []


def test_a_program_is_not_taken_from_the_current_folder(tmp_path, monkeypatch):
    """A `.`, or nothing, on PATH is the folder that one looks into."""
    (tmp_path / "dot").write_text("#!/bin/sh\n")
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for path in (".", f"{os.pathsep}/nowhere", str(tmp_path)):
        monkeypatch.setenv("PATH", path)
        assert program("dot") is None
    monkeypatch.chdir("/")
    assert program("dot") == str(tmp_path / "dot")
