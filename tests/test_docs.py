"""The pages under docs/: every selector is run, every verb exists."""

import doctest
import inspect
import re
import shlex
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner
from networks import siamese_network

import surgery as sg
from surgery.cli.main import main
from surgery.recipe import files as cookbook

DOCS = Path(__file__).resolve().parents[1] / "docs"
EXAMPLES = re.findall(r"^(tinyvgg|siamese)  (.+?) +=> (.+)$", (DOCS / "selectors.md").read_text("utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def networks():
    return {"tinyvgg": sg.open("tinyvgg"), "siamese": sg.open(siamese_network())}


@pytest.mark.parametrize(("network", "where", "found"), EXAMPLES)
def test_a_selector_of_the_page_selects_what_it_says(networks, network, where, found):
    assert [call.name for call in sg.select(networks[network], where)] == found.split()


def test_the_page_has_examples():
    assert len(EXAMPLES) > 20


def test_every_verb_of_the_pages_is_public():
    for page in DOCS.glob("*.md"):
        assert set(re.findall(r"sg\.(\w+)\(", page.read_text("utf-8"))) <= set(sg.__all__)


@pytest.fixture
def before_and_after(tmp_path, monkeypatch):
    """The files that docs/looking.md looks at."""
    donor = sg.open("tinyvgg", weights="pretrained")
    sg.save(donor, tmp_path / "before.keras")
    extra = keras.layers.Dense(64, activation="relu", name="extra")
    sg.save(sg.insert(donor, extra, after="fc1"), tmp_path / "after.keras")
    past = sg.rewire(donor, "block3_conv1", into="block3_conv3", instead_of="block3_conv2")
    sg.save(past, tmp_path / "rewired.keras")
    monkeypatch.chdir(tmp_path)


def test_the_commands_of_the_page_on_looking_print_what_it_shows(before_and_after):
    text = (DOCS / "looking.md").read_text("utf-8")
    shown = re.findall(r"^```\n\$ surgery ([^\n]*)\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    assert len(shown) >= 5
    for command, output in shown:
        assert CliRunner().invoke(main, shlex.split(command)).stdout.rstrip("\n") == output


def test_the_pictures_of_the_pages_are_there():
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"\]\(((?:pictures|recipes)/[^)]+)\)", page.read_text("utf-8")):
            assert (DOCS / name).is_file(), name


def test_the_recipe_of_the_page_is_one_and_learns(tmp_path):
    (text,) = re.findall(r"```python\n(.+?)```", (DOCS / "writing-a-recipe.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "ink.py").write_text(text)
    recipe = cookbook.load(str(tmp_path / "ink.py"))
    keras.utils.set_random_seed(0)
    assert list(recipe.parameters) == ["backbone", "weights", "stride", "epochs"]
    measured = recipe.fit(sg.build(recipe.wire({})), {"epochs": 12})
    assert measured["mean error"] < measured["of the mean alone"]


def test_the_page_on_replacing_prints_what_it_shows():
    failed, count = doctest.testfile(str(DOCS / "replacing.md"), module_relative=False, encoding="utf-8")
    assert not failed and count >= 11


@pytest.mark.parametrize("room", ["wiring", "tasks", "samples"])
def test_every_part_is_listed_as_its_docstring_begins(room):
    text = (DOCS / "parts.md").read_text()
    for name in getattr(sg, room).__all__:
        first = inspect.getdoc(getattr(getattr(sg, room), name)).split("\n\n")[0].replace("\n", " ")
        assert f"| `{name}` | {first} |" in text
