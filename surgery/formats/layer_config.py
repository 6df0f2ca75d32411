"""One layer of a stored model: the input that it is, or the weights that it has."""

from __future__ import annotations

from surgery.core.names import natural
from surgery.core.specs import Weight
from surgery.core.tensors import Source
from surgery.formats.layer_entries import Entry
from surgery.formats.legacy.connections import temporary
from surgery.formats.model_shapes import input_spec
from surgery.graph.calls import Call
from surgery.layers.description import Stored
from surgery.layers.variables import merged_lora, variable_names, written_twice


def input_call(entry: Entry) -> Call:
    """Returns the call of an `InputLayer`."""
    further = {key: True for key in ("optional", "sparse", "ragged") if entry.config.get(key)}
    return Call(temporary(entry.name, 0), None, (), further, input_spec(entry.name, entry.config))


def stored_weights(layer: Stored, source: Source) -> tuple[Weight, ...]:
    """Returns the weights of a layer, as its variables are called; none where its tensors are not in the file."""
    if not source.tensors or source.absent:
        return ()
    names = variable_names(layer, source)
    described = [
        Weight(f"{layer.name}/{name}", tensor.shape, tensor.dtype, trains)
        for tensor, (name, trains) in zip(source.tensors, names, strict=True)
    ]
    twice = written_twice(layer, source)
    if twice:
        places = sorted(source.tree, key=natural)
        described = [one for place, one in zip(places, described, strict=True) if place not in twice]
    return (*described, *merged_lora(layer, source))
