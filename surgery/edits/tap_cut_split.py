"""New ends for a network: `tap` inner tensors, `cut` it anywhere, `split` it in two.

Each is new outputs or inputs + prune. The tensors may lie inside nested models, which are dissolved as far as needed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from surgery.core.errors import SurgeryError, doing, listing
from surgery.core.nested import leaves, packed, rebuilt
from surgery.core.specs import Ref
from surgery.edits.crossing import refuse_lost_masks, refuse_open_cut
from surgery.edits.inline import reached
from surgery.formats.output_counts import may_make_more
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.primitives import before, ordered, prune, substitute
from surgery.keras_bridge.either import as_graph, build, edit
from surgery.selectors.select import Where, tensors

Net = TypeVar("Net")


@edit
def tap(graph: Graph, where: Where | Mapping[str, Where], expect: int | None = None) -> Graph:
    """Returns a new graph whose outputs are the matched tensors; calls that they do not need are dropped.

    One model, one forward pass, for any number of taps.

    Args:
        graph: `Graph` or `keras.Model`.
        where: which tensors; or `{name: where}` with one tensor each.
        expect: how many tensors must match.

    Returns:
        A network of the same kind whose output is a dict, by address or by the names given.

    Example:

    >>> sg.tap(sg.open("tinyvgg"), "block3_pool, block5_pool").outputs
    {'block3_pool': block3_pool, 'block5_pool': block5_pool}
    """
    with doing(f"tapping {graph.name!r}"):
        if isinstance(where, Mapping):
            if not where:
                raise SurgeryError("{} names no tensor.")
            names = list(where)
            refs = [tensors(graph, one, expect=1)[0] for one in where.values()]
        else:
            refs = tensors(graph, where, expect)
            names = list(map(str, refs))
        graph, refs = reached(graph, refs)
        notes = [
            f"{ref.call}: custom, so it may make more tensors than the file says; open(path, shapes=True) asks it"
            for ref in refs
            if ref.index == len(graph[ref].specs) - 1 and may_make_more(graph[ref])
        ]
        outputs = dict(zip(names, refs, strict=True))
        return prune(dataclasses.replace(graph, outputs=outputs, notes=(*graph.notes, *dict.fromkeys(notes))))


@edit
def cut(graph: Graph, inputs: Any = None, outputs: Any = None, expect: int | None = None) -> Graph:
    """Returns a new graph with new ends; what lies outside them is dropped, inputs that nothing needs included.

    Args:
        graph: `Graph` or `keras.Model`.
        inputs: tensors that become inputs: a selector, or a list or dict of selectors for one tensor each. An input
            takes the address of the tensor it stands for (in a dict: its key). Inputs of the network that do not lie
            before the cut stay, if what is left uses them; `graph.notes` names those that go. `tap` keeps all inputs.
        outputs: tensors that become the outputs: likewise; several tensors become a list.
        expect: how many tensors each of `inputs` and `outputs`, where it is given, must match.

    Raises:
        SurgeryError: a tensor besides the given ones still crosses the cut (a skip edge); the message names each one,
            with its shape, and the `inputs=` that closes the cut.

    Example:

    >>> sg.cut(sg.open("tinyvgg"), inputs="block4_pool", outputs="fc2").inputs
    block4_pool
    """
    with doing(f"cutting {graph.name!r}"):
        if inputs is None and outputs is None:
            raise SurgeryError("a cut needs inputs=, outputs= or both.")
        graph, (entry, exit) = resolved(graph, [inputs, outputs], expect)
        if exit is not None:
            graph = prune(dataclasses.replace(graph, outputs=exit))
        return _without_idle_inputs(graph) if entry is None else _entered(graph, entry)


def split(x: Net, at: Any, expect: int | None = None) -> tuple[Net, Net]:
    """Returns two new networks, `(front, back)`, such that `back(front(x))` is what the whole computes.

    Args:
        x: `Graph` or `keras.Model`.
        at: where: a selector for one or several tensors, or a list or dict of selectors. Several tensors make a list.
        expect: how many tensors must match.

    Raises:
        SurgeryError: a tensor besides the given ones crosses the cut; the message names each.
    """
    graph = as_graph(x)
    with doing(f"splitting {graph.name!r}"):
        if at is None:
            raise SurgeryError("at= says which tensors.")
        graph, (middle,) = resolved(graph, [at], expect)
        front = prune(dataclasses.replace(graph, outputs=middle))
        back = _entered(graph, middle)
        extra = leaves(back.inputs)[len(leaves(middle)) :]
        if extra:
            raise SurgeryError(
                f"the back also needs {listing(map(str, extra))}, an input besides the cut. "
                "Use cut(outputs=...) for the front and cut(inputs=...) for the back."
            )
    return (front, back) if isinstance(x, Graph) else (build(front), build(back))  # type: ignore


# ---- how ----


def resolved(graph: Graph, ends: list[Any], expect: int | None = None) -> tuple[Graph, list[Any]]:
    """Turns structures of selectors into structures of tensors, all in one graph in which they can be reached."""
    structures = [None if end is None else _tensors_of(graph, end, expect) for end in ends]
    graph, refs = reached(
        graph, [ref for structure in structures if structure is not None for ref in leaves(structure)]
    )
    found = []
    for structure in structures:
        count = 0 if structure is None else len(leaves(structure))
        found.append(None if structure is None else packed(structure, refs[:count]))
        refs = refs[count:]
    return graph, found


def _tensors_of(graph: Graph, where: Any, expect: int | None) -> Any:
    if isinstance(where, (Mapping, list)):
        if not where:
            raise SurgeryError(f"{where!r} names no tensor.")
        if expect not in (None, len(where)):
            raise SurgeryError(f"{where!r} names {len(where)} tensors, not {expect}.")
        if isinstance(where, Mapping):
            return {name: tensors(graph, one, expect=1)[0] for name, one in where.items()}
        return [tensors(graph, one, expect=1)[0] for one in where]
    one_name = isinstance(where, str) and re.fullmatch(r"[\w\-@/.#]+", where) and ".." not in where
    refs = tensors(graph, where, expect=expect if expect is not None else 1 if one_name else None)
    return refs[0] if len(refs) == 1 else refs


def _without_idle_inputs(graph: Graph) -> Graph:
    """Returns the graph without the inputs that nothing needs, in their structure; one that is left alone in a list is
    the input itself. Where none is needed, all stay: Keras makes no model without."""
    idle = {ref for ref in leaves(graph.inputs) if ref not in graph.consumers} - set(leaves(graph.outputs))
    if not idle or len(idle) == len(set(leaves(graph.inputs))):
        return graph
    entries = _filtered(graph.inputs, idle)
    if isinstance(entries, list) and len(entries) == 1 and isinstance(entries[0], Ref):
        entries = entries[0]
    calls = tuple(call for call in graph if Ref(call.name) not in idle)
    return dataclasses.replace(graph, calls=calls, inputs=entries, notes=(*graph.notes, *_idle_notes(graph, idle)))


def _filtered(structure: Any, idle: set[Ref]) -> Any:
    """Returns a structure without some leaves, and without what is empty then; `None` where nothing is left."""
    if isinstance(structure, dict):
        found = {key: _filtered(one, idle) for key, one in structure.items()}
        return {key: one for key, one in found.items() if one is not None} or None
    if isinstance(structure, (list, tuple)):
        return [one for one in (_filtered(item, idle) for item in structure) if one is not None] or None
    return None if structure in idle else structure


def _idle_notes(graph: Graph, idle: set[Ref]) -> list[str]:
    names = [ref.call for ref in leaves(graph.inputs) if ref in idle]
    return [f"{listing(names)}: no longer an input, as nothing that is left needs it"] * bool(names)


def _entered(graph: Graph, entry: Any) -> Graph:
    """Returns the graph with the tensors of `entry` as inputs, and those inputs that do not lie before the cut."""
    refs = leaves(entry)
    refuse_open_cut(graph, refs)
    front = before(graph, [ref.call for ref in refs])
    kept = [call for call in graph if call.name not in front]
    refuse_lost_masks(graph, refs, {call.name for call in kept})
    layers = {call.layer for call in kept}
    names = entry if isinstance(entry, dict) else _input_names(refs, layers)
    refuse_input_names(names)
    if len(set(refs)) < len(refs):
        raise SurgeryError(f"one tensor cannot be two inputs: {listing(map(str, refs))}.")
    clash = sorted(layers & set(names))
    if clash:
        raise SurgeryError(f"an input cannot be called {clash[0]!r}: a layer of that name is left.")
    stubs = [_stub(graph, name, ref) for name, ref in names.items()]
    swap = {ref: Ref(name) for name, ref in names.items()}
    moved = substitute(dataclasses.replace(graph, calls=(*stubs, *kept)), swap)
    used = {ref for call in prune(graph) for ref in call.parents} | set(leaves(graph.outputs))
    staying = [ref for ref in leaves(graph.inputs) if ref.call not in front and ref in used]
    gone = {ref for ref in leaves(graph.inputs) if ref.call not in front} - {*staying}
    entries = rebuilt(swap.__getitem__, entry)
    if isinstance(entries, dict):
        entries.update({ref.call: ref for ref in staying})
    elif staying:
        entries = leaves(entries) + staying
    notes = (*graph.notes, *_idle_notes(graph, gone))
    return ordered(dataclasses.replace(moved, inputs=entries, notes=notes))


def refuse_input_names(names: Iterable[Any]) -> None:
    """Refuses names that Keras, or an address, cannot have.

    Raises:
        SurgeryError: one is no text, is empty, or has a `/`, `#`, or ends in `@1`.
    """
    for name in names:
        if not isinstance(name, str) or not name or re.search(r"[/#]|@\d+$", name):
            raise SurgeryError(f"an input cannot be called {name!r}: expected a text without '/', '#' and '@'.")


def _input_names(refs: list[Ref], taken: set[str]) -> dict[str, Ref]:
    """Names each new input after its tensor; where a layer that is left has the name, `_input` follows it."""
    names: dict[str, Ref] = {}
    for ref in refs:
        name = ref.call.replace("@", "_") + (f"_{ref.index}" if ref.index else "")
        while name in taken or name in names:
            name += "_input"
        names[name] = ref
    return names


def _stub(graph: Graph, name: str, ref: Ref) -> Call:
    """Returns the input that stands for a tensor; one that stands for an input is as that one."""
    if graph[ref].op is None:
        return dataclasses.replace(graph[ref], name=name)
    return Call(name, None, (), {}, graph.spec(ref))
