"""Arrays to run a network on: normal floats, integers below every vocabulary that they are looked up in, words.

The last steps of a sequence are what layers with a mask leave out, so that a mask has something to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.core.nested import leaves
from surgery.core.specs import Ref, Spec
from surgery.graph.graph import Graph
from surgery.graph.traversal import calls_at_every_depth


def arrays_for(graph: Graph, inputs: Any, seed: int, like: Mapping[str, Spec] | None = None) -> dict[str, Any]:
    """Returns an array for each input by address.

    Args:
        graph: the network.
        inputs: arrays in the structure of its inputs, or `None` for random ones.
        seed: of these.
        like: input -> the spec of the same input of another network, which may say sizes that are open here.
    """
    import numpy as np

    refs = leaves(graph.inputs)
    if inputs is not None:
        return dict(zip((ref.call for ref in refs), leaves(inputs), strict=False))
    random = np.random.default_rng(seed)
    return {ref.call: _random(graph, ref, random, (like or {}).get(ref.call)) for ref in refs}


def _random(graph: Graph, ref: Ref, random: Any, like: Spec | None) -> Any:
    """Draws two samples."""
    spec = graph.spec(ref)
    guess = 64 if len(spec.sides) >= 4 else 12
    others = like.sides if like is not None and len(like.sides) == len(spec.sides) else spec.sides
    sides = [next((one for one in pair if one is not None), guess) for pair in zip(spec.sides, others, strict=True)]
    shape = tuple(sides) if spec.sides[:1] != (None,) else (2, *sides[1:])
    if "int" in spec.dtype:
        users = [graph[name].config.get("input_dim") for name in graph.consumers.get(ref, ())]
        most = min([size for size in users if isinstance(size, int)], default=2)
        return _with_padding(random.integers(0, most, shape, dtype=spec.dtype), 0)
    if spec.dtype == "bool":
        return random.random(shape) < 0.5
    if spec.dtype == "string":
        import keras

        return keras.ops.full(shape, "word", dtype="string")
    drawn = random.standard_normal(shape).astype("float32" if spec.dtype == "bfloat16" else spec.dtype)
    padding = _padding(graph)
    return drawn if padding is None or drawn.ndim < 3 else _with_padding(drawn, padding)


def _padding(graph: Graph) -> float | None:
    """Returns the value that a Masking layer leaves out, if there is one."""
    masking = (call for _, call in calls_at_every_depth(graph) if call.class_name == "Masking")
    return next((call.config.get("mask_value", 0.0) for call in masking), None)


def _with_padding(drawn: Any, value: Any) -> Any:
    """Returns sequences of which the last ends early, with a value in the place of what is missing."""
    if drawn.ndim > 1 and len(drawn) > 1 and drawn.shape[1] > 3:
        drawn[-1, -2:] = value
    return drawn
