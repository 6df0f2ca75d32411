"""Open, look at, tap, cut, graft and freeze pretrained Keras networks, and prove afterwards what was done.

    import surgery as sg

    graph = sg.open("tinyvgg", weights="pretrained")
    graph = sg.cut(graph, outputs="block3_pool")
    graph = sg.graft(graph, [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5, name="digits")])
    model = sg.build(sg.freeze(graph, "..block3_pool"))

Importing surgery loads neither Keras nor TensorFlow; a verb loads them when it needs them.
"""

from surgery.isolated import forget_current_folder

forget_current_folder()  # before any other import, `from __future__` among them

import importlib  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from surgery import graph as _graph  # noqa: E402
from surgery.registering import register_with_keras as _register_with_keras  # noqa: E402

if TYPE_CHECKING:
    from surgery import samples, tasks, wiring
    from surgery.comparing import diff
    from surgery.doors import build, open, save
    from surgery.edits import (
        crossing,
        cut,
        dilate,
        fully_convolutional,
        graft,
        inline,
        insert,
        join,
        preprocess,
        remove,
        replace,
        resize,
        rewire,
        select,
        share,
        split,
        tap,
        unfuse,
        unshare,
    )
    from surgery.errors import SurgeryError, SurgeryWarning
    from surgery.freezing import freeze, frozen, thaw
    from surgery.graph import Call, Graph
    from surgery.loading import load_weights, transfer
    from surgery.plotting import plot
    from surgery.pyramids import pyramid
    from surgery.samples import digits
    from surgery.showing import show
    from surgery.specs import Ref, Spec
    from surgery.training import objectives
    from surgery.training.cached_fit import fit_cached
    from surgery.training.contracts import contract
    from surgery.training.extracting import extract
    from surgery.training.groups import groups
    from surgery.training.player import Player
    from surgery.training.players import Players
    from surgery.training.rates import layerwise_rates
    from surgery.training.unfreezing import StagedUnfreeze
    from surgery.verifying import verify
    from surgery.waiting import progress

_HOMES = {
    "surgery.comparing": ("diff",),
    "surgery.doors": ("build", "open", "save"),
    "surgery.edits": (
        "crossing",
        "cut",
        "dilate",
        "fully_convolutional",
        "graft",
        "inline",
        "insert",
        "join",
        "preprocess",
        "remove",
        "replace",
        "resize",
        "rewire",
        "select",
        "share",
        "split",
        "tap",
        "unfuse",
        "unshare",
    ),
    "surgery.errors": ("SurgeryError", "SurgeryWarning"),
    "surgery.freezing": ("freeze", "frozen", "thaw"),
    "surgery.graph": ("Call", "Graph"),
    "surgery.loading": ("load_weights", "transfer"),
    "surgery.specs": ("Ref", "Spec"),
    "surgery.samples": ("digits",),
    "surgery.waiting": ("progress",),
    "surgery.plotting": ("plot",),
    "surgery.pyramids": ("pyramid",),
    "surgery.showing": ("show",),
    "surgery.training.cached_fit": ("fit_cached",),
    "surgery.training.contracts": ("contract",),
    "surgery.training.extracting": ("extract",),
    "surgery.training": ("objectives",),
    "surgery.training.groups": ("groups",),
    "surgery.training.player": ("Player",),
    "surgery.training.players": ("Players",),
    "surgery.training.rates": ("layerwise_rates",),
    "surgery.training.unfreezing": ("StagedUnfreeze",),
    "surgery.verifying": ("verify",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = ("samples", "tasks", "wiring")  # whose own names are used as sg.wiring.unet_decoder

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
        return importlib.import_module(f"surgery.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'surgery' has no attribute {name!r}")
    home = importlib.import_module(_HOME_OF[name])
    value = getattr(home, name) if hasattr(home, name) else importlib.import_module(f"{home.__name__}.{name}")
    globals()[name] = value
    return value


def _repr_html_(graph: "Graph") -> str:
    """Returns a graph as a notebook shows it: its line, a small image, and the table of calls, folded."""
    return importlib.import_module("surgery.plotting.notebook").html_of(graph)


_graph.Graph._repr_html_ = _repr_html_  # pyright: ignore[reportAttributeAccessIssue]  a graph does not know its plot


def __dir__() -> list[str]:
    return sorted(__all__)
