"""What a lookup layer learned by `adapt`: words, and how rare they are. They are in no configuration and no variable,
so a copy made of these would know none; a `.keras` file keeps the words as text, one a line.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOOKUPS = re.compile(r"StringLookup|IntegerLookup|TextVectorization")
WORDS = "vocabulary.txt"


def is_lookup(layer: Any) -> bool:
    """Whether a layer is one of those that Keras has."""
    return bool(LOOKUPS.fullmatch(type(layer).__name__)) and type(layer).__module__.partition(".")[0] == "keras"


def words_of(layer: Any) -> bytes | None:
    """Returns the words that a lookup layer learned, as Keras writes them; `None` if none, or if it was told them."""
    if not is_lookup(layer) or not layer.get_vocabulary(include_special_tokens=False):
        return None
    with tempfile.TemporaryDirectory() as folder:
        layer.save_assets(folder)
        file = Path(folder, WORDS)
        return file.read_bytes() if file.exists() else None


def give_words(layer: Any, words: bytes, weights: Mapping[str, Any]) -> None:
    """Gives a lookup layer words, and what else it keeps of them.

    Args:
        layer: the layer.
        words: as `words_of` returns them.
        weights: the weights of words in tf-idf, by the name under which Keras keeps them.
    """
    if weights:
        layer.load_own_variables(dict(weights))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, WORDS).write_bytes(words)
        layer.load_assets(folder)


def copy_words(new: Any, layer: Any) -> None:
    """Gives a copy of a layer the words that the layer learned."""
    words = words_of(layer)
    if words is not None:
        weights: dict[str, Any] = {}
        layer.save_own_variables(weights)
        give_words(new, words, weights)
