"""What a file says of the shapes of tensors, and what standard layers make of them; nothing is guessed."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from surgery.analysis.sizes import inside, made_of
from surgery.core.errors import SurgeryError, listing, printable
from surgery.core.nested import leaves, packed
from surgery.core.specs import Ref, Spec, is_possible
from surgery.formats.output_counts import number_of_outputs
from surgery.graph.calls import Call
from surgery.graph.graph import Graph


def with_specs(graph: Graph, known: dict[Ref, Spec], arity: dict[str, int]) -> Graph:
    """Returns the graph with what is known of each output.

    Args:
        graph: in runnable order.
        known: what the file says.
        arity: call -> how many of its outputs the file uses.
    """
    specs: dict[Ref, Spec] = {}
    calls = []
    for call in graph.calls:
        if call.op is not None:
            call = dataclasses.replace(call, output=_output(call, specs, known, arity.get(call.name, 1)))
        specs.update(zip(call.refs, call.specs, strict=True))
        calls.append(call)
    return dataclasses.replace(graph, calls=tuple(calls))


def _output(call: Call, specs: dict[Ref, Spec], known: dict[Ref, Spec], count: int) -> Any:
    op: Any = call.op
    missing = [ref for ref in call.parents if ref not in specs]
    if missing:
        raise SurgeryError(f"{printable(call.name)!r} takes {listing(map(str, missing))}, which no call makes.")
    below = inside(call, specs)
    if below is not None:
        structure: Any = below.outputs
        made = [below.spec(ref) for ref in leaves(structure)]
    else:
        given = [specs[ref] for ref in call.operands]
        made = made_of(call, given) or []
        plain = not call.kwargs and all(isinstance(one, Ref) for one in call.args)
        if not plain and any(isinstance(one, float) for one in leaves((call.args, dict(call.kwargs)))):  # `x / 255.0`
            made = [Spec(one.shape, "float32") if "int" in one.dtype else one for one in made]
        structure = made[0] if len(made) == 1 else made
        number = number_of_outputs(call, given)
        if number is not None and number != len(made):
            made = [*made[:1], *(Spec(None) for _ in range(number - len(made[:1])))]
            structure = made[0] if number == 1 else made
    if count > len(made) and op.inner is None:
        made = []  # arguments of the call make it return more than the layer alone would
    if count > max(len(made), 1) and made:
        raise SurgeryError(f"the file takes output {count - 1} of {printable(call.name)!r}, which makes {len(made)}.")
    if not made:
        structure = made = [Spec(None) for _ in range(count)]
        structure = made[0] if count == 1 else made
    if structure is made[0]:
        return known.get(Ref(call.name), structure)
    return packed(structure, [known.get(Ref(call.name, index), spec) for index, spec in enumerate(made)])


def shape_of(value: Any) -> tuple[int | None, ...]:
    """Returns a shape that a file says.

    Raises:
        SurgeryError: it is none.
    """
    if not isinstance(value, (list, tuple)) or not is_possible(value):
        raise SurgeryError(f"{printable(value)} is not a shape.")
    return tuple(value)


def input_spec(name: str, config: dict[str, Any]) -> Spec:
    """Returns the spec of an InputLayer of any Keras."""
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    if shape is None and config.get("input_shape") is not None:
        shape = [None, *shape_of(config["input_shape"])]
    if shape is None:
        raise SurgeryError(f"the input {printable(name)!r} has no shape.")
    dtype = config.get("dtype") or config.get("input_dtype") or "float32"
    return Spec(shape_of(shape), dtype_of(dtype) if isinstance(dtype, str) else "float32")


def dtype_of(text: str) -> str:
    """Returns a dtype that a file says.

    Raises:
        SurgeryError: it is none that a tensor can have.
    """
    if text not in ("bool", "string") and not re.fullmatch(r"(u?int(8|16|32|64)|float(16|32|64)|bfloat16)", text):
        raise SurgeryError(f"{printable(text)!r} is not a dtype.")
    return text


def first_spec(class_name: str, config: dict[str, Any], model: Any, built: Any, recurrent: bool) -> Spec:
    """Returns what a Sequential without InputLayer takes: its first layer says it, or the model.

    Args:
        class_name: of the first layer.
        config: of the first layer.
        model: what the model says it was built for.
        built: what the first layer says it was built for.
        recurrent: whether the first layer takes sequences.
    """
    dtype = config.get("input_dtype") or ("int32" if class_name == "Embedding" else config.get("dtype"))
    dtype = dtype_of(dtype) if isinstance(dtype, str) and dtype else "float32"
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    if shape is None and config.get("input_shape") is not None:
        shape = [None, *shape_of(config["input_shape"])]
    if shape is None and class_name == "Embedding":
        shape = [None, config.get("input_length")]
    elif shape is None and isinstance(config.get("input_dim"), int):
        shape = [None, *([config.get("input_length")] if recurrent else []), config["input_dim"]]
    shape = shape or model or built
    return Spec(shape_of(shape), dtype) if shape is not None else Spec(None, dtype)
