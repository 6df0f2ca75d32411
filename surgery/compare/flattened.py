"""Every layer call of a network at every depth, wired across the borders of nested models.

A call inside a nested model takes what is outside through an entry, a step of its own: Keras casts there, and adjusts
the rank. So two networks can be compared call by call, whether a part of them is nested or dissolved.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref
from surgery.graph.calls import Call
from surgery.graph.graph import Graph, owner_below


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One application of a layer, an input of the network, or the entry of a tensor into a nested model.

    Args:
        address: its address in the whole network.
        call: the call, with the flags that are set on it from outside.
        graph: the graph that the call is in.
        owner: the renamed models around it: what is in them are layers of their own.
        args: the arguments of the call, with the addresses of the whole network; of an entry, the tensor that enters.
        kwargs: likewise.
    """

    address: str
    call: Call
    graph: Graph
    owner: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def layer(self) -> Any:
        """What the layer is identified by; the calls of one layer have one key."""
        return (self.owner, self.call.op, self.call.layer)

    @property
    def room(self) -> str:
        """The address of the nested model around it; `""` for none."""
        return self.address.rpartition("/")[0]

    @property
    def applies(self) -> bool:
        """Whether it applies a layer: it is neither an input nor an entry."""
        return self.call.op is not None

    @property
    def refs(self) -> list[Ref]:
        """The tensors that it makes."""
        return [Ref(self.address, index) for index in range(len(self.call.specs))]

    @functools.cached_property
    def parents(self) -> list[Ref]:
        """The tensors that it takes, in order."""
        return [leaf for leaf in leaves((self.args, dict(self.kwargs))) if isinstance(leaf, Ref)]


@dataclasses.dataclass(frozen=True, eq=False)
class Flat:
    """A network without its nested models.

    Args:
        graph: the network.
        steps: address -> step, in runnable order.
        made: tensor of a nested call -> tensor of the step inside that makes it.
    """

    graph: Graph
    steps: dict[str, Step]
    made: dict[Ref, Ref]

    def source(self, ref: Ref) -> Ref:
        """Returns the tensor of a layer or an input that this one is, through entries of nested models."""
        ref = self.made.get(ref, ref)
        while (step := self.steps.get(ref.call)) is not None and not step.applies and step.parents:
            ref = step.parents[0]
        return ref

    @functools.cached_property
    def layers(self) -> dict[Any, list[Step]]:
        """Key of a layer -> its calls, in order."""
        found: dict[Any, list[Step]] = {}
        for step in self.steps.values():
            if step.applies:
                found.setdefault(step.layer, []).append(step)
        return found

    @functools.cached_property
    def users(self) -> dict[str, list[Step]]:
        """Address of a step -> the calls of layers that take what it makes, in order."""
        found: dict[str, list[Step]] = {}
        for step in self.steps.values():
            if step.applies:
                for address in dict.fromkeys(self.source(ref).call for ref in step.parents):
                    found.setdefault(address, []).append(step)
        return found

    @functools.cached_property
    def rooms(self) -> dict[str, dict[str, Step]]:
        """Address of a nested model, or `""` -> name of a layer that is first called there -> that call."""
        found: dict[str, dict[str, Step]] = {"": {}}
        for calls in self.layers.values():
            found.setdefault(calls[0].room, {}).setdefault(calls[0].call.layer, calls[0])
        return found


def flat(graph: Graph) -> Flat:
    """Returns a network without its nested models; one that is given more than its inputs stays one step."""
    steps: dict[str, Step] = {}
    made: dict[Ref, Ref] = {}
    for step in _steps(graph, "", "", made):
        steps[step.address] = step
    return Flat(graph, steps, made)


def _steps(
    graph: Graph, prefix: str, owner: str, made: dict[Ref, Ref], given: Mapping[str, Any] | None = None
) -> Iterator[Step]:
    def here(leaf: Any) -> Any:
        if not isinstance(leaf, Ref):
            return leaf
        ref = Ref(prefix + leaf.call, leaf.index)
        return made.get(ref, ref)

    for call in graph.calls:
        address = prefix + call.name
        if call.op is None:
            yield Step(address, call, graph, owner, () if given is None else (given[call.name],), {})
            continue
        args, kwargs = rebuilt(here, call.args), rebuilt(here, dict(call.kwargs))
        inner = _opened(call)
        feeds = None if inner is None else fed_inside(args, kwargs, inner)
        if inner is None or feeds is None:
            yield Step(address, call, graph, owner, args, kwargs)
            continue
        yield from _steps(inner, f"{address}/", owner_below(owner, call), made, feeds)
        for index, ref in enumerate(leaves(inner.outputs)):
            inside = Ref(f"{address}/{ref.call}", ref.index)
            made[Ref(address, index)] = made.get(inside, inside)


def _opened(call: Call) -> Graph | None:
    return None if call.inner is None else dataclasses.replace(call.inner, calls=tuple(call.below))


def fed_inside(args: Any, kwargs: Mapping[str, Any], inner: Graph) -> dict[str, Any] | None:
    """Returns input of a nested model -> what it is given; `None` where the call gives more than inputs."""
    given = args[0] if args else kwargs.get("inputs")
    further = [leaf for key, value in kwargs.items() if key != "inputs" for leaf in leaves(value)]
    if len(args) > 1 or any(isinstance(leaf, Ref) for leaf in further):
        return None
    names = [ref.call for ref in leaves(inner.inputs)]
    if isinstance(given, dict) and not isinstance(inner.inputs, dict):
        return {name: given[name] for name in names} if set(names) <= given.keys() else None
    values = leaves(given)
    return dict(zip(names, values, strict=True)) if len(values) == len(names) else None
