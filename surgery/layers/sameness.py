"""Whether two calls apply the same layer, and by how much: the one place that `verify`, `diff` and `Graph ==` ask.

Sameness has degrees, since callers ask different things: whether the variables of one fit the other, whether both
compute the same, whether both are configured alike. Values of weights are no part of it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any

from surgery.core.nested import leaves, plain, rebuilt
from surgery.core.specs import Ref
from surgery.layers.classes import Applied, kind_of, kind_of_weights
from surgery.layers.configurations import comparable


class Sameness(enum.IntEnum):
    """How much two layers are the same."""

    DIFFERENT = 0
    """Another class, or variables of other shapes."""
    LOADABLE = 1
    """One class, and the variables of one fit the other; something that changes the output is configured otherwise."""
    EQUIVALENT = 2
    """With equal weights they compute the same in inference; they may train differently."""
    EQUAL = 3
    """Configured alike, whoever wrote it."""
    IDENTICAL = 4
    """One layer."""


def sameness(a: Any, b: Any) -> Sameness:
    """Returns how much the layers of two calls are the same; of nested models with all that is in them."""
    if a.op is None or b.op is None:
        return Sameness.EQUAL if a.op is b.op else Sameness.DIFFERENT
    if a.op == b.op:
        return Sameness.IDENTICAL
    if a.inner is not None or b.inner is not None:
        return _of_graphs(a.inner, b.inner)
    if kind_of_weights(kind_of(a)) != kind_of_weights(kind_of(b)) or not shapes_fit(a, b):
        return Sameness.DIFFERENT
    wrapped = [getattr(call.op, "wrapped", None) for call in (a, b)]
    inside = _of_graphs(*wrapped) if all(wrapped) else Sameness.EQUAL
    if kind_of(a) == kind_of(b) and _config(a, True, all(wrapped)) == _config(b, True, all(wrapped)):
        return min(inside, Sameness.EQUAL)
    if _config(a, False, all(wrapped)) == _config(b, False, all(wrapped)):
        return min(inside, Sameness.EQUIVALENT)
    return min(inside, Sameness.LOADABLE)


def difference(a: Any, b: Any) -> str:
    """Returns what of a layer changes its output, against another of the same name, as text."""
    kinds = [kind_of(call) for call in (a, b)]
    if kinds[0] != kinds[1]:
        return f"is {kinds[0]}, the donor's {kinds[1]}"
    configs = [comparable(call.config, kind_of(call), training=False) for call in (a, b)]
    keys = [key for key in dict.fromkeys([*configs[1], *configs[0]]) if configs[0].get(key) != configs[1].get(key)]
    if not keys or a.inner is not None:
        return "is made otherwise"
    values = [str(config.get(keys[0], "by default"))[:40] for config in configs]
    more = f" and {len(keys) - 1} more keys" if len(keys) > 1 else ""
    return f"has {keys[0]} {values[0]}, the donor's {values[1]}{more}"


def shapes_fit(a: Any, b: Any) -> bool:
    """Whether the weights of two layers have the same shapes; of other numbers of weights nothing is known."""
    shapes = [sorted(weight.shape for weight in call.weights) for call in (a, b)]
    return shapes[0] == shapes[1] or len(shapes[0]) != len(shapes[1])


def arguments(call: Any, named: Callable[[Ref], Any] = lambda ref: "(tensor)") -> Any:
    """Returns the arguments of a call in one form; a list of one tensor is that tensor.

    Args:
        call: the call.
        named: what stands in the place of a tensor; by default one word for all.
    """
    kwargs = {key: value for key, value in call.kwargs.items() if value is not None}
    if not kwargs.get("training"):
        kwargs.pop("training", None)  # Keras writes it, and goes by what the whole network is called with

    def shown(leaf: Any) -> Any:
        return named(leaf) if isinstance(leaf, Ref) else leaf

    return plain([leaves(rebuilt(shown, call.args)), rebuilt(shown, kwargs)])


def signature(call: Any) -> str:
    """Returns a digest of what a call applies: calls of layers that are EQUAL have one."""
    if call.inner is not None:
        return digest("model", [signature(one) for one in call.inner])
    shapes = [weight.shape for weight in call.weights]
    return digest(kind_of(call), [repr(sorted(comparable(call.config, kind_of(call)).items())), shapes])


def same_structure(a: Iterable[Any], b: Iterable[Any]) -> bool:
    """Whether two graphs have the same calls, by name, in the same wiring; trained by the same flags."""
    ours, theirs = list(a), list(b)
    return len(ours) == len(theirs) and all(map(_same_call, ours, theirs))


def outline(graph: Any) -> Any:
    """Returns the structure of a graph as plain comparable values."""
    calls = [
        (call.name, call.class_name, plain([call.config, call.args, dict(call.kwargs), call.output]), dict(call.flags))
        for call in graph
    ]
    return calls, plain(graph.inputs), plain(graph.outputs)


def digest(*parts: str | Iterable[object]) -> str:
    """Returns a short digest of anything that has a representation."""
    import hashlib

    return hashlib.blake2b(repr(parts).encode("utf-8", "replace"), digest_size=12).hexdigest()


def _same_call(a: Any, b: Any) -> bool:
    if a.name != b.name or arguments(a, str) != arguments(b, str) or not _agree(a, b):
        return False
    flags = [(one.trainable, one.frozen, [flag for flag in one.flags.values() if flag == "affine"]) for one in (a, b)]
    return flags[0] == flags[1] and sameness(a, b) >= Sameness.EQUAL


def _agree(a: Any, b: Any) -> bool:
    """Whether two calls make tensors of the same shapes and types, as far as files say them."""
    if None in (spec.shape for spec in (*a.specs, *b.specs)):
        return True
    return plain(a.output) == plain(b.output)


def _of_graphs(a: Any, b: Any) -> Sameness:
    """Returns the least sameness of the calls of two nested models, which are wired alike."""
    if a is None or b is None or len(a) != len(b):
        return Sameness.DIFFERENT
    degrees = [Sameness.EQUAL]
    names = {one.name: other.name for one, other in zip(a, b, strict=True)}
    for one, other in zip(a, b, strict=True):
        if arguments(one, lambda ref: str(Ref(names.get(ref.call, ""), ref.index))) != arguments(other, str):
            return Sameness.DIFFERENT
        degrees.append(sameness(one, other))
    return min(degrees)


def _config(call: Applied, training: bool, wraps: bool) -> dict[str, Any]:
    found = comparable(call.config, kind_of(call), training)
    return {key: value for key, value in found.items() if not (wraps and key == "layer")}
