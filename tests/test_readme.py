"""The README: its Python is run, its commands print what it shows, and it stays short."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)


def outputs():
    """The blocks of no language: what is printed."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return [text for language, text in fences if not language]


def test_the_python_prints_what_the_readme_shows(tmp_path):
    (code,) = blocks("python")
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    accuracy, *lines = seen.stdout.splitlines()
    shown_accuracy, *shown = outputs()[1].splitlines()
    assert lines == shown
    said, found = (float(re.sub(r"^accuracy on the other 846 images: ", "", one)) for one in (shown_accuracy, accuracy))
    assert abs(said - found) < 0.05  # initial weights and arithmetic differ from machine to machine
    assert len(sg.open(tmp_path / "digits.keras")) == 13


def test_the_first_table_is_what_inspect_prints():
    command, _, table = outputs()[0].partition("\n")
    arguments = re.findall(r'"([^"]*)"|(\S+)', command.removeprefix("$ surgery "))
    seen = CliRunner().invoke(main, [quoted or bare for quoted, bare in arguments])
    assert seen.stdout.strip() == table.strip()


def test_the_readme_is_short():
    assert len(TEXT.splitlines()) <= 120
    rows = re.search(r"\| I want to \.\.\. \| verb \|\n\|---\|---\|\n(.*?)\n\n", TEXT, re.DOTALL)
    assert len(rows[1].splitlines()) == 12


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_the_index_lists_every_page(page):
    assert f"](docs/{page.name})" in TEXT


def test_the_extras_to_install_exist():
    extras = re.findall(r"pip install \"\.\[(\w+)\]\"", TEXT)
    assert extras
    for extra in extras:
        assert f"\n{extra} =\n" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
