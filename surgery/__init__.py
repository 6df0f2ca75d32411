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
from typing import TYPE_CHECKING  # noqa: E402

from surgery.core.lazy import names_of as _names_of  # noqa: E402
from surgery.core.renames import former_names as _former_names  # noqa: E402
from surgery.graph import graph as _graph  # noqa: E402
from surgery.keras_bridge.registration import register_with_keras as _register_with_keras  # noqa: E402

if TYPE_CHECKING:
    from surgery import data as _data
    from surgery import data as data
    from surgery import parts as parts
    from surgery.compare.diff import diff as diff
    from surgery.compare.verify import verify as verify
    from surgery.core.errors import SurgeryError as SurgeryError
    from surgery.core.errors import SurgeryWarning as SurgeryWarning
    from surgery.core.progress import progress as progress
    from surgery.core.specs import Ref as Ref
    from surgery.core.specs import Spec as Spec
    from surgery.data.predict import predict as predict
    from surgery.edits.crossing import crossing_tensors as crossing_tensors
    from surgery.edits.dilate import dilate as dilate
    from surgery.edits.feature_levels import feature_levels as feature_levels
    from surgery.edits.freeze import freeze as freeze
    from surgery.edits.freeze import frozen as frozen
    from surgery.edits.freeze import unfreeze as unfreeze
    from surgery.edits.fully_convolutional import fully_convolutional as fully_convolutional
    from surgery.edits.graft import graft as graft
    from surgery.edits.inline import inline as inline
    from surgery.edits.insert_remove import insert as insert
    from surgery.edits.insert_remove import remove as remove
    from surgery.edits.join_share import join as join
    from surgery.edits.join_share import share as share
    from surgery.edits.join_share import unshare as unshare
    from surgery.edits.load_weights import load_weights as load_weights
    from surgery.edits.load_weights import transfer as transfer
    from surgery.edits.preprocess import preprocess as preprocess
    from surgery.edits.queries import select as select
    from surgery.edits.replace import replace as replace
    from surgery.edits.resize import resize as resize
    from surgery.edits.rewire import rewire as rewire
    from surgery.edits.tap_cut_split import cut as cut
    from surgery.edits.tap_cut_split import split as split
    from surgery.edits.tap_cut_split import tap as tap
    from surgery.edits.unfuse import unfuse as unfuse
    from surgery.graph.about import About as About
    from surgery.graph.calls import Call as Call
    from surgery.graph.graph import Graph as Graph
    from surgery.io import open as open
    from surgery.io import save as save
    from surgery.keras_bridge.either import build as build
    from surgery.recipe import tasks as tasks
    from surgery.training import gan_losses as _gan_losses
    from surgery.training.cached_fit import fit_cached as fit_cached
    from surgery.training.extract import extract_features as extract_features
    from surgery.training.freeze_check import FreezeCheck as FreezeCheck
    from surgery.training.layer_groups import layer_groups as layer_groups
    from surgery.training.learning_rates import layerwise_learning_rates as layerwise_learning_rates
    from surgery.training.player import Player as Player
    from surgery.training.players import Players as Players
    from surgery.training.unfreezing import StagedUnfreeze as StagedUnfreeze
    from surgery.view.plot import plot as plot
    from surgery.view.show import show as show

    samples = _data
    losses = _gan_losses

_HOMES = {  # module -> the public names that it defines
    "compare.diff": ("diff",),
    "compare.verify": ("verify",),
    "core.errors": ("SurgeryError", "SurgeryWarning"),
    "core.progress": ("progress",),
    "core.specs": ("Ref", "Spec"),
    "data.predict": ("predict",),
    "edits.crossing": ("crossing_tensors",),
    "edits.dilate": ("dilate",),
    "edits.feature_levels": ("feature_levels",),
    "edits.freeze": ("freeze", "frozen", "unfreeze"),
    "edits.fully_convolutional": ("fully_convolutional",),
    "edits.graft": ("graft",),
    "edits.inline": ("inline",),
    "edits.insert_remove": ("insert", "remove"),
    "edits.join_share": ("join", "share", "unshare"),
    "edits.load_weights": ("load_weights", "transfer"),
    "edits.preprocess": ("preprocess",),
    "edits.queries": ("select",),
    "edits.replace": ("replace",),
    "edits.resize": ("resize",),
    "edits.rewire": ("rewire",),
    "edits.tap_cut_split": ("cut", "split", "tap"),
    "edits.unfuse": ("unfuse",),
    "graph.about": ("About",),
    "graph.calls": ("Call",),
    "graph.graph": ("Graph",),
    "io": ("open", "save"),
    "keras_bridge.either": ("build",),
    "training.cached_fit": ("fit_cached",),
    "training.extract": ("extract_features",),
    "training.freeze_check": ("FreezeCheck",),
    "training.layer_groups": ("layer_groups",),
    "training.learning_rates": ("layerwise_learning_rates",),
    "training.player": ("Player",),
    "training.players": ("Players",),
    "training.unfreezing": ("StagedUnfreeze",),
    "view.plot": ("plot",),
    "view.show": ("show",),
}
_MODULES = {  # modules whose own names are used
    "data": "data",
    "losses": "training.gan_losses",
    "parts": "parts",
    "samples": "data",
    "tasks": "recipe.tasks",
}
_FORMER = {
    "contract": "FreezeCheck",
    "crossing": "crossing_tensors",
    "digits": "samples.digits",
    "extract": "extract_features",
    "groups": "layer_groups",
    "layerwise_rates": "layerwise_learning_rates",
    "objectives": "losses",
    "pyramid": "feature_levels",
    "thaw": "unfreeze",
    "wiring": "parts",
}

__version__ = "0.1.0"
__all__ = sorted([*_MODULES, *(name for names in _HOMES.values() for name in names)])  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = _former_names(__name__, "sg", _FORMER, _names_of(__name__, _HOMES, _MODULES))

__path__.append(f"{__path__[0]}/names")  # `from surgery.samples import digits`
_register_with_keras()


def _repr_html_(graph: "Graph") -> str:
    """Returns a graph as a notebook shows it: its line, a small image, and the table of calls, folded."""
    return importlib.import_module("surgery.view.notebook").html_of(graph)


_graph.Graph._repr_html_ = _repr_html_  # pyright: ignore[reportAttributeAccessIssue]  a graph does not know its plot


def __dir__() -> list[str]:
    return __all__
