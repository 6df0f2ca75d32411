"""The cards that come with the package: of every named network with its usual arguments, as the newest Keras makes it.

They are one file: a line of JSON that says which Keras made them and where each card lies, then the cards, compressed
one by one, so that a look at a network costs its own card alone. `scripts/zoo_catalogue.py --write` makes the file.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surgery.graph.graph import Graph
from surgery.zoo.graph_json import decode
from surgery.zoo.keras_settings import USUAL, Settings, keras_version

CARDS = Path(__file__).with_name("cards.bin")


def card(name: str, options: dict[str, Any], made_under: Settings = USUAL) -> Graph:
    """Returns the graph of a named network: as shipped, else from the user's cache, else made once by Keras.

    Args:
        name: of the network.
        options: its further arguments.
        made_under: the settings of Keras; each has a card of its own, so that every layer is as Keras makes it.
    """
    text = None if options or made_under != USUAL else shipped(name, keras_version())
    if text is None:
        from surgery.zoo.cards import kept_or_made  # who finds the card here does not wait for what makes it

        text = kept_or_made(name, options, made_under)
    return decode(json.loads(text))


def shipped(name: str, keras: str) -> bytes | None:
    """Returns the shipped card of a network; `None` where the cards are those of another series of Keras."""
    try:
        with CARDS.open("rb") as file:
            index = json.loads(file.readline())
            if series(keras) not in (index["keras"], "unknown") or name not in index["cards"]:
                return None
            start, length = index["cards"][name]
            file.seek(start, 1)
            return zlib.decompress(file.read(length))
    except FileNotFoundError:
        return None


def write(cards: Mapping[str, bytes], keras: str) -> None:
    """Writes the file of cards, network -> card. The same cards give the same file."""
    packed = {name: zlib.compress(cards[name], 9) for name in sorted(cards)}
    places: dict[str, tuple[int, int]] = {}
    end = 0
    for name, content in packed.items():
        places[name] = (end, len(content))
        end += len(content)
    index = json.dumps({"keras": series(keras), "cards": places})
    CARDS.write_bytes(index.encode() + b"\n" + b"".join(packed.values()))


def series(version: str) -> str:
    """Returns the series of a release, `3.15` of `3.15.1`: all of a series make the same networks."""
    return ".".join(version.split(".")[:2])
