"""How a graph shows itself in a notebook: its line, a small picture, and the table of calls, folded."""

from __future__ import annotations

import html
from collections.abc import Iterable

from surgery.errors import printable
from surgery.graph import Graph
from surgery.plotting.palette import EDGES, FILLS
from surgery.plotting.scene import Node, scene_of

_MOST = 400  # rows of the table; a notebook keeps its output in the file
_MEASURES = ("output", "stride", "params", "macs", "trainable")
_STRIP = 640  # pixels of the small picture


def html_of(graph: Graph) -> str:
    """Returns a graph as HTML: nothing in it runs, all names are escaped."""
    nodes = scene_of(graph).outer().nodes
    head = _row("th", ("call", "class", *_MEASURES))
    rows = "".join(
        _row("td", (printable(node.address), printable(node.kind), *(node.texts[name] for name in _MEASURES)))
        for node in nodes[:_MOST]
    )
    rest = f"<p>and {len(nodes) - _MOST:,} more</p>" if len(nodes) > _MOST else ""
    return (
        f"<div><strong>{html.escape(str(graph))}</strong>{_strip(nodes)}"
        f"<details><summary>{len(graph):,} calls</summary><table><thead>{head}</thead>"
        f"<tbody>{rows}</tbody></table>{rest}</details></div>"
    )


def _row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _strip(nodes: list[Node]) -> str:
    """Returns a small picture: a bar for each call in its order, as high as its feature map is large, coloured by
    whether it trains.
    """
    width = max(1.0, min(12.0, _STRIP / max(1, len(nodes))))
    sizes = [node.numbers["memory"] or 1 for node in nodes]
    top = max(sizes, default=1)
    bars = []
    for place, (node, size) in enumerate(zip(nodes, sizes, strict=True)):
        height = 4 + 40 * (size / top) ** 0.5
        title = html.escape(f"{printable(node.address)}: {printable(node.kind)} {node.texts['output']}")
        bars.append(
            f'<rect x="{place * width:.2f}" y="{(48 - height) / 2:.1f}" width="{max(width - 1, 0.8):.2f}" '
            f'height="{height:.1f}" fill="{FILLS[node.role]}" stroke="{EDGES[node.role]}" stroke-width="0.6">'
            f"<title>{title}</title></rect>"
        )
    whole = width * len(nodes)
    return (
        f'<svg role="img" aria-label="feature maps by size" width="{whole:.0f}" height="48" '
        f'style="display:block;margin:4px 0">{"".join(bars)}</svg>'
    )
