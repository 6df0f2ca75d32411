"""What a lookup layer learned by `adapt`: words, and how rare they are. They are in no configuration and in no variable
of Keras', so a copy made of these would know none; a `.keras` file keeps the words as text, one a line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from surgery.core.errors import SurgeryError, first_line
from surgery.layers.facts import Trait
from surgery.layers.table import has

WORDS = "vocabulary.txt"
RARITY = "idf_weights"


@dataclasses.dataclass(frozen=True)
class Learned:
    """What `adapt` found.

    Args:
        words: in order, those that stand for no word included.
        rarity: of each word, for tf-idf; else none.
    """

    words: tuple[str, ...]
    rarity: tuple[float, ...] = ()

    @classmethod
    def of_text(cls, text: bytes, rarity: Any = ()) -> Learned:
        """Reads what Keras wrote: trailing empty lines are no words."""
        lines = text.decode("utf-8").splitlines()
        while lines and not lines[-1]:
            lines.pop()
        return cls(tuple(lines), tuple(map(float, rarity))[: len(lines)])


def is_lookup(layer: Any) -> bool:
    """Whether a layer is one of Keras' own lookups."""
    return has(type(layer).__name__, Trait.LOOKUP) and type(layer).__module__.partition(".")[0] == "keras"


def learned(layer: Any) -> Learned | None:
    """Returns what a lookup layer learned; `None` for nothing, or if its words are in its configuration."""
    if not is_lookup(layer) or layer.get_config().get("vocabulary") is not None:
        return None
    if not layer.get_vocabulary(include_special_tokens=False):
        return None
    kept: dict[str, Any] = {}
    layer.save_own_variables(kept)
    words = tuple(map(str, layer.get_vocabulary()))
    return Learned(words, tuple(map(float, kept.get(RARITY, ())))[: len(words)])


def give(layer: Any, what: Learned) -> None:
    """Gives a lookup layer what another one learned.

    Raises:
        Exception: of whatever kind Keras raises where the words are none for such a layer.
    """
    whole = "int" in str(layer.get_config().get("vocabulary_dtype", ""))
    words = [int(word) for word in what.words] if whole else list(what.words)
    if what.rarity:
        layer.load_own_variables({RARITY: what.rarity})
        layer.set_vocabulary(words, idf_weights=list(what.rarity))
    else:
        layer.set_vocabulary(words)


def learns(layer: Any) -> bool:
    """Whether a layer learns by `adapt` what it keeps in no variable: a vocabulary, or the boundaries of bins."""
    return is_lookup(layer) or _is_discretization(layer)


def _is_discretization(layer: Any) -> bool:
    return type(layer).__name__ == "Discretization" and type(layer).__module__.partition(".")[0] == "keras"


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What one layer is to learn of another; it has no tensors and no variables of its own.

    Args:
        owner: the layer that learns.
        name: what it learns.
        teach: gives it to the layer.
    """

    owner: Any
    name: str
    teach: Callable[[], None]
    store: dict[str, Any] = dataclasses.field(default_factory=dict)
    variables: tuple[Any, ...] = ()

    def load(self) -> None:
        """Has the layer learn.

        Raises:
            SurgeryError: it does not take it.
        """
        try:
            self.teach()
        except Exception as error:  # Keras' own, of any kind
            raise SurgeryError(f"{self.owner.name!r} does not take the {self.name}: {first_line(error)}") from error


def lesson(new: Any, layer: Any) -> Lesson | None:
    """Returns what a layer that has been told and taught nothing yet can learn of another; `None` for nothing."""
    if _is_discretization(new):
        found = getattr(layer, "bin_boundaries", None)
        if new.bin_boundaries or not found:
            return None
        return Lesson(new, "boundaries", lambda: setattr(new, "bin_boundaries", list(found)))
    if not is_lookup(layer) or new.get_config().get("vocabulary") is not None:
        return None
    if new.get_vocabulary(include_special_tokens=False) or not layer.get_vocabulary(include_special_tokens=False):
        return None
    words = learned(layer) or Learned(tuple(map(str, layer.get_vocabulary())))
    return Lesson(new, "vocabulary", lambda: give(new, words))


def copy_words(new: Any, layer: Any) -> None:
    """Gives a copy of a layer, or of a model, what the lookups in it learned."""
    for mine, theirs in zip(_lookups_in(new), _lookups_in(layer), strict=True):
        found = learned(theirs)
        if found is not None and learned(mine) != found:
            give(mine, found)


def _lookups_in(layer: Any) -> Iterator[Any]:
    if is_lookup(layer):
        yield layer  # the lookup inside a TextVectorization is given its words by it
    else:
        for below in getattr(layer, "_layers", ()):
            yield from _lookups_in(below)
