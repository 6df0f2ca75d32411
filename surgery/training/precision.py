"""A network in another precision: the same wiring, layers of their own with cast weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from surgery.core.errors import SurgeryError, listing
from surgery.edits.inline import inline
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp
from surgery.keras_bridge.build import assemble, live_layer
from surgery.keras_bridge.copy import given, renewed
from surgery.keras_bridge.fill import settle
from surgery.keras_bridge.unsaved_state import lost_in


def in_precision(graph: Graph, dtype: str) -> Any:
    """Builds a model of a graph whose layers compute in another dtype; the layers of the graph are unchanged.

    Args:
        graph: the network; nested models are dissolved.
        dtype: `"bfloat16"`, `"float16"`, `"float32"` or `"float64"`; a policy of Keras.

    Returns:
        `keras.Model`, with weights cast from those of the graph.
    """
    if any(call.op is not None and call.op.inner is not None for call in graph):
        graph = inline(graph)
    source = assemble(graph)
    quantized = [layer.name for layer in source._flatten_layers() if getattr(layer, "quantization_mode", None)]
    if quantized:
        raise SurgeryError(f"{listing(quantized)} are quantized, and compute in the precision that they have.")
    new: dict[Any, LiveOp] = {}
    for call in graph:
        layer = None if call.op is None else live_layer(graph, call)
        if isinstance(layer, keras.layers.Layer) and (call.op, call.layer) not in new:
            other = renewed(layer, call.layer, dtype=dtype)
            if lost := lost_in(other, layer, all_of_it=True):
                raise SurgeryError(f"{layer.name!r} keeps {listing(lost)} in its own form, which cannot be cast.")
            new[call.op, call.layer] = LiveOp(given(other))  # cast below, where all of them are built
    calls = tuple(dataclasses.replace(call, op=new.get((call.op, call.layer), call.op)) for call in graph)
    model = assemble(dataclasses.replace(graph, calls=calls))
    for mine, other in zip(model.weights, source.weights, strict=True):
        mine.assign(keras.ops.cast(keras.ops.convert_to_tensor(other), mine.dtype))
    settle(model)
    return model
