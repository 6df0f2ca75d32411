"""Whether two lookup layers learned the same words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from surgery.compare.tensors import live_layer
from surgery.graph.calls import Call
from surgery.keras_bridge.lookups import RARITY, WORDS, Learned, learned
from surgery.layers.classes import kind_of
from surgery.layers.facts import Trait
from surgery.layers.table import has


def learns_words(call: Call) -> bool:
    """Whether a layer, Keras' or one made like it, looks words up that it learned by `adapt`: they are in no
    configuration, and no tensor.
    """
    return "max_tokens" in call.config and call.config.get("vocabulary", "") is None


def compared_words(a: Call, b: Call) -> tuple[str, str] | None:
    """Compares what two layers learned.

    Returns:
        What each has, in words, different where they differ; `None` where one is not there to be compared.
    """
    ours, theirs = _learned(a), _learned(b)
    if ours is None or theirs is None:
        return None
    if ours.words == theirs.words:
        return ("", "") if ours.rarity == theirs.rarity else ("the same vocabulary", "other idf weights")
    place = next(place for place, (one, other) in enumerate(zip_longest(ours.words, theirs.words)) if one != other)
    return _told(ours.words, place), _told(theirs.words, place)


def _told(words: Sequence[str], place: int) -> str:
    return f"vocabulary of {len(words):,}, {repr(words[place]) if place < len(words) else 'none'} at {place:,}"


def _learned(call: Call) -> Learned | None:
    layer = live_layer(call)
    if layer is not None:
        return learned(layer)
    op: Any = call.op
    read = getattr(op.source, "assets", {}).get(WORDS)
    if read is None or not has(kind_of(call), Trait.LOOKUP):
        return None
    rare = [tensor for place, tensor in op.source.tree.items() if place.endswith(RARITY)]
    try:
        return Learned.of_text(read(), rare[0].load() if rare else ())
    except UnicodeDecodeError:
        return None
