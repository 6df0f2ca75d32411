"""The Where grammar: which calls of a network are meant, in Python and on the command line alike.

    "block5_*"  glob on addresses ("*" stays within one level, "**" crosses "/")      ":Conv2D"  class, glob too
    "..x"  x and all that it depends on     "x.."  x and all that depends on it       "a..b"  every path from a to b
    "[stride=16]"  ":Dense[units=1000]"  "[params>1e6]"  attributes                   "[narrow]"  one tensor wide here
    "lstm#1"  one output     ","  union     "&"  both     "!"  not     "'a,b'"  a name with such characters, quoted

A name means a layer, so it matches all calls of it; `x@0` and `x@1` are its first and second call. A part that matches
nothing is an error that names the nearest addresses, so a misspelt selector never selects quietly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from surgery.core.errors import SurgeryError, first_line, listing
from surgery.core.specs import Ref
from surgery.graph.calls import Call
from surgery.graph.graph import Graph, placed
from surgery.selectors.grammar import GRAMMAR, parse
from surgery.selectors.terms import Atom, Combined, Scope, Selector

Where = Any  # str | Ref | Call | layer class | layer | predicate of a Call | tuple of these (any of)


def selector(where: Where) -> Selector:
    """Returns the selector for anything that may be passed as `where`."""
    if isinstance(where, Selector):
        return where
    if isinstance(where, str):
        return parse(where)
    if isinstance(where, Ref):
        return Atom(str(where), lambda address, _: address == where.call, where.index)
    if isinstance(where, Call):
        return Atom(where.name, lambda address, _: address == where.name)
    if isinstance(where, tuple) and where:
        return Combined(",", tuple(map(selector, where)))
    if isinstance(where, type):
        return Atom(f":{where.__name__}", lambda address, scope: _is_a(scope.calls[address], where))
    if hasattr(where, "get_config"):
        return Atom(getattr(where, "name", repr(where)), lambda address, scope: _applies(scope.calls[address], where))
    if callable(where) and not isinstance(where, Graph):
        return Atom(getattr(where, "__name__", repr(where)), lambda address, scope: _holds(where, address, scope))
    raise SurgeryError(f"a selector was expected, not {where!r} ({type(where).__name__}). {GRAMMAR}")


def _holds(predicate: Callable[[Call], Any], address: str, scope: Scope) -> bool:
    call = placed(scope.calls[address], scope.graph, address)
    try:
        return bool(predicate(call))
    except Exception as error:
        what = f"{type(error).__name__}: {first_line(error)}"
        raise SurgeryError(f"the predicate failed at {call}: {what}. It is asked of every call.") from error


def _is_a(call: Call, cls: type) -> bool:
    layer = getattr(call.op, "layer", None)
    return isinstance(layer, cls) if layer is not None else call.class_name == cls.__name__


def _applies(call: Call, layer: Any) -> bool:
    return any(standin.layer is layer for standin in getattr(call.op, "standins", ()))


def selected(graph: Graph, where: Where, expect: int | None = None) -> dict[str, Call]:
    """Returns the calls that match at any depth, address -> call, in runnable order.

    Raises:
        SurgeryError: nothing matches, a part of the selector matches nothing, or the count is not `expect`.
    """
    scope = Scope(graph)
    try:
        chosen = selector(where)
        found = chosen.addresses(scope)
    except RecursionError as error:
        raise SurgeryError("the selector is nested too deeply.") from error
    if not found:
        raise SurgeryError(f"no call matches {chosen!r} in {graph.name!r}; each part of it matches something.")
    if expect is not None and len(found) != expect:
        raise SurgeryError(
            f"{chosen!r} matches {len(found)} calls of {graph.name!r}, not {expect}: {listing(sorted(found))}."
        )
    return {address: call for address, call in scope.calls.items() if address in found}


def tensors(graph: Graph, where: Where, expect: int | None = None) -> list[Ref]:
    """Returns the tensors that the matched calls make: all outputs of each, or only those named by `#`.

    They come in the order in which the parts of a union, `a, b`, are written; those of one part in that of the graph. A
    `Ref` into a nested model carries the full address of its call.
    """
    calls = selected(graph, where)
    scope = Scope(graph)
    found: dict[Ref, None] = {}
    for member in _members(selector(where)):
        indices: dict[str, list[int]] = {}
        for atom in _indexed_atoms(member):
            for address in atom.addresses(scope):
                indices.setdefault(address, []).append(atom.index or 0)
        meant = member.addresses(scope)
        for address in (address for address in calls if address in meant):
            count = len(calls[address].specs)
            for index in sorted(indices.get(address, range(count))):
                if index >= count:
                    raise SurgeryError(f"{address!r} in {graph.name!r} has {count} outputs; there is no #{index}.")
                found[Ref(address, index)] = None
    if expect is not None and len(found) != expect:
        names = [f"{ref.call}@0" if f"{ref.call}@1" in calls else str(ref) for ref in found]
        raise SurgeryError(
            f"{where!r} means {len(found)} tensors of {graph.name!r}, {listing(names)}; expected {expect}."
        )
    return list(found)


def _members(chosen: Selector) -> Iterable[Selector]:
    """Returns the parts of a union, each of which says by itself which outputs it means."""
    if isinstance(chosen, Combined) and chosen.sign == ",":
        return [member for part in chosen.parts for member in _members(part)]
    return [chosen]


def _indexed_atoms(chosen: Selector) -> Iterable[Atom]:
    if isinstance(chosen, Atom) and chosen.index is not None:
        yield chosen
    for part in chosen.parts:
        yield from _indexed_atoms(part)
