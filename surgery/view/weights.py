"""The table of tensors: shape, bytes, and what their values are like; as text and JSON."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import math
from collections.abc import Iterable
from typing import Any

from surgery.compare.tensor_names import labels
from surgery.compare.tensors import tensors_of
from surgery.core.errors import SurgeryError, listing, nearest, printable
from surgery.core.names import natural, own_name
from surgery.core.progress import progress
from surgery.core.specs import Weight, megabytes
from surgery.core.tensors import Tensor
from surgery.formats.weight_pieces import Piece
from surgery.graph.graph import Graph
from surgery.graph.traversal import calls_at_every_depth
from surgery.selectors.select import selected
from surgery.view.statistics import Statistics, statistics
from surgery.view.table import plain
from surgery.view.totals import each_layer

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Line:
    """One tensor of a network.

    Args:
        layer: the address of its layer.
        tensor: its name below the layer.
        weight: its description.
        values: what its values are like; `None` where they are not read, or where there are none.
        state: whether it is none of the weights, but of the state of an optimizer.
    """

    layer: str
    tensor: str
    weight: Tensor | Weight
    values: Statistics | None = None
    state: bool = False


def lines_of_graph(graph: Graph, where: Any = None) -> list[Line]:
    """Returns the tensors of the layers of a graph, each layer once, without their values.

    Raises:
        SurgeryError: nothing matches.
    """
    calls = dict(calls_at_every_depth(graph)) if where is None else selected(graph, where)
    found = []
    for address, call in each_layer(calls.items()).items():
        read = tensors_of(call)
        for weight, name in zip(call.weights if read is None else read, labels(call), strict=True):
            found.append(Line(address, name, weight))
    return found


def lines_of_pieces(pieces: Iterable[Piece], where: str | None = None) -> list[Line]:
    """Returns the tensors of a file without an architecture; `where` is a glob on the names of its layers.

    Raises:
        SurgeryError: nothing matches, or the file has none.
    """
    pieces = list(pieces)
    if not pieces:
        raise SurgeryError("the file has no tensors.")
    chosen = [piece for piece in pieces if where is None or fnmatch.fnmatchcase(piece.name, where)]
    if not chosen:
        names = [piece.name for piece in pieces]
        raise SurgeryError(
            f"no layer matches {where!r}.{nearest(where or '', names)} There are {listing(map(printable, names), 6)}."
        )
    return [
        Line(piece.name, _inside(piece, place), one, state=piece.is_state)
        for piece in sorted(chosen, key=lambda piece: piece.is_state)
        for place, one in enumerate(piece.tensors)
    ]


def _inside(piece: Piece, place: int) -> str:
    places = [*(own_name(tensor.name) for tensor in piece.source.row), *piece.source.named]
    return places[place] if places else sorted(piece.source.tree, key=natural)[place]


def read(lines: list[Line]) -> list[Line]:
    """Returns the lines with what their values are like, where a tensor has values of numbers."""
    return [
        dataclasses.replace(line, values=statistics(line.weight)) if isinstance(line.weight, Tensor) else line
        for line in progress(lines, "reading weights")
    ]


_HEADERS = ("layer", "tensor", "shape", "dtype", "size", "mean", "std", "zeros", "odd", "values")
_RIGHT = ("size", "mean", "std", "zeros")


def table(lines: list[Line], width: int | None = None) -> str:
    """Returns the lines as a table that fits the terminal, with a total; the state of an optimizer apart."""
    state = [line for line in lines if line.state]
    weights = _table([line for line in lines if not line.state], width)
    return (
        f"{weights}\n\nstate of the optimizer, which is not counted as weights:\n\n{_table(state, width)}"
        if state
        else weights
    )


def _table(lines: list[Line], width: int | None) -> str:
    known = any(line.values is not None for line in lines)
    odd = any(line.values is not None and (line.values.nan or line.values.infinite) for line in lines)
    headers = [name for name in _HEADERS if name not in (() if known else _HEADERS[5:]) and (odd or name != "odd")]
    cells = [[cell for name, cell in zip(_HEADERS, _cells(line), strict=True) if name in headers] for line in lines]
    text = plain(cells, headers, _RIGHT, width)
    size = sum(line.weight.bytes for line in lines)
    values = sum(line.weight.size for line in lines)
    layers = len({line.layer for line in lines})
    total = f"{len(lines):,} tensors of {layers:,} layer{'s' * (layers != 1)} · {values:,} values · {megabytes(size)}"
    return f"{text}\n\n{total}{_warning(lines)}"


def _cells(line: Line) -> list[str]:
    weight, values = line.weight, line.values
    head = [printable(line.layer), printable(line.tensor), str(weight.shape), weight.dtype, megabytes(weight.bytes)]
    if values is None:
        return [*head, "", "", "", "", ""]
    return [
        *head,
        _number(values.mean),
        _number(values.std),
        f"{values.zeros:.1%}" if values.zeros else "0",
        _odd(values),
        values.sparkline,
    ]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _odd(values: Statistics) -> str:
    parts = [f"{count:,} {word}" for count, word in ((values.nan, "NaN"), (values.infinite, "Inf")) if count]
    return ", ".join(parts)


def _warning(lines: list[Line]) -> str:
    bad = [line for line in lines if line.values is not None and _odd(line.values)]
    if not bad:
        return ""
    names = listing((f"{printable(line.layer)}/{printable(line.tensor)}" for line in bad), 4)
    verb = "tensor holds" if len(bad) == 1 else "tensors hold"
    return f"\n{len(bad):,} {verb} values that are not numbers: {names}"


def as_json(lines: list[Line]) -> str:
    """Returns the lines as JSON; docs/json.md describes it."""
    rows = []
    for line in lines:
        weight = line.weight
        values = None if line.values is None else _plain(dataclasses.asdict(line.values))
        row = {"layer": line.layer, "tensor": line.tensor, "shape": list(weight.shape), "dtype": weight.dtype}
        rows.append({**row, "bytes": weight.bytes, "state": line.state, "values": values})
    return json.dumps({"schema": SCHEMA, "tensors": rows}, indent=1, allow_nan=False)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Returns statistics as JSON has them: `null` where there is no number, and `std` under its former name, too."""
    values = {**values, "spread": values["std"]}
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}
