"""`plot`: a drawing of a network, of what an operation did to it, or of a comparison, as a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from surgery.compare.diff import diff
from surgery.compare.report import Difference
from surgery.core.errors import SurgeryError, printable
from surgery.formats.atomic import written_whole
from surgery.graph.graph import Graph
from surgery.keras_bridge.either import as_graph
from surgery.selectors.select import Where, selected
from surgery.view import figures
from surgery.view import graphviz as dot
from surgery.view.matplotlib import render_sheet
from surgery.view.mermaid import mermaid
from surgery.view.page import page
from surgery.view.provenance import scene_of_changes, scene_of_difference
from surgery.view.scene import Scene, scene_of
from surgery.view.sheets import sheet_of
from surgery.view.svg import svg

IMAGES = (".svg", ".png", ".pdf")
SUFFIXES = (*IMAGES, ".mmd", ".html")
CALLS = 3_000  # of an image
EDGES = 30_000


def plot(
    x: Any,
    path: str | os.PathLike[str],
    where: Where = None,
    donor: Any = None,
    nested: bool = False,
    graphviz: bool = False,
) -> Path:
    """Draws a network into a file; returns its path. The network is unchanged.

    An image looks the same on every machine, whatever is installed there. It holds up to 3,000 calls and 30,000 edges:
    an SVG file of so many is written within 15 seconds, a PNG or PDF file within two minutes.

    Args:
        x: `Graph`, `keras.Model`, or what `diff` returned.
        path: ends in `.html` (one page that can be searched and folded), `.mmd` (Mermaid) or `.svg`, which need
            nothing, or in `.png` or `.pdf`, which need Matplotlib (`pip install 'surgery[plot]'`).
        where: draws these calls alone; the page searches for them.
        donor: a `Graph` or `keras.Model` that it was made from: what is kept, frozen, new and dropped is distinguished.
        nested: whether images show what is inside nested models; the page always can.
        graphviz: whether the program `dot` of Graphviz, which must be installed, lays out an image.

    Raises:
        SurgeryError: another suffix, no right to write, too many calls for an image, Matplotlib or Graphviz is needed
            and not installed, or nothing matches.

    Example:

    >>> donor = sg.open("tinyvgg")
    >>> graph = sg.freeze(sg.cut(donor, outputs="block3_pool"), "block1_*")
    >>> sg.plot(graph, "cut.html", donor=donor)  # doctest: +SKIP
    """
    path = Path(path)
    refuse(path, graphviz)
    values = path.suffix == ".html"
    graph = x.b if isinstance(x, Difference) else as_graph(x)
    only = set(selected(graph, where)) if where is not None else None  # before any weight is read
    if isinstance(x, Difference):
        scene = scene_of_difference(x, values)
    else:
        scene = scene_of(graph, values) if donor is None else scene_of_changes(graph, [as_graph(donor)], values)
    return draw(scene, path, only, where, nested, graphviz)


def draw(
    scene: Scene,
    path: Path,
    only: set[str] | None = None,
    where: Any = None,
    nested: bool = False,
    graphviz: bool = False,
) -> Path:
    """Writes a scene to a file, whole or not at all.

    Args:
        scene: the scene.
        path: its suffix chooses the format.
        only: the addresses that images are of; all by default.
        where: what the page searches for, where it is a text.
        nested: whether images show what is inside nested models.
        graphviz: whether Graphviz lays out an image.
    """
    if path.suffix == ".html":
        data = page(scene, where if isinstance(where, str) else "").encode("utf-8", "replace")
    else:
        flat = scene if nested or (only is not None and any("/" in address for address in only)) else scene.outer()
        data = _bytes_of(flat if only is None else flat.only(only), path, graphviz)
    with written_whole(path) as draft:
        draft.write_bytes(data)
    return path


def _bytes_of(scene: Scene, path: Path, graphviz: bool) -> bytes:
    if path.suffix == ".mmd":
        return mermaid(scene).encode()
    refuse_size(scene, path)
    if graphviz:
        return dot.render(scene, path.suffix[1:])
    sheet = sheet_of(scene)
    return svg(sheet).encode() if path.suffix == ".svg" else render_sheet(sheet, path.suffix[1:])


def refuse(path: Path, graphviz: bool = False) -> None:
    """Refuses, before any work, a file that could not be drawn after it.

    Raises:
        SurgeryError: another suffix, or a program or package that it needs is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise SurgeryError(f"{printable(path)!r} should end in {', '.join(SUFFIXES)}.")
    if graphviz and path.suffix not in IMAGES:
        raise SurgeryError(f"Graphviz draws {', '.join(IMAGES)}, not {path.suffix}.")
    if graphviz:
        dot.refuse_absent()
    elif path.suffix in (".png", ".pdf"):
        figures.refuse_absent("plot", " .svg, .html and .mmd need nothing.")


def refuse_size(scene: Scene, path: Path) -> None:
    """Refuses an image of more calls or edges than it could show.

    Raises:
        SurgeryError: there are more.
    """
    calls, edges = len(scene.nodes), len(scene.edges)
    if path.suffix in IMAGES and (calls > CALLS or edges > EDGES):
        most = f"{CALLS:,} calls" if calls > CALLS else f"{EDGES:,} edges"
        raise SurgeryError(
            f"an image of {calls:,} calls and {edges:,} edges is more than is drawn: {most} at most. .html and .mmd "
            "take any number, and WHERE draws a part."
        )


def refuse_comparison(a: Graph, b: Graph, path: Path) -> None:
    """Refuses, before weights are read, an image of a comparison that could not be drawn after it."""
    if path.suffix in IMAGES and len(a) + len(b) > CALLS:
        refuse_size(scene_of_difference(diff(a, b, weights=False)).outer(), path)
