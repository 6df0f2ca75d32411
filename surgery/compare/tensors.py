"""The tensors of the layer that a call applies: by place, by order, or as variables in memory; and which is which.

A tree says a place for each, `vars/0`; a list is in the order of `layer.weights`; variables have both. Between a tree
and a list, without Keras, the order is that of the layers whose parts are known here; others are not paired.
"""

from __future__ import annotations

import re
from typing import Any

from surgery.core.errors import SurgeryError
from surgery.core.names import natural, own_name
from surgery.core.tensors import Tensor
from surgery.graph.calls import Call
from surgery.layers.classes import kind_of
from surgery.layers.description import Stored
from surgery.layers.facts import Trait
from surgery.layers.table import has
from surgery.layers.variables import variable_names, written_twice

_PARTS = ("query_dense", "key_dense", "value_dense", "output_dense", "forward_layer", "backward_layer")

Pair = tuple[Tensor | None, Tensor | None]


def tensors_of(call: Call) -> list[Tensor] | None:
    """Returns the tensors of a layer that is called; `None` for fresh ones, and where a file holds a part."""
    layer, source = live_layer(call), getattr(call.op, "source", None)
    if layer is not None:
        return [_of_variable(variable) for variable in getattr(layer, "weights", ())]
    if source is None or not source.tensors or source.absent:
        return None
    return list(_by_place(call).values()) if source.tree else source.tensors


def paired_tensors(a: Call, b: Call) -> list[Pair] | None:
    """Returns which tensor of one layer is which of another, `None` in the place of one that the other has alone.

    Returns:
        The pairs; `None` where the values of one are not there, or where it cannot be said which is which.
    """
    ours, theirs = tensors_of(a), tensors_of(b)
    if ours is None or theirs is None:
        return None
    live = [live_layer(call) is not None for call in (a, b)]
    if live[0] != live[1]:
        return _of_live_and_stored(a, b) if live[0] else _swapped(_of_live_and_stored(b, a))
    if len(ours) != len(theirs):  # what goes away moves the places of what follows
        names = [_by_name(call) for call in (a, b)]
        if names[0] and names[1] and names[0].keys() & names[1].keys():
            return [(names[0].get(name), names[1].get(name)) for name in dict.fromkeys([*names[0], *names[1]])]
    trees = [_by_place(call) for call in (a, b)]
    if not any(live) and all(trees):
        places = list(dict.fromkeys([*trees[0], *trees[1]]))
        return [(trees[0].get(place), trees[1].get(place)) for place in places]
    if not any(live) and any(trees):
        named = _by_own_name((a, ours), (b, theirs))
        if named or not (_is_ordered(a) and _is_ordered(b)):
            return named
    longer = max(len(ours), len(theirs))
    padded = [[*side, *[None] * (longer - len(side))] for side in (ours, theirs)]
    return list(zip(*padded, strict=True))


def live_layer(call: Call) -> Any:
    """Returns the layer in memory that a call applies, or that was made of a stored one; else `None`."""
    standins = getattr(call.op, "standins", ())
    return getattr(call.op, "layer", None) or (standins[0].layer if standins else None)


def _of_live_and_stored(live: Call, stored: Call) -> list[Pair] | None:
    """Pairs variables with tensors as loading would; `None` where the layer reads its values in a way of its own."""
    from surgery.keras_bridge.assign import paired

    op: Any = stored.op
    layer, source = live_layer(live), op.source
    try:
        pairs = paired(layer, source, live.name)
    except SurgeryError:
        own, other = tensors_of(live) or [], tensors_of(stored) or []
        return [*((one, None) for one in own), *((None, one) for one in other)] if len(own) != len(other) else None
    if pairs.late:
        return None
    return [(_of_variable(variable), tensor) for variable, tensor in pairs.pairs]


def _swapped(pairs: list[Pair] | None) -> list[Pair] | None:
    return None if pairs is None else [(theirs, ours) for ours, theirs in pairs]


def _by_place(call: Call) -> dict[str, Tensor]:
    source = getattr(call.op, "source", None)
    if source is None or not source.tree:
        return {}
    tree, again = source.tree, written_twice(_stored(call), source)
    places = sorted((place for place in tree if "seed_generator" not in place and place not in again), key=_rank)
    return {place: tree[place] for place in places}


def _stored(call: Call) -> Stored:
    op: Any = call.op
    return Stored(op.name, op.class_name, op.config)


def _by_own_name(a: tuple[Call, list[Tensor]], b: tuple[Call, list[Tensor]]) -> list[Pair] | None:
    """Pairs the tensors of a tree with those of a list by their own names, `kernel`, or else by their shapes; `None`
    where two have one."""
    (_, ours), (_, theirs) = a, b
    for keys_of in (_own_names, _shapes):
        keys, others = keys_of(*a), keys_of(*b)
        if set(keys) == set(others) and len(set(keys)) == len(keys) == len(others):
            known = dict(zip(others, theirs, strict=True))
            return [(one, known[key]) for key, one in zip(keys, ours, strict=True)]
    return None


def _own_names(call: Call, tensors: list[Tensor]) -> list[Any]:
    return [own_name(name) for name in names_in_tree(call) or [tensor.name for tensor in tensors]]


def _shapes(call: Call, tensors: list[Tensor]) -> list[Any]:
    return [tensor.shape for tensor in tensors]


def names_in_tree(call: Call) -> list[str]:
    """Returns the names of the tensors of a tree, in the order of `tensors_of`: in the file they have numbers."""
    places = _by_place(call)
    if not places:
        return []
    op: Any = call.op
    names = (name for name, _ in variable_names(_stored(call), op.source))
    told = dict(zip(sorted(op.source.tree, key=natural), names, strict=True))
    return [told[place] for place in places]


def _by_name(call: Call) -> dict[str, Tensor]:
    """Returns the tensors by their names below the layer, `query/kernel`; none where two have one name."""
    layer, source, tensors = live_layer(call), getattr(call.op, "source", None), tensors_of(call) or []
    if layer is not None:
        names = [tensor.name.removeprefix(f"{layer.path}/") for tensor in tensors]
    elif source is not None and source.tree:
        told = dict(zip(sorted(source.tree, key=natural), (weight.name for weight in call.weights), strict=False))
        names = [told.get(place, place).partition("/")[2] for place in _by_place(call)]
    else:
        names = [tensor.name.split(":")[0].rpartition(f"/{call.name}/")[2] for tensor in tensors]
    names = [re.sub(r"_\d+(?=/)", "", name) for name in names]  # numbers that Keras gave
    return dict(zip(names, tensors, strict=True)) if len(set(names)) == len(names) else {}


def _is_ordered(call: Call) -> bool:
    """Whether a list has the variables of a layer in the order of a tree: all are its own, or it is of a known kind."""
    if has(kind_of(call), Trait.PARTS_IN_ORDER):
        return getattr(call.op, "wrapped", None) is None  # a model at each step has an order of its own
    return all(re.fullmatch(r"vars/\d+", place) for place in _by_place(call))


def _rank(place: str) -> list[Any]:
    """Returns a key that sorts the parts of a layer as Keras makes them: query, key, value; forward, backward."""
    return [
        (_PARTS.index(step) if step in _PARTS else -1, [int(one) for one in re.findall(r"\d+", step)], step)
        for step in (step.removeprefix("_") for step in place.split("/"))
    ]


def _of_variable(variable: Any) -> Tensor:
    def load() -> Any:
        import numpy as np

        return np.asarray(variable)

    return Tensor(variable.path, tuple(variable.shape), str(variable.dtype), load)
