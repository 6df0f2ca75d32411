"""The English of messages and pages: what a user reads is in the words of the field."""

import ast
import functools
import inspect
import re
from pathlib import Path

import pytest

import surgery as sg

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "surgery").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")])
INSTEAD = {
    r"\bpictures?\b": "image",
    r"\bto the bit\b": "bit-identical, bit for bit",
    r"\b(is|are) wanted\b": "expected ...",
    r"\bwants\b": "requires, expects",
    r"\b(tells|is told|be told)\b": "says, reports, distinguishes",
    r"\bbeside\b": "next to, besides, against",
    r"(?<!there )\bis no (?!longer)[a-zA-Z]": "is not a",
    r"(?<!there )\bare no (?!longer|coarser)[a-z]": "are not",
    r"\bat rest\b": "in inference mode",
    r"\bstands in\b": "replaces, takes its place",
    r"\bof its author\b": "custom",
    r"\banew\b": "again, in each epoch",
    r"typing\.|PosixPath\(": "the type or the path as a user types it",
}


@functools.cache
def messages(path):
    """Returns the texts of a file that a user may meet: errors, warnings, notes, help; not what they name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    described = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, described) and isinstance(node.body[0], ast.Expr) and not is_command(node)
    }
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    former = '"picture" in what fit() returns is deprecated.'
    return [node.value.replace(former, "") for node in texts if " " in node.value and id(node) not in docs]


def is_command(node):
    return isinstance(node, ast.FunctionDef) and any("command" in ast.unparse(one) for one in node.decorator_list)


@pytest.mark.parametrize("word", INSTEAD)
def test_messages_use_the_words_of_the_field(word):
    found = [f"{path.name}: {text}" for path in FILES for text in messages(path) if re.search(word, text)]
    assert not found, f"say {INSTEAD[word]!r}"


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda page: page.name)
def test_pages_use_the_words_of_the_field(page):
    """Outside of code, links and images."""
    text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", page.read_text("utf-8"), flags=re.DOTALL)
    assert not [word for word in INSTEAD if re.search(word, text)]


def test_there_are_messages():
    assert sum(len(messages(path)) for path in FILES) > 1000


def test_public_docstrings_use_the_words_of_the_field():
    rooms = {"sg": sg, "sg.tasks": sg.tasks, "sg.parts": sg.parts, "sg.samples": sg.samples}
    found = []
    for room, module in rooms.items():
        for name in module.__all__:
            value = getattr(module, name)
            members = vars(value) if inspect.isclass(value) else {}
            for one in (value, *(member for key, member in members.items() if not key.startswith("_"))):
                text = re.sub(r"^ *pictures?: ", "", getattr(one, "__doc__", None) or "", flags=re.MULTILINE)  # a name
                found += [
                    f"{room}.{name}: {word}" for word in INSTEAD if re.search(word, text.replace('`"picture"`', ""))
                ]
    assert not found
