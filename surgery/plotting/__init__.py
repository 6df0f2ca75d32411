"""Drawings of networks: SVG, PNG, PDF, Mermaid, and a page that can be searched, folded and copied from."""

from surgery.plotting.drawing import SUFFIXES, draw, plot, refuse, refuse_comparison, refuse_size
from surgery.plotting.origins import scene_of_changes, scene_of_difference
from surgery.plotting.scene import Node, Scene, scene_of

__all__ = [
    "SUFFIXES",
    "Node",
    "Scene",
    "draw",
    "plot",
    "refuse",
    "refuse_comparison",
    "refuse_size",
    "scene_of",
    "scene_of_changes",
    "scene_of_difference",
]
