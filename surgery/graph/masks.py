"""The masks of Keras 1 and 2: which tensor has one, and which call is given it.

Keras 3 hands a mask to a layer that takes one tensor. A recurrent layer that is given states too takes several, and its
mask is dropped without a word; Keras 1 and 2 passed that of the sequence. Where tensors are merged, Keras 1 and 2 keep
what every mask that there is keeps; Keras 3 what any mask keeps, and no mask if one is missing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import StoredOp
from surgery.layers.classes import kind_of
from surgery.layers.facts import Trait
from surgery.layers.table import has


@dataclasses.dataclass(frozen=True)
class Mask:
    """The mask of a tensor in Keras 1 and 2.

    Args:
        made_by: the tensors that it is true where all of them are; `None` where that cannot be told here.
        same: whether Keras 3 gives the tensor the same one.
    """

    made_by: tuple[Ref, ...] | None
    same: bool = True


def takes_several(call: Call) -> bool:
    """Whether a recurrent layer is given states by keyword, and no mask."""
    states = leaves(call.kwargs.get("initial_state"))
    return any(isinstance(one, Ref) for one in states) and has(kind_of(call), Trait.RECURRENT)


def dropped(graph: Graph) -> list[str]:
    """Returns the recurrent calls whose mask Keras 3 drops: they are given states, and what they read has a mask."""
    if not any(takes_several(call) and call.kwargs.get("mask") is None for call in graph.calls):
        return []
    found = _Masks(graph, {}, lambda call, mask: None)
    return [call.name for call in graph.calls if call.name in found.lost]


def taken_unnamed(graph: Graph, refs: Iterable[Ref], behind: Container[str]) -> dict[str, Ref]:
    """Returns the calls that take the mask of a tensor, or of what is made of it, from the tensor itself.

    Where no argument names the mask, Keras hands it on beside the tensor; an input in the place of the tensor has none.

    Args:
        graph: in runnable order.
        refs: the tensors.
        behind: the names of the calls that count.
    """
    masks = _Masks(graph, {}, lambda call, mask: None).of
    masked = {ref: ref for ref in refs if ref in masks}
    taken: dict[str, Ref] = {}
    for call in graph.calls if masked else ():
        given = next((masked[ref] for ref in call.given if ref in masked), None)
        if given is None or call.name not in behind:
            continue
        kind = kind_of(call)
        named = any(key.endswith("mask") and key != "attention_mask" for key in call.kwargs)
        takes = call.inner is not None or (has(kind, Trait.TAKES_MASK) and not takes_several(call))
        if takes and not named:
            taken[call.name] = given
        if Ref(call.name) in masks or has(kind, Trait.PASSES_MASK):
            masked[Ref(call.name)] = given
    return taken


def as_before(graph: Graph, report: list[str]) -> Graph:
    """Returns the graph of an old file with masks passed by name, as tensors, wherever Keras 3 would pass another.

    Args:
        graph: in runnable order.
        report: gets a line for each call.

    Raises:
        SurgeryError: a layer was given a mask that cannot be told here.
    """
    if not any(takes_several(call) or has(kind_of(call), Trait.MERGES_MASKS) for call in graph.calls):
        return graph
    wiring = _Wiring(graph)
    found = _Masks(graph, {}, wiring.mask_for)
    if not found.given:
        return graph
    report += [f"{name}: its mask passed by name, which Keras 3 would drop or change" for name in found.given]
    calls = [
        dataclasses.replace(call, kwargs={**call.kwargs, **found.given.get(call.name, {})}) for call in graph.calls
    ]
    return dataclasses.replace(graph, calls=(*calls, *wiring.calls))


class _Masks:
    """The masks of all tensors of a graph.

    Args:
        graph: in runnable order.
        entering: those of its inputs.
        wire: makes the argument of a call of its mask.
    """

    def __init__(self, graph: Graph, entering: Mapping[Ref, Mask], wire: Callable[[Call, Mask], Any]):
        self._wire = wire
        self.of: dict[Ref, Mask] = dict(entering)
        self.given: dict[str, dict[str, Any]] = {}
        self.lost: set[str] = set()
        for call in graph.calls:
            mask = self._made(call) if call.op is not None else None
            if mask is not None:
                self.of[Ref(call.name)] = mask

    def _made(self, call: Call) -> Mask | None:
        """Returns the mask of what a call makes."""
        kind, config = kind_of(call), call.config
        args = leaves(call.args) or call.operands
        masks = [self.of.get(one) if isinstance(one, Ref) else None for one in args]
        if kind == "Masking" or (kind == "Embedding" and config.get("mask_zero")):
            return Mask((Ref(call.name),))
        if call.inner is not None:
            return self._through(call, masks)
        if not any(masks):
            return Mask(None, False) if _embeds(config.get("layer")) else None
        if has(kind, Trait.MERGES_MASKS):
            return _merged(kind, config, masks)
        if kind in ("Attention", "AdditiveAttention"):
            if any(mask is not None and not mask.same for mask in masks):
                self._give(call, [mask and self._wire(call, mask) for mask in masks])
            return masks[0]
        first = masks[0]
        if first is None:
            return None
        if has(kind, Trait.RECURRENT) or kind == "GlobalAveragePooling1D":
            return self._consumed(call, kind, first)
        if has(kind, Trait.PASSES_MASK):
            return first if not _embeds(config.get("layer")) else Mask(None, False)
        passes = getattr(getattr(call.op, "layer", None), "supports_masking", True)  # of a stored one it is not known
        return Mask(None, first.same) if passes and not has(kind, Trait.ENDS_MASK) else None

    def _consumed(self, call: Call, kind: str, mask: Mask) -> Mask | None:
        if call.kwargs.get("mask") is None and (takes_several(call) or not mask.same):
            self.lost |= {call.name} if takes_several(call) and mask.same else set()
            self._give(call, self._wire(call, mask))
        layer = call.config.get("layer")
        inner = layer["config"] if kind == "Bidirectional" and isinstance(layer, Mapping) else call.config
        return Mask(mask.made_by) if inner.get("return_sequences") else None

    def _give(self, call: Call, mask: Any) -> None:
        self.given[call.name] = {"mask": mask}

    def _through(self, call: Call, masks: Sequence[Mask | None]) -> Mask | None:
        """Returns the mask of what a nested model makes; what it does with those it is given cannot be seen outside.

        Raises:
            SurgeryError: inside, one of them would be needed by name.
        """
        inner = call.inner
        if inner is None:
            return None
        entries = zip(leaves(inner.inputs), masks, strict=False)
        entering = {ref: Mask(None, mask.same) for ref, mask in entries if mask is not None}
        found = _Masks(inner, entering, _refuse)
        made = found.of.get(leaves(inner.outputs)[0])
        return None if made is None else Mask(None, made.same)


def _embeds(layer: Any) -> bool:
    """Whether a wrapper wraps what makes a mask at each step."""
    config = layer.get("config") if isinstance(layer, Mapping) else None
    return isinstance(config, Mapping) and (bool(config.get("mask_zero")) or layer.get("class_name") == "Masking")


def _merged(kind: str, config: Mapping[str, Any], masks: Sequence[Mask | None]) -> Mask:
    there = [mask for mask in masks if mask is not None]
    made_by = [mask.made_by for mask in there]
    along_time = kind == "Concatenate" and config.get("axis", -1) not in (-1, 2)
    same = all(mask.same for mask in there) and len(there) == len(masks) and (len(set(made_by)) == 1 or along_time)
    if along_time or None in made_by:
        return Mask(None, same and None not in made_by)
    return Mask(tuple(dict.fromkeys(ref for refs in made_by if refs is not None for ref in refs)), same)


def _refuse(call: Call, mask: Mask) -> Any:
    if mask.made_by is None:
        raise SurgeryError(
            f"{printable(call.name)!r} was given a mask by the Keras that wrote the file, which Keras 3 would drop or "
            "change, and which cannot be passed by name: it comes through a nested model or a custom layer."
        )
    return None


class _Wiring:
    """Makes masks as tensors, each once: those of an Embedding and of a Masking, and where several hold."""

    def __init__(self, graph: Graph):
        self._graph = graph
        self._taken = {call.layer for call in graph}
        self._made: dict[Any, Ref] = {}
        self.calls: list[Call] = []

    def mask_for(self, call: Call, mask: Mask) -> Ref:
        """Returns the mask as a tensor.

        Raises:
            SurgeryError: it cannot be told here.
        """
        _refuse(call, mask)
        first, *others = [self._of(ref) for ref in mask.made_by or ()]
        for other in others:
            first = self._applied("LogicalAnd", {}, first, other)
        return first

    def _of(self, ref: Ref) -> Ref:
        source = self._graph[ref]
        given = source.args[0]
        if kind_of(source) == "Embedding":
            return self._applied("NotEqual", {}, given, 0)
        differs = self._applied("NotEqual", {}, given, source.config.get("mask_value", 0.0))
        return self._applied("Any", {"axis": -1, "keepdims": False}, differs)

    def _applied(self, kind: str, config: dict[str, Any], *args: Any) -> Ref:
        key = (kind, *args)
        if key not in self._made:
            stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
            names = (f"{stem}_{count}" if count else stem for count in range(len(self._taken) + 1))
            name = next(one for one in names if one not in self._taken)
            self._taken.add(name)
            stored = {"module": "keras.src.ops.numpy", "class_name": kind, "config": {"name": name, **config}}
            self.calls.append(Call(name, StoredOp({**stored, "registered_name": None}), args))
            self._made[key] = Ref(name)
        return self._made[key]
