"""The session of docs/first-ten-minutes.md, typed again: each command does at the first try what the page shows."""

import doctest
import re
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from surgery.cli.main import main

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "first-ten-minutes.md").read_text("utf-8")
VERBS = (DOCS / "verbs.md").read_text("utf-8") + (DOCS / "recipes.md").read_text("utf-8")
SESSION = re.findall(r"^```\n\$ surgery ([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def what_a_user_has(tmp_path, monkeypatch):
    """A folder with images, and a model in the format of an older Keras."""
    (tmp_path / "photos").mkdir()
    for number in range(3):
        keras.utils.save_img(tmp_path / "photos" / f"{number}.png", np.full((40, 30, 3), 80.0 * number), scale=False)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    keras.Sequential([keras.Input((8, 8, 3)), *layers], name="old").save(tmp_path / "old.h5")
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_each_command_prints_at_the_first_try_what_the_page_shows(what_a_user_has):
    for command, shown in SESSION:
        keras.utils.clear_session()  # as in a process of its own: Keras numbers names from the first
        result = CliRunner().invoke(main, shlex.split(command))
        assert result.exit_code == (1 if command.startswith("diff") else 0), f"{command}\n{result.output}"
        difference = doctest.OutputChecker().output_difference(
            doctest.Example("", shown), result.stdout, doctest.ELLIPSIS
        )
        assert doctest.OutputChecker().check_output(shown, result.stdout, doctest.ELLIPSIS), f"{command}\n{difference}"


def test_the_session_has_twelve_commands_which_other_pages_name():
    assert len(SESSION) == 12
    for command, _ in SESSION:
        assert f"surgery {command.split()[0]}" in VERBS
