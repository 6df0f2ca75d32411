"""The pages for readers: code is run, selectors, verbs, commands and options exist, links resolve."""

import doctest
import inspect
import re
import runpy
import shlex
from pathlib import Path

import click
import keras
import pytest
from click.testing import CliRunner
from networks import siamese_network

import surgery as sg
from surgery.cli.main import main
from surgery.recipe import files as cookbook
from surgery.selectors.grammar import parse

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
PYTHON_IS_RUN = {"README.md", "data.md", "replacing.md", "writing-a-recipe.md"}  # by test_readme, test_data and below
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
    for page in PAGES:
        assert set(re.findall(r"\bsg\.(\w+)\(", page.read_text("utf-8"))) <= set(sg.__all__)


def test_the_page_of_verbs_has_them_all():
    used = set(re.findall(r"sg\.(\w+)\(", (DOCS / "verbs.md").read_text("utf-8")))
    assert {name for name in sg.__all__ if name[0].islower()} - {"progress", *sg._MODULES} <= used


def test_every_selector_of_the_table_is_read():
    text = (DOCS / "selectors.md").read_text("utf-8")
    rows = re.search(r"\| selector \| means \|\n\|---\|---\|\n(.*?)\n\n", text, re.DOTALL)
    texts = re.findall(r"`([^`]+)`", " ".join(row.split("|")[1] for row in rows[1].splitlines()))
    assert len(texts) > 12
    for text in texts:
        parse(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_resolves(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, heading = target.partition("#")
        if "://" in target:
            continue
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_a_page_is_run_by_a_test(page):
    assert "```python" not in page.read_text("utf-8") or page.name in PYTHON_IS_RUN


def commands_of(text):
    """Yields the commands that a page says to type: in blocks of shell, and in lines."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from (line.split("  #")[0].split(" # ")[0] for line in block.splitlines() if line)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from (code for code in re.findall(r"`([^`\n]+)`", prose) if re.match(r"surgery [a-z]", code))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_exists(page):
    for line in commands_of(page.read_text("utf-8")):
        program, *words = shlex.split(line)
        if program == "sh":
            assert (ROOT / words[0]).is_file(), line
        elif program == "surgery":
            command = main.get_command(click.Context(main), words[0])
            assert command, line
            options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
            assert {word.split("=")[0] for word in words[1:] if re.match("--?[a-z]", word)} <= options, line


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


def test_the_reference_of_the_api_is_up_to_date():
    script = runpy.run_path(str(ROOT / "scripts" / "api_reference.py"))
    assert (DOCS / "api.md").read_text("utf-8") == script["page"](), "run: python scripts/api_reference.py"


def test_the_pictures_of_the_pages_are_there():
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"\]\(((?:pictures|recipes)/[^)]+)\)", page.read_text("utf-8")):
            assert (DOCS / name).is_file(), name


def test_the_page_on_recipes_lists_them_all_by_family():
    text = (DOCS / "recipes.md").read_text("utf-8")
    rows = {
        family.split(",")[0].lower(): names for family, names in re.findall(r"^\| ([\w, ]+) \| (`.+) \|$", text, re.M)
    }
    for name, path in cookbook.shipped().items():
        assert f"`{name}`" in rows[path.parent.name], name
    for page in (ROOT / "README.md", DOCS / "recipes.md"):
        assert f"the {len(cookbook.shipped())} that are shipped" in page.read_text("utf-8")


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


@pytest.mark.parametrize("room", ["parts", "tasks", "samples"])
def test_every_part_is_listed_as_its_docstring_begins(room):
    text = (DOCS / "parts.md").read_text()
    for name in getattr(sg, room).__all__:
        first = inspect.getdoc(getattr(getattr(sg, room), name)).split("\n\n")[0].replace("\n", " ")
        assert f"| `{name}` | {first} |" in text


def test_the_change_log_has_one_line_for_each_change():
    lines = (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
    order = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
    for version in "\n".join(lines).split("\n## ")[1:]:
        kinds = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert kinds == [kind for kind in order if kind in kinds]
    assert not [line for line in lines if line.startswith("  ")], "an entry is one line"
    assert max(map(len, lines)) <= 200
