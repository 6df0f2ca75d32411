"""The English of messages: what a user reads is in the words of the field."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "surgery").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")])
INSTEAD = {
    r"\bpictures?\b": "image",
    r"equal to the bit": "bit-identical",
    r"\b(is|are) wanted\b": "expected ...",
    r"\bwants\b": "requires, expects",
    r"\b(tells|is told|be told)\b": "says, reports, distinguishes",
    r"\bbeside\b": "next to, besides, against",
    r"(?<!there )\bis no (?!longer)[a-zA-Z]": "is not a",
    r"\bof its author\b": "custom",
    r"\banew\b": "again, in each epoch",
    r"typing\.|PosixPath\(": "the type or the path as a user types it",
}


def messages(path):
    """Yields the texts of errors and warnings of a file, without what they name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        called = getattr(node, "func", None)
        if getattr(called, "id", getattr(called, "attr", "")) in (
            "SurgeryError",
            "NoArchitecture",
            "warn",
            "ClickException",
        ):
            constants = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
            yield from (text for text in constants if isinstance(text, str) and " " in text)


@pytest.mark.parametrize("word", INSTEAD)
def test_messages_use_the_words_of_the_field(word):
    found = [f"{path.name}: {text}" for path in FILES for text in messages(path) if re.search(word, text)]
    assert not found, f"say {INSTEAD[word]!r}"


def test_there_are_messages():
    assert sum(len([*messages(path)]) for path in FILES) > 500
