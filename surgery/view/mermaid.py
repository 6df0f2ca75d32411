"""A scene as a Mermaid flowchart, which GitHub and many editors draw from text alone."""

from __future__ import annotations

import json
import re

from surgery.core.errors import printable
from surgery.view.palette import EDGES, FILLS, legend_of
from surgery.view.scene import Node, Scene


def mermaid(scene: Scene) -> str:
    """Returns the text of a flowchart; names are escaped, so that they are no syntax and no HTML."""
    numbers = {node.address: f"n{place}" for place, node in enumerate(scene.nodes)}
    lines = ["---", f"title: {json.dumps(printable(scene.title), ensure_ascii=False)}", "---", "flowchart TD"]
    lines += _level(scene, numbers, "", 1)
    for a, b in scene.drawn_edges:
        lines.append(f"  {numbers[a]} {'-.->' if scene.is_dropped((a, b)) else '-->'} {numbers[b]}")
    for name in dict.fromkeys(node.role for node in scene.nodes):
        dashes = ",stroke-dasharray:4 3" if name == "dropped" else ""
        lines.append(f"  classDef {name} fill:{FILLS[name]},stroke:{EDGES[name]},color:#111111{dashes}")
    lines += ["  subgraph legend"]
    texts = enumerate(legend_of(scene).items())
    lines += [f'    l{place}["{_escaped(text)}"]:::{name}' for place, (name, text) in texts]
    return "\n".join([*lines, "  end", ""])


def _level(scene: Scene, numbers: dict[str, str], model: str, depth: int) -> list[str]:
    """Returns the nodes inside a model; a nested model with nodes in it is a box around them."""
    lines, indent = [], "  " * depth
    for node in scene.nodes:
        if node.model != model:
            continue
        if node.address in scene.open_models:
            lines.append(f'{indent}subgraph s{numbers[node.address]}["{_escaped(node.name)}"]')
            lines += _level(scene, numbers, node.address, depth + 1)
            lines.append(f"{indent}end")
        else:
            lines.append(f'{indent}{numbers[node.address]}["{_label(node)}"]:::{node.role}')
    return lines


def _label(node: Node) -> str:
    return f"{_escaped(node.name)}<br/>{_escaped(node.kind)} {_escaped(node.texts['output'])}"


def _escaped(text: str) -> str:
    return re.sub(r"[^\w ()./,·:+\-]", lambda match: f"#{ord(match[0])};", printable(text))
