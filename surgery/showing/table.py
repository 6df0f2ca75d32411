"""The table of calls: for the terminal, markdown, CSV and JSON. No Keras; nothing is computed by the network."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from tabulate import tabulate

from surgery import analysis
from surgery.errors import SurgeryError, nearest, printable
from surgery.graph import Call, Graph, one_call_per_op
from surgery.where import selected

FORMATS = ("table", "markdown", "json", "csv")
_HEADERS = ("call", "class", "output", "stride", "params", "trainable", "from")
_NUMBERS = ("stride", "params")


def text_of(graph: Graph, where: Any = None, format: str = "table", width: int | None = None) -> str:
    """Returns the calls of a graph as text.

    Args:
        graph: the graph.
        where: only the calls that match, also those inside nested models; all calls of the top level by default.
        format: `"table"`, `"markdown"`, `"json"` or `"csv"`.
        width: columns of the terminal; a table is cut to fit. `None` cuts nothing.
    """
    if format not in FORMATS:
        raise SurgeryError(f"no format {format!r}.{nearest(format, FORMATS)} There are {', '.join(FORMATS)}.")
    chosen = {call.name: call for call in graph} if where is None else selected(graph, where)
    strides = analysis.strides(graph)
    rows = [_row(address, call, strides) for address, call in chosen.items()]
    writers: dict[str, Callable[[], str]] = {
        "json": lambda: _json(graph, rows),
        "csv": lambda: _csv(rows),
        "markdown": lambda: _markdown(rows),
        "table": lambda: "\n\n".join([str(graph), _table(rows, width), _totals(graph, chosen)]),
    }
    return writers[format]()


def _row(address: str, call: Call, strides: dict[str, analysis.Stride]) -> dict[str, Any]:
    prefix = address.removesuffix(call.name)
    return {
        "call": address,
        "class": call.class_name,
        "output": [None if spec.shape is None else list(spec.shape) for spec in call.specs],
        "dtype": [spec.dtype for spec in call.specs],
        "stride": analysis.stride_text(strides.get(address)),
        "params": call.params,
        "trainable": _trainable(call),
        "from": [f"{prefix}{ref}" for ref in dict.fromkeys(call.parents)],
    }


def _trainable(call: Call) -> bool | None:
    return True if call.trainable else False if call.frozen else None


def _printed(row: dict[str, Any]) -> list[str]:
    shapes = ", ".join("?" if shape is None else str(tuple(shape)) for shape in row["output"])
    trainable = {None: "-", True: "yes", False: "no"}[row["trainable"]]
    return [
        printable(row["call"]),
        printable(row["class"]),
        shapes,
        row["stride"],
        f"{row['params']:,}",
        trainable,
        ", ".join(map(printable, row["from"])),
    ]


def _table(rows: list[dict[str, Any]], width: int | None) -> str:
    lines = [list(_HEADERS), *(_printed(row) for row in rows)]
    columns = list(range(len(_HEADERS))) if width is None else _fitted(lines, width)
    cells = [[line[column] for column in columns] for line in lines]
    aligned = ["right" if _HEADERS[column] in _NUMBERS else "left" for column in columns]
    text = tabulate(cells[1:], cells[0], tablefmt="plain", colalign=aligned if rows else None, disable_numparse=True)
    return "\n".join(f" {line}".rstrip() for line in text.splitlines())


def _fitted(lines: list[list[str]], width: int) -> list[int]:
    """Shortens texts and leaves columns out, the least telling first, until a line fits; returns what stays."""
    columns = list(range(len(_HEADERS)))
    for header, least in _GIVE_WAY:
        over = _total(lines, columns) - width
        column = _HEADERS.index(header)
        if over > 0 and least:
            _shorten(lines, column, max(least, _width(lines, column) - over))
        elif over > 0:
            columns.remove(column)
    return columns


# how columns give way on a narrow terminal: to how many characters, or 0 for altogether
_GIVE_WAY = (
    ("from", 14),
    ("call", 24),
    ("class", 16),
    ("from", 0),
    ("trainable", 0),
    ("class", 12),
    ("call", 16),
    ("stride", 0),
    ("output", 18),
)


def _width(lines: list[list[str]], column: int) -> int:
    return max(len(lines[0][column]) + 2, *(len(line[column]) for line in lines))


def _total(lines: list[list[str]], columns: list[int]) -> int:
    return sum(_width(lines, column) + 2 for column in columns)


def _shorten(lines: list[list[str]], column: int, room: int) -> None:
    for line in lines:
        if len(line[column]) > room:
            line[column] = line[column][: room - 1] + "…"


def _totals(graph: Graph, chosen: dict[str, Call]) -> str:
    params = sum(call.params for call in one_call_per_op(chosen.values()))
    if len(chosen) == len(graph):
        moved = sum(
            weight.size
            for call in one_call_per_op(graph)
            if call.trainable
            for weight in call.weights
            if weight.trainable
        )
        return f"{len(graph):,} calls · {params:,} parameters · {moved:,} trainable"
    return f"{len(chosen):,} of {len(graph):,} calls · {params:,} of {graph.params:,} parameters"


def _markdown(rows: list[dict[str, Any]]) -> str:
    aligned = tuple("right" if header in _NUMBERS else "left" for header in _HEADERS)
    cells = [[cell.replace("|", "\\|") for cell in _printed(row)] for row in rows]
    return tabulate(cells, _HEADERS, tablefmt="pipe", colalign=aligned if rows else None, disable_numparse=True)


def _csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADERS)
    for row in rows:
        cells = _printed(row)
        cells[4] = str(row["params"])
        writer.writerow([f"'{cell}" if cell[:1] in "=+@" else cell for cell in cells])
    return out.getvalue().rstrip("\n")


def _json(graph: Graph, rows: list[dict[str, Any]]) -> str:
    total = {"calls": len(graph), "params": graph.params, "bytes": sum(weight.bytes for weight in graph.weights)}
    return json.dumps({"name": graph.name, "total": total, "calls": rows}, indent=1)
