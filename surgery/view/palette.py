"""Colors that people with any color vision tell apart (Okabe & Ito 2008), and that text can be read on."""

from __future__ import annotations

from collections.abc import Mapping

from surgery.view.scene import Scene

FILLS = {
    "kept": "#CFE3F1",
    "frozen": "#9CC3E0",
    "changed": "#F9E79F",
    "new": "#BDE5D0",
    "dropped": "#FFFFFF",
    "trains": "#BDE5D0",
    "still": "#9CC3E0",
    "plain": "#EEEEEE",
}
EDGES = {
    "kept": "#0072B2",
    "frozen": "#0072B2",
    "changed": "#B8860B",
    "new": "#007A53",
    "dropped": "#999999",
    "trains": "#007A53",
    "still": "#0072B2",
    "plain": "#777777",
}
TRAINABLE = {"trains": "trains", "still": "frozen", "plain": "no weights"}


def legend_of(scene: Scene) -> Mapping[str, str]:
    """Returns role -> text: the scene's own legend, or what trains of what is in it."""
    used = {node.role for node in scene.nodes}
    return scene.legend or {name: text for name, text in TRAINABLE.items() if name in used}
