"""What the README says, done: its Python is run, its commands give what it shows."""

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
    shown = outputs()
    assert seen.stdout.strip("\n") == shown[1].strip("\n")
    assert len(sg.open(tmp_path / "digits.keras")) == 13


def test_the_first_table_is_what_inspect_prints():
    command, _, table = outputs()[0].partition("\n")
    arguments = re.findall(r'"([^"]*)"|(\S+)', command.removeprefix("$ surgery "))
    seen = CliRunner().invoke(main, [quoted or bare for quoted, bare in arguments])
    assert seen.stdout.strip() == table.strip()


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines()])
def test_every_command_exists(line):
    words = line.split("#")[0].split()
    if words[0] == "sh":
        assert (ROOT / words[1]).is_file()
    else:
        assert CliRunner().invoke(main, [words[1], words[2], "--help"]).exit_code == 0


def test_every_selector_of_the_table_is_read():
    from surgery.selectors.grammar import parse

    rows = re.search(r"\| selector \| means \|\n\|---\|---\|\n(.*?)\n\n", TEXT, re.DOTALL)
    texts = re.findall(r"`([^`]+)`", " ".join(row.split("|")[1] for row in rows[1].splitlines()))
    assert len(texts) > 12
    for text in texts:
        parse(text)


def test_every_verb_of_the_table_is_public():
    used = set(re.findall(r"sg\.(\w+)\(", TEXT))
    assert used <= set(sg.__all__)
    verbs = {name for name in sg.__all__ if name[0].islower()} - {"digits", "objectives", "progress", *sg._ROOMS}
    assert verbs <= used
