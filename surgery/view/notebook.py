"""How a graph shows itself in a notebook: its line, a small image, and the table of calls, folded."""

from __future__ import annotations

import html

from surgery.core.errors import printable
from surgery.core.nested import leaves
from surgery.core.reprs import block, table
from surgery.graph.graph import Graph
from surgery.view.palette import EDGES, FILLS
from surgery.view.scene import Node, scene_of

_MOST = 200  # rows of the table; a notebook keeps its output in the file
_MEASURES = ("output", "stride", "params", "macs", "trainable")
_RIGHT = ("stride", "params", "macs")
_STRIP = 640  # pixels of the small image, and bars at most


def html_of(graph: Graph) -> str:
    """Returns a graph as HTML: nothing in it runs, all names are escaped."""
    nodes = scene_of(graph).outer().nodes
    rows = [(node.address, node.kind, *(node.texts[name] for name in _MEASURES)) for node in nodes]
    calls = table(("call", "class", *_MEASURES), rows, _RIGHT, _MOST)
    both = (("input", leaves(graph.inputs)), ("output", leaves(graph.outputs)))
    ends = [(word, graph.address(ref), str(graph.spec(ref))) for word, refs in both for ref in dict.fromkeys(refs)]
    parts = [_folded(f"{len(graph):,} calls", calls)]
    if len(ends) > 2:
        parts.insert(0, _folded("inputs and outputs", table(("", "tensor", "shape"), ends)))
    return block(str(graph), _strip(nodes), *parts)


def _folded(title: str, inside: str) -> str:
    return f"<details><summary>{html.escape(title)}</summary>{inside}</details>"


def _strip(nodes: list[Node]) -> str:
    """Returns a small image: a bar for each call in its order, as high as its feature map is large, colored by
    whether it trains; of a very large network the largest of every few calls.
    """
    step = max(1, -(-len(nodes) // _STRIP))
    nodes = [max(nodes[at : at + step], key=_memory) for at in range(0, len(nodes), step)]
    width = max(1.0, min(12.0, _STRIP / max(1, len(nodes))))
    sizes = [_memory(node) for node in nodes]
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


def _memory(node: Node) -> float:
    return node.numbers["memory"] or 1
