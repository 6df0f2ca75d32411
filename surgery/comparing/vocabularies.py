"""Whether two lookup layers learned the same words."""

from __future__ import annotations

from typing import Any

from surgery.graph import Call
from surgery.kinds import kind_of
from surgery.lookups import LOOKUPS, WORDS, words_of
from surgery.values import live_layer


def learns_words(call: Call) -> bool:
    """Whether a layer looks words up that it learned by `adapt`: they are in no configuration, and no tensor."""
    return bool(LOOKUPS.fullmatch(kind_of(call))) and call.config.get("vocabulary", "") is None


def compared_words(a: Call, b: Call) -> tuple[str, str] | None:
    """Compares what two layers learned.

    Returns:
        What each has, in words, different where they differ; `None` where one is not there to be compared.
    """
    ours, theirs = _words(a), _words(b)
    if ours is None or theirs is None:
        return None
    if ours == theirs:
        return ("", "")
    longer = max(len(ours), len(theirs))
    padded = [[*words, *[None] * (longer - len(words))] for words in (ours, theirs)]
    place = next(place for place, (one, other) in enumerate(zip(*padded, strict=True)) if one != other)
    found = [
        f"{len(words):,} words, {'none' if more[place] is None else repr(more[place])} at {place:,}"
        for words, more in zip((ours, theirs), padded, strict=True)
    ]
    return found[0], found[1]


def _words(call: Call) -> list[str] | None:
    layer = live_layer(call)
    op: Any = call.op
    if layer is not None:
        text = words_of(layer)
    else:
        read = getattr(op.source, "assets", {}).get(WORDS)
        text = None if read is None else read()
    return None if text is None else text.decode("utf-8", "replace").splitlines()
