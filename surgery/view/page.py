"""A scene as one HTML file that works from disk, without a connection: search, folding, details, lines to copy.

The layout is that of dagre (MIT licence, beside the page's own files). Names from a network are data in the page: they
are set as text, never as HTML, and a content security policy forbids the page to load anything.
"""

from __future__ import annotations

import html
import json
import math
from importlib import resources
from typing import Any

from surgery.core.errors import printable
from surgery.view.palette import EDGES, FILLS, TRAINABLE
from surgery.view.scene import Node, Scene

_SCRIPTS = ("where.js", "network.js", "view.js", "panel.js", "main.js")
_COLOURS = {"origin": "origin", "trainable": "trainable", "stage": "stage", "macs": "multiply-accumulates"}


def page(scene: Scene, where: str = "") -> str:
    """Returns the text of the page.

    Args:
        scene: the scene.
        where: what is searched for when it opens.
    """
    parts = {
        "title": html.escape(printable(scene.title)),
        "style": _file("style.css"),
        "dagre": f"/* {_file('dagre.LICENSE').strip()} */\n{_file('dagre.min.js').strip()}",
        "scripts": "\n".join(_file(name) for name in _SCRIPTS),
        "data": _data(scene, where),
    }
    whole, *rest = _file("page.html").split("@")
    for place in range(0, len(rest), 2):
        whole += parts[rest[place]] + rest[place + 1]
    return whole


def _file(name: str) -> str:
    return (resources.files("surgery.view") / "page" / name).read_text(encoding="utf-8")


def _data(scene: Scene, where: str) -> str:
    """Returns the data of the page as JSON in which nothing can end a script or begin a tag."""
    numbers = {node.address: place for place, node in enumerate(scene.nodes)}
    colours = [name for name in _COLOURS if name != "origin" or scene.legend]
    whole = {
        "title": printable(scene.title),
        "where": where,
        "nodes": [_node(node) for node in scene.nodes],
        "edges": [[numbers[a], numbers[b]] for a, b in scene.edges],
        "legend": dict(scene.legend),
        "trainable": TRAINABLE,
        "palette": {name: [fill, EDGES[name]] for name, fill in FILLS.items()},
        "order": ["new", "changed", "dropped", "trains", "frozen", "kept", "still", "plain"],
        "colours": [{"name": name, "text": _COLOURS[name]} for name in colours],
    }
    text = json.dumps(_finite(whole), separators=(",", ":"), default=str, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finite(value: Any) -> Any:
    """Returns values for which JSON has words: a number that is none, as a configuration may hold, as text."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _node(node: Node) -> dict[str, Any]:
    return {
        "a": node.address,
        "k": node.kind,
        "t": dict(node.texts),
        "n": {**node.numbers, "narrow": node.narrow},
        "c": {**node.config, "name": node.layer},
        "w": node.tensors,
        "o": node.origin,
        "note": node.note,
        "s": node.stage,
        "m": node.model,
        "x": node.nested,
    }
