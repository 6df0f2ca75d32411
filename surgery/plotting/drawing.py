"""`plot`: a picture of a network, of what an operation did to it, or of a comparison, as a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from surgery.comparing import Difference
from surgery.doors import as_graph
from surgery.errors import SurgeryError, printable
from surgery.files import written_whole
from surgery.plotting.dot import rendered
from surgery.plotting.mermaid import mermaid
from surgery.plotting.origins import scene_of_changes, scene_of_difference
from surgery.plotting.page import page
from surgery.plotting.scene import Scene, scene_of
from surgery.where import Where, selected

SUFFIXES = (".svg", ".png", ".pdf", ".mmd", ".html")


def plot(x: Any, path: str | os.PathLike[str], where: Where = None, donor: Any = None, nested: bool = False) -> Path:
    """Draws a network into a file; returns its path. The network is unchanged.

    Args:
        x: `Graph`, `keras.Model`, or what `diff` returned.
        path: ends in `.html` (one page that can be searched and folded, and needs nothing), `.mmd` (Mermaid; needs
            nothing), or `.svg`, `.png`, `.pdf` (through Graphviz, which must be installed).
        where: draws these calls alone; the page searches for them.
        donor: a `Graph` or `keras.Model` that it was made from: what is kept, frozen, new and dropped is told apart.
        nested: whether pictures show what is inside nested models; the page always can.

    Raises:
        SurgeryError: another suffix, no right to write, no Graphviz, or nothing matches.

    Example:

    >>> donor = sg.open("tinyvgg")
    >>> graph = sg.freeze(sg.cut(donor, outputs="block3_pool"), "block1_*")
    >>> sg.plot(graph, "cut.html", donor=donor)  # doctest: +SKIP
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise SurgeryError(f"{printable(path)!r} should end in {', '.join(SUFFIXES)}.")
    values = path.suffix == ".html"
    if isinstance(x, Difference):
        scene, graph = scene_of_difference(x, values), x.b
    else:
        graph = as_graph(x)
        scene = scene_of(graph, values) if donor is None else scene_of_changes(graph, [as_graph(donor)], values)
    return draw(scene, path, set(selected(graph, where)) if where is not None else None, where, nested)


def draw(scene: Scene, path: Path, only: set[str] | None = None, where: Any = None, nested: bool = False) -> Path:
    """Writes a scene to a file, whole or not at all.

    Args:
        scene: the scene.
        path: its suffix says the format.
        only: the addresses that pictures are of; all by default.
        where: what the page searches for, where it is a text.
        nested: whether pictures show what is inside nested models.
    """
    if path.suffix == ".html":
        data = page(scene, where if isinstance(where, str) else "").encode("utf-8", "replace")
    else:
        flat = scene if nested or (only is not None and any("/" in address for address in only)) else scene.outer()
        flat = flat if only is None else flat.only(only)
        data = mermaid(flat).encode() if path.suffix == ".mmd" else rendered(flat, path.suffix[1:])
    with written_whole(path) as draft:
        draft.write_bytes(data)
    return path
