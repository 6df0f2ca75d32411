"""Architectures without weights of their own, and layers of which a file lists tensors that it does not hold: the notes
that say so, in the words of `open`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from surgery.core.errors import SurgeryError, listing, printable
from surgery.core.tensors import Source
from surgery.formats.expected_variables import unknown
from surgery.graph.graph import Graph
from surgery.graph.ops import StoredOp
from surgery.graph.traversal import calls_at_every_depth

_USUAL = (".weights.h5", "_weights.h5", ".h5", ".hdf5", ".keras", ".weights.json", ".safetensors")  # behind the stem


def alone(graph: Graph, path: Path) -> Graph:
    """Returns the graph of an architecture, whose layers are fresh; its notes name the weights that lie beside it."""
    layers = _layers(graph)
    for op in layers.values():
        op.source = Source(fresh=True)
    stem = path.name.removesuffix(".json")
    beside = [name for name in (f"{stem}{end}" for end in _USUAL) if _is_file(path.with_name(name))]
    note = "an architecture without weights: its layers are fresh"
    if beside:
        given = repr(printable(path.with_name(beside[0])))
        note += f". {listing(map(repr, map(printable, beside)))} lies next to it: weights={given} takes what is in it"
    unsaid = [printable(address) for address, op in layers.items() if unknown(op)]
    notes = [note, *([f"not known without Keras: the parameters of {listing(unsaid)}"] if unsaid else [])]
    return dataclasses.replace(graph, notes=(*graph.notes, *notes))


def filled(graph: Graph, what: str) -> Graph:
    """Returns the graph of an architecture that was given weights; its notes name the layers without.

    Args:
        graph: the graph.
        what: the file of the weights.

    Raises:
        SurgeryError: no layer has any.
    """
    lacking = {address: op for address, op in _layers(graph).items() if op.weights and not op.source.tensors}
    having = [op for op in _layers(graph).values() if op.source.tensors]
    names = listing(map(printable, lacking))
    if lacking and not having:
        raise SurgeryError(
            f"{what} holds nothing for its layers ({names}): the names differ. sg.load_weights(graph, {what}) goes by "
            "shapes too."
        )
    note = f"{what} holds nothing for {names}: what needs them is not built; weights=None makes all fresh"
    return with_absent(dataclasses.replace(graph, notes=(*graph.notes, *([note] if lacking else []))))


def with_absent(graph: Graph) -> Graph:
    """Returns the graph, with notes on layers of which the file lists tensors that it does not hold."""
    absent = {address: op.source.absent for address, op in _layers(graph).items() if op.source.absent}
    notes = [
        f"{printable(address)}: the file lists {listing(map(printable, names), 3)}, and does not hold "
        f"{'it' if len(names) == 1 else 'them'}"
        for address, names in absent.items()
    ]
    return dataclasses.replace(graph, notes=(*graph.notes, *notes)) if notes else graph


def _layers(graph: Graph) -> dict[str, StoredOp]:
    """Returns the stored layers of a file that are no models, each at its first address."""
    found: dict[StoredOp, str] = {}
    for address, call in calls_at_every_depth(graph):
        if isinstance(call.op, StoredOp) and call.op.inner is None and call.op.source is not None:
            found.setdefault(call.op, address)
    return {address: op for op, address in found.items()}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
