"""Open, look at, tap, cut, graft and freeze pretrained Keras networks, and prove afterwards what was done.

    import surgery as sg

    graph = sg.open("tinyvgg", weights="pretrained")
    graph = sg.cut(graph, outputs="block3_pool")
    graph = sg.graft(graph, [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5, name="digits")])
    model = sg.build(sg.freeze(graph, "..block3_pool"))

Importing surgery loads neither Keras nor TensorFlow; a verb loads them when it needs them.
"""

from surgery.core.isolation import forget_current_folder

forget_current_folder()  # before any other import, `from __future__` among them

import importlib  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from surgery.graph import graph as _graph  # noqa: E402
from surgery.keras_bridge.registration import register_with_keras as _register_with_keras  # noqa: E402

if TYPE_CHECKING:
    from surgery import data as samples
    from surgery import parts as wiring
    from surgery.compare.diff import diff
    from surgery.compare.verify import verify
    from surgery.core.errors import SurgeryError, SurgeryWarning
    from surgery.core.progress import progress
    from surgery.core.specs import Ref, Spec
    from surgery.data.digits import digits
    from surgery.edits.dilate import dilate
    from surgery.edits.feature_levels import pyramid
    from surgery.edits.freeze import freeze, frozen, thaw
    from surgery.edits.fully_convolutional import fully_convolutional
    from surgery.edits.graft import graft
    from surgery.edits.inline import inline
    from surgery.edits.insert_remove import insert, remove
    from surgery.edits.join_share import join, share, unshare
    from surgery.edits.load_weights import load_weights, transfer
    from surgery.edits.preprocess import preprocess
    from surgery.edits.queries import select
    from surgery.edits.replace import replace
    from surgery.edits.resize import resize
    from surgery.edits.rewire import rewire
    from surgery.edits.tap_cut_split import crossing, cut, split, tap
    from surgery.edits.unfuse import unfuse
    from surgery.graph.calls import Call
    from surgery.graph.graph import Graph
    from surgery.io import open, save
    from surgery.keras_bridge.either import build
    from surgery.recipe import tasks
    from surgery.training import gan_losses as objectives
    from surgery.training.cached_fit import fit_cached
    from surgery.training.contract import contract
    from surgery.training.extract import extract
    from surgery.training.groups import groups
    from surgery.training.learning_rates import layerwise_rates
    from surgery.training.player import Player
    from surgery.training.players import Players
    from surgery.training.unfreezing import StagedUnfreeze
    from surgery.view.plot import plot
    from surgery.view.show import show

_HOMES = {
    "surgery.compare.diff": ("diff",),
    "surgery.compare.verify": ("verify",),
    "surgery.core.errors": ("SurgeryError", "SurgeryWarning"),
    "surgery.core.progress": ("progress",),
    "surgery.core.specs": ("Ref", "Spec"),
    "surgery.data.digits": ("digits",),
    "surgery.edits.dilate": ("dilate",),
    "surgery.edits.feature_levels": ("pyramid",),
    "surgery.edits.freeze": ("freeze", "frozen", "thaw"),
    "surgery.edits.fully_convolutional": ("fully_convolutional",),
    "surgery.edits.graft": ("graft",),
    "surgery.edits.inline": ("inline",),
    "surgery.edits.insert_remove": ("insert", "remove"),
    "surgery.edits.join_share": ("join", "share", "unshare"),
    "surgery.edits.load_weights": ("load_weights", "transfer"),
    "surgery.edits.preprocess": ("preprocess",),
    "surgery.edits.queries": ("select",),
    "surgery.edits.replace": ("replace",),
    "surgery.edits.unfuse": ("unfuse",),
    "surgery.edits.resize": ("resize",),
    "surgery.edits.rewire": ("rewire",),
    "surgery.edits.tap_cut_split": ("crossing", "cut", "split", "tap"),
    "surgery.graph.calls": ("Call",),
    "surgery.graph.graph": ("Graph",),
    "surgery.io": ("open", "save"),
    "surgery.keras_bridge.either": ("build",),
    "surgery.training.cached_fit": ("fit_cached",),
    "surgery.training.contract": ("contract",),
    "surgery.training.extract": ("extract",),
    "surgery.training.groups": ("groups",),
    "surgery.training.learning_rates": ("layerwise_rates",),
    "surgery.training.player": ("Player",),
    "surgery.training.players": ("Players",),
    "surgery.training.unfreezing": ("StagedUnfreeze",),
    "surgery.view.plot": ("plot",),
    "surgery.view.show": ("show",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = {  # modules whose own names are used
    "objectives": "surgery.training.gan_losses",
    "samples": "surgery.data",
    "tasks": "surgery.recipe.tasks",
    "wiring": "surgery.parts",
}

__version__ = "0.1.0"
__all__ = [
    "Call",
    "Graph",
    "Player",
    "Players",
    "Ref",
    "Spec",
    "StagedUnfreeze",
    "SurgeryError",
    "SurgeryWarning",
    "build",
    "contract",
    "crossing",
    "cut",
    "diff",
    "digits",
    "dilate",
    "extract",
    "fit_cached",
    "freeze",
    "frozen",
    "fully_convolutional",
    "graft",
    "groups",
    "inline",
    "insert",
    "join",
    "layerwise_rates",
    "load_weights",
    "objectives",
    "open",
    "plot",
    "preprocess",
    "progress",
    "pyramid",
    "remove",
    "replace",
    "resize",
    "rewire",
    "samples",
    "save",
    "select",
    "share",
    "show",
    "split",
    "tap",
    "tasks",
    "thaw",
    "transfer",
    "unfuse",
    "unshare",
    "verify",
    "wiring",
]

_register_with_keras()


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(_ROOMS[name])
    if name not in _HOME_OF:
        raise AttributeError(f"module 'surgery' has no attribute {name!r}")
    home = importlib.import_module(_HOME_OF[name])
    value = getattr(home, name) if hasattr(home, name) else importlib.import_module(f"{home.__name__}.{name}")
    globals()[name] = value
    return value


def _repr_html_(graph: "Graph") -> str:
    """Returns a graph as a notebook shows it: its line, a small image, and the table of calls, folded."""
    return importlib.import_module("surgery.view.notebook").html_of(graph)


_graph.Graph._repr_html_ = _repr_html_  # pyright: ignore[reportAttributeAccessIssue]  a graph does not know its plot


def __dir__() -> list[str]:
    return sorted(__all__)
