"""A scene through Graphviz, where it is asked for: `pydot` writes its language, the program `dot` does the layout."""

from __future__ import annotations

import subprocess
from typing import Any

from surgery.core.errors import SurgeryError, first_line, printable
from surgery.core.isolation import program
from surgery.view.palette import EDGES, FILLS, legend_of
from surgery.view.scene import Node, Scene

SECONDS = 120  # for the layout


def render(scene: Scene, format: str) -> bytes:
    """Returns the image of a scene.

    Args:
        scene: the scene.
        format: `svg`, `png` or `pdf`.

    Raises:
        SurgeryError: Graphviz is not installed, takes too long, or fails.
    """
    text = source(scene)
    command = [refuse_absent(), f"-T{format}", *(["-Gdpi=110"] if format == "png" else [])]
    try:
        run = subprocess.run(command, input=text.encode(), capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise SurgeryError(f"Graphviz did not end within {SECONDS} s; .html is quicker, WHERE draws a part.") from error
    if run.returncode or not run.stdout:
        raise SurgeryError(f"Graphviz failed: {printable(run.stderr.decode(errors='replace').strip()[:300])}")
    return run.stdout


def refuse_absent() -> str:
    """Returns the path of the program `dot`.

    Raises:
        SurgeryError: it is not installed, or pydot is not.
    """
    _pydot()
    found = program("dot")
    if found is None:
        raise SurgeryError(
            "there is no program 'dot' of Graphviz: apt install graphviz, brew install graphviz or winget install "
            "graphviz. Without graphviz=True (--graphviz) images need no program."
        )
    return found


def _pydot() -> Any:
    try:
        import pydot
    except ImportError as error:
        raise SurgeryError(
            "Graphviz is reached through pydot: pip install 'surgery[plot]'. Without graphviz=True (--graphviz) images "
            "do not need it."
        ) from error
    return pydot


def source(scene: Scene) -> str:
    """Returns the scene in Graphviz' language.

    Raises:
        SurgeryError: pydot is not installed.
    """
    pydot = _pydot()
    whole = pydot.Dot("network", graph_type="digraph", rankdir="TB", bgcolor="white", label=_quoted(scene.title))
    whole.set_graph_defaults(fontname="Helvetica", labelloc="t")
    whole.set_node_defaults(shape="box", style="filled,rounded", fontname="Helvetica", fontsize="10")
    whole.set_edge_defaults(color="#666666", arrowsize="0.6")
    numbers = {node.address: f"n{place}" for place, node in enumerate(scene.nodes)}
    try:
        _level(pydot, whole, scene, numbers, "")
        for a, b in scene.drawn_edges:
            style = "dashed" if scene.is_dropped((a, b)) else "solid"
            whole.add_edge(pydot.Edge(numbers[a], numbers[b], style=style))
        whole.add_subgraph(_legend(pydot, scene))
        return whole.to_string()
    except RecursionError as error:
        raise SurgeryError(f"models are nested too deeply to be drawn ({first_line(error)}).") from error


def _level(pydot: Any, box: Any, scene: Scene, numbers: dict[str, str], model: str) -> None:
    for node in scene.nodes:
        if node.model != model:
            continue
        if node.address in scene.open_models:
            cluster = pydot.Cluster(numbers[node.address], label=_quoted(node.name), color="#999999", style="rounded")
            _level(pydot, cluster, scene, numbers, node.address)
            box.add_subgraph(cluster)
        else:
            box.add_node(pydot.Node(numbers[node.address], label=_quoted(_label(node)), **_look(node.role)))


def _look(name: str) -> dict[str, str]:
    look = {"fillcolor": FILLS[name], "color": EDGES[name]}
    return {**look, "style": "filled,rounded,dashed"} if name == "dropped" else look


def _legend(pydot: Any, scene: Scene) -> Any:
    legend = pydot.Cluster("legend", label="", color="#CCCCCC", style="rounded")
    for name, text in legend_of(scene).items():
        legend.add_node(pydot.Node(f"legend_{name}", label=_quoted(text), fontsize="9", height="0.25", **_look(name)))
    return legend


def _label(node: Node) -> str:
    note = f"\n{node.note[:60]}" if node.note else ""
    return f"{node.name}\n{node.kind} {node.texts['output']}{note}"


def _quoted(text: str) -> str:
    """Returns a text as a quoted string, which is never read as HTML or as syntax."""
    lines = [
        printable(line).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in text.split("\n")
    ]
    return '"' + "\\n".join(lines) + '"'
