"""The wiring of a functional model in a file: which call takes which tensors, and the ends.

Keras 3 writes the arguments of each call, with the shapes of its tensors; Keras 1 and 2 write lists of `[layer, call,
output, keywords]`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from surgery.core.errors import SurgeryError, listing, printable
from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref, Spec
from surgery.formats.json_values import is_tensor, read_value, tensor_spec
from surgery.graph.calls import Call
from surgery.layers.facts import Trait
from surgery.layers.table import has

OUTPUTS = 10_000  # of one call
_ASSUMED = ", which is assumed: check what it computes"
_SYMMETRIC = ("Add", "Average", "Maximum", "Minimum", "Multiply")


class Connections:
    """Reads the wiring of one model.

    Args:
        calls: layer -> the number of its calls, 0 for an input.
        first: layer -> the number of its first call: nested models count themselves as call 0.
        first_end: the same where the ends of the model are named: Keras 3 counts in two ways.
    """

    def __init__(self, calls: dict[str, int], first: dict[str, int], first_end: dict[str, int] | None = None):
        self._calls = calls
        self._first = first
        self._first_end = first_end or first
        self.known: dict[Ref, Spec] = {}

    def ref(self, name: Any, call: Any, output: Any, end: bool = False) -> Ref:
        """Returns the tensor that a file names by layer, number of the call, and number of the output."""
        if not isinstance(name, str) or name not in self._calls or not isinstance(call, int):
            raise SurgeryError(f"the file connects {printable(name)!r}, which is not a layer of it.")
        if not isinstance(output, int) or not 0 <= output < OUTPUTS:
            raise SurgeryError(f"the file takes output {printable(output)} of {printable(name)!r}.")
        if self._calls[name]:
            call -= (self._first_end if end else self._first)[name]
            if not 0 <= call < self._calls[name]:
                raise SurgeryError(f"the file takes call {call} of {printable(name)!r}, which has fewer.")
        return Ref(temporary(name, call), output)

    def arguments(self, node: Any, layer: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Returns the arguments of one call, with a `Ref` for every tensor."""
        if isinstance(node, dict) and "args" in node:
            args, kwargs = read_value(node["args"], self._tensor), read_value(node.get("kwargs") or {}, self._tensor)
            if not isinstance(args, list) or not isinstance(kwargs, dict):
                raise SurgeryError(f"a call of {printable(layer)!r} is not written as Keras writes it.")
            return tuple(args), kwargs
        return self._old_arguments(node, layer)

    def _tensor(self, value: Any) -> Ref:
        found = self.ref(*value["config"]["keras_history"])
        spec = tensor_spec(value)
        if spec is not None:
            self.known[found] = spec
        return found

    def _old_arguments(self, node: Any, layer: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Reads a call of Keras 1 or 2: the tensors it takes, in a list or nested, with keywords at the first."""
        keywords: dict[str, Any] = {}

        def read(value: Any) -> Any:
            if is_reference(value):
                if len(value) > 3 and isinstance(value[3], dict):
                    keywords.update(value[3])
                return self.ref(*value[:3]) if value[0] != "_CONSTANT_VALUE" else value[2]
            if isinstance(value, list):
                return [read(one) for one in value]
            if isinstance(value, dict):
                return {key: read(one) for key, one in value.items()}
            raise SurgeryError(f"a call of {printable(layer)!r} is not written as Keras writes it.")

        given = read(node)
        if isinstance(given, list) and len(given) == 1:
            (given,) = given
        return (given,), {key: self._keyword(value) for key, value in keywords.items() if value is not None}

    def _keyword(self, value: Any) -> Any:
        if is_reference(value):
            return self.ref(*value[:3]) if value[0] != "_CONSTANT_VALUE" else value[2]
        if isinstance(value, dict) and value.get("type") == "ndarray":
            return read_value({"class_name": "__numpy__", "config": {"dtype": "float32", **value}}, self._tensor)
        return value

    def ends(self, stored: Any) -> Any:
        """Returns the inputs or outputs, in the structure in which they are written."""
        if is_reference(stored):
            return self.ref(*stored[:3], end=True)
        if isinstance(stored, list):
            return [self.ends(one) for one in stored]
        if isinstance(stored, dict) and "class_name" not in stored:
            return {name: self.ends(one) for name, one in stored.items()}
        raise SurgeryError("the inputs or outputs of the model are not written as Keras writes them.")


def first_calls(nodes: dict[str, list[Any]], nested: set[str], ends: Any) -> dict[str, int]:
    """Returns the number of the first call of each layer: nested models of Keras 2 may count themselves as call 0.

    Args:
        nodes: layer -> its calls, as the file has them.
        nested: the layers that are models.
        ends: the outputs of the model, as the file has them.
    """
    last: dict[str, int] = {}
    for name, call, *_ in references([list(nodes.values()), ends]) if nested else ():
        if isinstance(name, str) and isinstance(call, int):
            last[name] = max(last.get(name, -1), call)
    return {name: int(name in nested and last.get(name, -1) >= len(calls)) for name, calls in nodes.items()}


def states_by_keyword(args: tuple[Any, ...], kwargs: dict[str, Any], layer: str, config: dict[str, Any]) -> Any:
    """Returns the arguments of a recurrent layer of Keras 2 that is given its states beside the sequence, by keyword.

    Raises:
        SurgeryError: it is given constants too.
    """
    if config.get("num_constants"):
        raise SurgeryError(f"{printable(layer)!r} is given constants, which Keras 3 takes in another way.")
    sequence, *states = args[0]
    return (sequence,), {**kwargs, "initial_state": states}


def takes_states(class_name: str, args: tuple[Any, ...]) -> bool:
    """Whether a call is that of a recurrent layer with its states beside the sequence."""
    return has(class_name, Trait.RECURRENT) and len(args) == 1 and isinstance(args[0], list) and len(args[0]) > 1


def told_apart(calls: list[Call], outputs: Any, report: list[str]) -> list[Call]:
    """Returns the calls of a model with each call of a nested model used: Keras 3.0 to 3.2.1 wrote that all that take
    one take its first call, and stock Keras computes so; the calls that nothing takes say that it is not so.

    A layer that takes all of them, each once, has them in the order in which they were made.

    Raises:
        SurgeryError: which call is taken where cannot be told.
    """
    used = {ref.call for ref in (*(ref for call in calls for ref in call.parents), *leaves(outputs))}
    models: dict[Any, list[str]] = {}
    for call in calls:
        if call.inner is not None:
            models.setdefault(call.op, []).append(call.name)
    current = {call.name: call for call in calls}
    users: dict[str, list[str]] = {}
    for call in calls:
        for name in dict.fromkeys(ref.call for ref in call.parents):
            users.setdefault(name, []).append(call.name)
    ends = {ref.call for ref in leaves(outputs)}
    for first, *others in models.values():
        idle = [name for name in others if name not in used]
        if not idle:
            continue
        takers = [current[name] for name in users.get(first, ())]
        known = first in ends
        if takers and takers[0].name == others[0] and len(takers) > 1:  # its second call cannot take but the first
            known, takers = True, takers[1:]
        taken = [ref.index for call in takers for ref in call.parents if ref.call == first]
        names = idle if known else [first, *idle]
        if len(takers) != 1 or any(taken.count(index) != len(names) for index in taken):
            raise SurgeryError(
                f"{printable(first)!r} is called {len(others) + 1} times, and the file says of each tensor that it "
                f"comes from the first call (as Keras 3.0 to 3.2.1 wrote it): what {listing(map(printable, idle))} is "
                "for is not known. Save the model again with a later Keras, in which it was made."
            )
        (taker,) = takers
        order = {index: iter(names) for index in taken}

        def each(leaf: Any, first: str = first, order: dict[int, Iterator[str]] = order) -> Any:
            is_one = isinstance(leaf, Ref) and leaf.call == first
            return Ref(next(order[leaf.index]), leaf.index) if is_one else leaf

        args, kwargs = rebuilt(each, taker.args), rebuilt(each, dict(taker.kwargs))
        current[taker.name] = dataclasses.replace(taker, args=args, kwargs=kwargs)
        certain = len(names) == 1 or taker.class_name in _SYMMETRIC
        report.append(
            f"{first}: called {len(others) + 1} times, of which the file names the first alone (Keras 3.0 to 3.2.1); "
            f"{taker.name} takes them in the order in which they were made{'' if certain else _ASSUMED}"
        )
    return list(current.values())


def temporary(name: str, number: int) -> str:
    """Returns the address of a call before the calls have their order."""
    return f"{name}@{number}" if number else name


def is_reference(value: Any) -> bool:
    """Whether a value is `[layer, call, output]`, with keywords or without, as Keras 1 and 2 write a tensor."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and (isinstance(value[2], int) or value[0] == "_CONSTANT_VALUE")
    )


def references(value: Any) -> list[list[Any]]:
    """Returns every `[layer, call, output]` in a structure, in either form."""
    waiting, found = [value], []
    while waiting:
        one = waiting.pop()
        if is_reference(one):
            found.append(one)
            waiting.extend(one[3:])
        elif is_tensor(one):
            found.append(one["config"]["keras_history"])
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return found
