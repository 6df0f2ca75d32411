"""What the inputs of a graph expect of their images, and what edits keep of it.

Graphs are not imported, since they have what is computed here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from surgery.core.errors import listing
from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.graph.preprocessing import Preprocessing
from surgery.layers.facts import Trait
from surgery.layers.table import has


def of_graph(graph: Any) -> Preprocessing | dict[str, Preprocessing | None] | None:
    """What the images that the graph takes should be, a `Preprocessing`, or `None` where that is not known; of several
    inputs a dict by their names.

    An input that was made by hand and goes into a nested model that knows, unchanged or only augmented, is known too.

    >>> sg.open("vgg16").preprocessing.name
    'caffe'
    """
    entries = leaves(graph.inputs)
    if len(entries) == 1:
        return of_input(graph, entries[0])
    return {ref.call: of_input(graph, ref) for ref in entries}


def by_name(graph: Any) -> dict[str, Preprocessing]:
    """Returns what is known of the inputs of a graph, by their names."""
    found = {ref.call: of_input(graph, ref) for ref in leaves(graph.inputs)}
    return {name: one for name, one in found.items() if one is not None}


def of_input(graph: Any, ref: Ref) -> Preprocessing | None:
    """Returns what is expected at an input: its own, or that of the nested models that all its uses go into."""
    if graph[ref].preprocessing is not None:
        return graph[ref].preprocessing
    found = {
        None if inner is None else of_input(call.inner, inner) for call, inner in _uses(graph, ref) if call is not None
    }
    return found.pop() if len(found) == 1 else None


def users(graph: Any, ref: Ref) -> dict[Any, str]:
    """Returns the operations, at any depth, that are given the pixels of an input, and the addresses of their calls."""
    found: dict[Any, str] = {}
    for call, inner in _uses(graph, ref):
        if call is not None and inner is not None:
            found.update(users(call.inner, inner))
        elif call is not None:
            found[call.op] = call.name
    return found


def _uses(graph: Any, ref: Ref) -> Iterator[tuple[Any, Ref | None]]:
    """Yields each call that takes a tensor, past layers that leave pixels as they are, with the input of a nested one
    that gets it; `None` for an output."""
    waiting, seen = [ref], {ref}
    ends = set(leaves(graph.outputs))
    while waiting:
        tensor = waiting.pop()
        if tensor in ends:
            yield None, None
        for name in graph.consumers.get(tensor, ()):
            call, after = graph[name], Ref(name)
            if call.inner is None and has(call.class_name, Trait.IMAGE_TO_IMAGE):
                passed = True
            elif call.inner is not None:
                entries = leaves(call.inner.inputs)
                at = [inner for inner, given in zip(entries, call.parents, strict=False) if given == tensor]
                yield from ((call, inner) for inner in at)
                passed = any(use is None for inner in at for use, _ in _uses(call.inner, inner))
            else:
                passed = False
                yield call, None
            if passed and after not in seen:
                seen.add(after)
                waiting.append(after)


def carried(old: Any, new: Any) -> tuple[dict[str, Preprocessing | None], list[str]]:
    """Returns what the inputs of an edited graph expect, and notes on those of which it is no longer known.

    It is known as long as what takes the pixels is what took them: a Rescaling that is put there, or taken away,
    changes what the images should be.
    """
    now = {ref.call: ref for ref in leaves(new.inputs)}
    found: dict[str, Preprocessing | None] = {}
    notes: list[str] = []
    for ref in leaves(old.inputs):
        if ref.call not in now:
            continue
        expected = of_input(old, ref)
        if expected is None or new[ref.call].preprocessing not in (None, old[ref.call].preprocessing):
            continue  # not known, or said anew by the edit itself
        before, after = users(old, ref), users(new, now[ref.call])
        same = {name for op, name in after.items() if op in before or _keeps_name(op, name, before)}
        added = [name for name in after.values() if name not in same]
        lost = [name for op, name in before.items() if op not in after and name not in same]
        if (added and lost) or not expected.fits(new.spec(now[ref.call])):
            notes.append(
                f"what images {ref.call} expects is no longer known: it was {expected}, and what takes them is now "
                f"{listing(added) or 'of other channels'}"
            )
            found[ref.call] = None
        else:
            found[ref.call] = expected
    return found, notes


def met(graph: Any, part: Any, fed: Mapping[Ref, Ref]) -> tuple[dict[str, Preprocessing], list[str]]:
    """Returns what inputs of a graph expect for the part that they are to feed, and notes where they expect otherwise.

    Args:
        graph: the network.
        part: what is put onto it.
        fed: input of the part -> the tensor of the graph that it is given.
    """
    found: dict[str, Preprocessing] = {}
    notes: list[str] = []
    for entry, tensor in fed.items():
        wants, source = of_input(part, entry), _image(graph, tensor)
        if wants is None or source is None:
            continue
        given = found.get(source.call) or of_input(graph, source)
        if given is None and not users(graph, source):
            found[source.call] = wants
        elif given != wants:
            takes = "images of which nothing is known" if given is None else f"images that are {given}"
            notes.append(f"{source.call} takes {takes}, and {part.name} behind it expects {wants}")
    return found, notes


def _image(graph: Any, tensor: Ref) -> Ref | None:
    """Returns the input whose pixels a tensor is, past layers that leave them as they are."""
    while graph[tensor].op is not None:
        call = graph[tensor]
        if call.inner is not None or not has(call.class_name, Trait.IMAGE_TO_IMAGE) or not call.parents:
            return None
        tensor = call.parents[0]
    return tensor


def stamped(graph: Any, expected: Mapping[str, Preprocessing | None], notes: Iterable[str] = ()) -> Any:
    """Returns the graph whose inputs of these names expect what is said, with notes."""
    new = {name: one for name, one in expected.items() if graph[name].preprocessing != one}
    notes = [note for note in notes if note not in graph.notes]
    if not new and not notes:
        return graph
    calls = tuple(
        dataclasses.replace(call, preprocessing=new[call.name]) if call.name in new else call for call in graph.calls
    )
    return dataclasses.replace(graph, calls=calls, notes=(*graph.notes, *notes))


def _keeps_name(op: Any, name: str, before: Mapping[Any, str]) -> bool:
    """Whether an operation stands where one of its name was: a layer with weights that was dilated, say. One without
    weights is arithmetic, and another one does something else to the pixels."""
    return name in before.values() and bool(op.weights) and op.class_name != "Normalization"
