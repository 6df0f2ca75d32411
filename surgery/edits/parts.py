"""The part that a user grafts: ordinary Keras, called once on symbolic inputs and traced like any model.

A part is a layer, a list of layers, a function of tensors, a `keras.Model` (which stays a nested model) or a `Graph`
(whose calls become calls of the graph it joins).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from surgery.core.errors import SurgeryError, first_line, listing
from surgery.core.names import snake_case
from surgery.core.nested import leaves, rebuilt, sorted_keys
from surgery.core.specs import Ref, Spec
from surgery.edits.compatibility import advice, fits
from surgery.graph.calls import Call, Op
from surgery.graph.free_names import next_call
from surgery.graph.graph import Graph
from surgery.graph.input_preprocessing import met, stamped
from surgery.graph.primitives import extend
from surgery.layers.classes import is_auto_named


def part_graph(part: Any, specs: Any) -> Graph:
    """Returns the graph of a part for inputs of the given specs (a nested structure)."""
    if isinstance(part, Graph):
        _refuse_other_inputs(part, leaves(specs))
        return part
    import keras

    from surgery.keras_bridge.nodes import forget
    from surgery.keras_bridge.trace import model_of, trace

    unknown = [spec for spec in leaves(specs) if spec.shape is None]
    if unknown:
        raise SurgeryError(
            "the file does not say the shape of the tensor; open(path, shapes=True) has Keras compute it."
        )
    inputs = rebuilt(lambda spec: keras.Input(batch_shape=spec.shape, dtype=spec.dtype), specs)
    outputs = _applied(part, inputs, leaves(specs))
    odd = [leaf for leaf in leaves(outputs) if not isinstance(leaf, keras.KerasTensor)]
    if odd or not leaves(outputs):
        found = f"a {type(odd[0]).__name__}" if leaves(outputs) != [None] and odd else "nothing"
        raise SurgeryError(
            f"the part {_name(part)} returned {found}; expected a tensor (or a list or dict of tensors)."
        )
    try:
        graph = trace(model_of(inputs, outputs, "part"))
    except SurgeryError as error:
        raise SurgeryError(f"the part {_name(part)} does not depend on its input alone: {first_line(error)}") from error
    forget(graph)
    return graph


def _applied(part: Any, inputs: Any, specs: list[Spec]) -> Any:
    steps: list[Callable[[Any], Any]] = list(part) if isinstance(part, (list, tuple)) else [part]
    tensor = inputs
    for step in steps:
        if not callable(step) or isinstance(step, type):
            hint = f" Did you mean {step.__name__}()?" if isinstance(step, type) else ""
            raise SurgeryError(
                f"a part is a layer, a list of layers, a function of tensors, a model or a Graph, not {step!r}.{hint}"
            )
        try:
            tensor = step(tensor)
        except SurgeryError:
            raise
        except Exception as error:
            given = ", ".join(str(getattr(leaf, "shape", leaf)) for leaf in leaves(tensor))
            raise SurgeryError(
                f"{_name(step)} does not take {given or ', '.join(map(str, specs))}: {_unnumbered(first_line(error))}"
            ) from error
    return tensor


def _unnumbered(text: str) -> str:
    """Returns a message of Keras without the numbers of layers that Keras named: `flatten_3` becomes `flatten`."""
    import keras

    classes = {snake_case(name) for name in dir(keras.layers)}
    return re.sub(
        r"""(['"])([a-z0-9_]+?)_\d+\1""",
        lambda found: f"{found[1]}{found[2]}{found[1]}" if found[2] in classes else found[0],
        text,
    )


def part_of_function(function: Callable[[Call], Any], call: Call) -> Any:
    """Returns the part that a function of the call gives for it.

    Raises:
        SurgeryError: the function raised an error, as a function of tensors does.
    """
    try:
        return function(call)
    except SurgeryError:
        raise
    except Exception as error:
        raise SurgeryError(
            f"{_name(function)} is given the Call {call.name!r}, not tensors, and raised {type(error).__name__} "
            f"({first_line(error)}); expected a function of the Call that returns a layer, such as lambda call: "
            "keras.layers.Dense(8, name=call.name)."
        ) from error


def _name(part: Any) -> str:
    name = getattr(part, "name", None) or getattr(part, "__name__", None)
    return f"{name!r} ({type(part).__name__})" if name else f"of type {type(part).__name__}"


def _refuse_other_inputs(part: Graph, specs: list[Spec]) -> None:
    wanted = [part.spec(ref) for ref in leaves(part.inputs)]
    if len(wanted) != len(specs) or not all(map(fits, specs, wanted)):
        hint = advice(specs[0], wanted[0]) if len(specs) == len(wanted) == 1 else ""
        raise SurgeryError(
            f"{part.name!r} expects {listing(map(str, wanted))}; it is given {listing(map(str, specs))}.{hint}"
        )


def in_order_of(part: Any, feeds: Any) -> list[Ref]:
    """Returns the tensors that feed a part in the order of its inputs; those of a dict go by their names.

    Raises:
        SurgeryError: the names are others than those of the inputs.
    """
    if not isinstance(feeds, dict):
        return leaves(feeds)
    if isinstance(part.inputs, dict):
        names = sorted_keys(part.inputs)
    elif isinstance(part, Graph):
        names = [ref.call for ref in leaves(part.inputs)]
    else:
        names = list(part.input) if isinstance(part.input, dict) else [tensor.name for tensor in part.inputs]
    if set(feeds) != set(names):
        raise SurgeryError(f"the inputs of {part.name!r} are {listing(names)}; at= names {listing(map(str, feeds))}.")
    return [feeds[name] for name in names]


def one_output(part: Graph) -> Ref:
    """Returns the output of a part that must have one."""
    ends = leaves(part.outputs)
    if len(ends) != 1:
        found = listing(str(part.spec(end)) for end in ends)
        raise SurgeryError(f"the part returns {len(ends)} tensors, {found}; expected one.")
    return ends[0]


def attach(graph: Graph, part: Graph, feeds: list[Ref]) -> tuple[Graph, Any]:
    """Returns the graph with the calls of a part added, fed by `feeds`, and the part's outputs in it."""
    names = _names(graph, part)
    swap = dict(zip(leaves(part.inputs), feeds, strict=True))

    def look(leaf: Any) -> Any:
        return swap.get(leaf) or Ref(names[leaf.call], leaf.index) if isinstance(leaf, Ref) else leaf

    calls = (
        dataclasses.replace(
            call, name=names[call.name], args=rebuilt(look, call.args), kwargs=rebuilt(look, dict(call.kwargs))
        )
        for call in part
        if call.op is not None
    )
    grown = stamped(extend(graph, calls), *met(graph, part, swap))
    return dataclasses.replace(grown, notes=grown.notes + part.notes), rebuilt(look, part.outputs)


def _names(graph: Graph, part: Graph) -> dict[str, str]:
    """Returns a new name for each call of the part: its own, unless Keras gave it and it is taken."""
    layers: dict[Op, str] = {call.op: call.layer for call in graph if call.op is not None}
    of_layer = {call.layer for call in graph}
    taken, names = {call.name for call in graph}, {}
    for call in part:
        if call.op is not None:
            if call.op not in layers:
                layers[call.op] = _free(call, of_layer, graph)
                of_layer.add(layers[call.op])
            names[call.name] = next_call(layers[call.op], taken)
            taken.add(names[call.name])
    return names


def _free(call: Call, taken: set[str], graph: Graph) -> str:
    if call.layer not in taken:
        return call.layer
    stem = snake_case(call.class_name)
    if not is_auto_named(call.layer, call.class_name):
        raise SurgeryError(
            f"the part has a layer named {call.layer!r}, and so has {graph.name!r}. Give it another name: "
            f"name='new_{call.layer}'."
        )
    count = 1
    while f"{stem}_{count}" in taken:
        count += 1
    return f"{stem}_{count}"
