"""How a graph shows itself in a notebook: its line, a small picture, and the table of calls, folded."""

from __future__ import annotations

import html

from surgery.errors import printable
from surgery.graph import Graph
from surgery.plotting.palette import EDGES, FILLS, role
from surgery.plotting.scene import Scene, scene_of
from surgery.showing.table import View, table_of

_MOST = 400  # rows of the table; a notebook keeps its output in the file
_COLUMNS = ("call", "class", "output", "stride", "params", "macs", "trainable")
_STRIP = 640  # pixels of the small picture


def html_of(graph: Graph) -> str:
    """Returns a graph as HTML: nothing in it runs, all names are escaped."""
    headers, cells = table_of(graph, View(columns=",".join(_COLUMNS)))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in headers)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in cells[:_MOST]
    )
    rest = f"<p>and {len(cells) - _MOST:,} more</p>" if len(cells) > _MOST else ""
    return (
        f"<div><strong>{html.escape(str(graph))}</strong>{_strip(scene_of(graph))}"
        f"<details><summary>{len(graph):,} calls</summary><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>{rest}</details></div>"
    )


def _strip(scene: Scene) -> str:
    """Returns a small picture: a bar for each call in its order, as high as its feature map is large, coloured by
    whether it trains.
    """
    nodes = [node for node in scene.nodes if not node.model]
    width = max(1.0, min(12.0, _STRIP / max(1, len(nodes))))
    sizes = [node.numbers["memory"] or 1 for node in nodes]
    top = max(sizes, default=1)
    bars = []
    for place, (node, size) in enumerate(zip(nodes, sizes, strict=True)):
        name = role(node)
        height = 4 + 40 * (size / top) ** 0.5
        title = html.escape(f"{printable(node.address)}: {printable(node.kind)} {node.texts['output']}")
        bars.append(
            f'<rect x="{place * width:.2f}" y="{(48 - height) / 2:.1f}" width="{max(width - 1, 0.8):.2f}" '
            f'height="{height:.1f}" fill="{FILLS[name]}" stroke="{EDGES[name]}" stroke-width="0.6">'
            f"<title>{title}</title></rect>"
        )
    whole = width * len(nodes)
    return (
        f'<svg role="img" aria-label="feature maps by size" width="{whole:.0f}" height="48" '
        f'style="display:block;margin:4px 0">{"".join(bars)}</svg>'
    )
