"""What is different about a call that two graphs have: name, class, configuration, wiring, arguments, shapes, flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from surgery.compare.alignment import numbered
from surgery.compare.report import Change
from surgery.core.errors import listing, printable
from surgery.core.nested import leaves, plain, rebuilt
from surgery.core.specs import Ref, Spec, shapes_agree
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.layers.classes import is_of_keras, kind_of
from surgery.layers.configurations import bare, comparable
from surgery.layers.sameness import Sameness, arguments, sameness

_ABSENT = "(absent)"


def changes(a: Call, b: Call, names: Mapping[str, str], prefixes: tuple[str, str]) -> Iterator[Change]:
    """Yields what is different about one call.

    Args:
        a: the call in the first graph.
        b: the same call in the second.
        names: name in the first graph -> name in the second, of all calls that are the same.
        prefixes: the addresses of the models around the two, with their slashes.
    """

    def change(kind: str, before: Any, after: Any, key: str = "") -> Change:
        return Change(prefixes[0] + a.name, prefixes[1] + b.name, kind, key, before, after)

    if a.name != b.name and not (numbered(a) and numbered(b)):
        yield change("name", a.name, b.name)
    nested = [call.inner is not None for call in (a, b)]
    if kind_of(a) != kind_of(b) and not all(nested):
        yield change("class", kind_of(a), kind_of(b))
    elif not any(nested) and sameness(a, b) < Sameness.EQUAL:
        for key, before, after in _of_config(bare(a.config), bare(b.config), is_of_keras(kind_of(a))):
            yield change("config", before, after, key)
    yield from _of_wiring(a, b, names, change)
    if not all(_agree(a, *pair) for pair in zip(a.specs, b.specs, strict=False)):
        yield change("shape", list(map(str, a.specs)), list(map(str, b.specs)))
    if a.weights and b.weights and not any(nested):
        flags = [_flag(a), _flag(b)]
        if flags == ["yes", "yes"] and _moving(a, b) != _moving(b, a):
            flags = [_share(a), _share(b)]
        if flags[0] != flags[1]:
            yield change("trainable", *flags)


def _agree(call: Call, one: Spec, other: Spec) -> bool:
    """Whether two specs are those of one tensor; what a file does not say agrees, but an input says its shape."""
    same = one == other if call.op is None else shapes_agree(one, other)
    return same and (one.dtype == other.dtype or None in (one.shape, other.shape))


def _flag(call: Call) -> str:
    if "affine" in call.flags.values():
        return "with fixed statistics"
    return "yes" if call.trainable else "frozen" if call.frozen else "no"


def _moving(call: Call, other: Call) -> list[bool]:
    """Returns which variables of a layer train, in order; in none where a file and Keras have orders of their own, and
    none where a file has others.
    """
    flags = [weight.trainable for weight in call.weights]
    if isinstance(call.op, type(other.op)):
        return flags
    return sorted(flags) if len(flags) == len(other.weights) else []


def _share(call: Call) -> str:
    names = [weight.name.partition("/")[2] or weight.name for weight in call.weights if weight.trainable]
    return f"{len(names)} of {len(call.weights)} variables ({listing(map(printable, names), 6)})"


def _of_config(a: Any, b: Any, of_keras: bool, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yields (key, before, after) for what differs, the innermost key that does; what a file of Keras does not say has
    its default."""
    for key in [*a, *(key for key in b if key not in a)]:
        before, after = a.get(key, _ABSENT), b.get(key, _ABSENT)
        forms = [comparable({key: value}, "" if of_keras else "?.") for value in (before, after)]
        if forms[0] == forms[1] or [form for form in forms if form.get(key) != _ABSENT] == [{}]:
            continue
        if isinstance(before, dict) and isinstance(after, dict) and before.get("class_name") == after.get("class_name"):
            yield from _of_config(before, after, of_keras, f"{path}{key}.")
        else:
            yield f"{path}{key}".replace(".config.", "."), before, after


def _of_wiring(a: Call, b: Call, names: Mapping[str, str], change: Any) -> Iterator[Change]:
    mine = [str(Ref(names.get(ref.call, f"{ref.call} (removed)"), ref.index)) for ref in a.parents]
    theirs = [str(ref) for ref in b.parents]
    if mine != theirs:
        yield change("wiring", mine, theirs)
    elif arguments(a) != arguments(b):
        yield change("arguments", arguments(a), arguments(b))


def ends(a: Graph, b: Graph, names: Mapping[str, str], prefix: str = "") -> Iterator[str]:
    """Yields what is different about inputs and outputs, in words."""
    for word in ("inputs", "outputs"):
        mine, theirs = getattr(a, word), getattr(b, word)
        before = [str(Ref(names.get(ref.call, f"{ref.call} (removed)"), ref.index)) for ref in leaves(mine)]
        after = [str(ref) for ref in leaves(theirs)]
        forms = [plain(rebuilt(lambda _: "(tensor)", end)) for end in (mine, theirs)]
        forms = [form[0] if isinstance(form, list) and len(form) == 1 else form for form in forms]
        if before != after:
            yield f"{prefix}{word}: {', '.join(before)} -> {', '.join(after)}"
        elif forms[0] != forms[1]:
            yield f"{prefix}{word}: {forms[0]} -> {forms[1]}"
