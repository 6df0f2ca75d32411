"""The table of calls: for the terminal, markdown, CSV and JSON. No Keras; nothing is computed by the network."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from tabulate import tabulate

from surgery import analysis
from surgery.core.errors import SurgeryError, nearest, printable
from surgery.core.recursion import uncollected
from surgery.graph.calls import Call
from surgery.graph.file_errors import understood
from surgery.graph.graph import Graph
from surgery.graph.traversal import tree, undescribed
from surgery.view.column_widths import fit_widths, width_of
from surgery.view.columns import COLUMNS, USUAL, choose_columns, metric, size, sort_rows
from surgery.view.rows import Row, Sheet
from surgery.view.totals import params_of, stages, totals

FORMATS = ("table", "markdown", "json", "csv")
SCHEMA = 1  # of the JSON: docs/json.md


@dataclasses.dataclass(frozen=True)
class View:
    """How a table of calls is asked for.

    Args:
        where: only the calls that match, also those inside nested models; all calls of the top level by default.
        format: `"table"`, `"markdown"`, `"json"` or `"csv"`.
        columns: `"call,macs"`, `"+macs,field"` for the usual ones and these, or `"all"`; in JSON all by default.
        sort: the name of a column: numbers from the largest, texts from A; `"-macs"` the other way round.
        nested: whether the calls inside nested models are listed below them.
        stages: whether totals by output stride follow.
        batch: samples in a batch, for the memory of activations.
        width: columns of the terminal; a table is cut to fit. `None` cuts nothing.
    """

    where: Any = None
    format: str = "table"
    columns: str | None = None
    sort: str | None = None
    nested: bool = False
    stages: bool = False
    batch: int = 1
    width: int | None = None


@uncollected()
def text_of(graph: Graph, view: View) -> str:
    """Returns the calls of a graph as text.

    Raises:
        SurgeryError: no such format or column, or nothing matches.
    """
    if view.format not in FORMATS:
        raise SurgeryError(f"no format {view.format!r}.{nearest(view.format, FORMATS)} There are {', '.join(FORMATS)}.")
    with understood(graph):
        return _text_of(graph, view)


def _text_of(graph: Graph, view: View) -> str:
    names = tuple(COLUMNS) if view.format == "json" and view.columns is None else choose_columns(view.columns)
    sheet, picked = Sheet(graph, view.batch), _picked(graph, view)
    wanted = [*names, *([view.sort.removeprefix("-")] if view.sort else [])]
    rows = [sheet.row(address, call, [name for name in wanted if name in COLUMNS]) for address, call in picked.items()]
    rows = sort_rows(rows, view.sort)
    writers: dict[str, Callable[[], str]] = {
        "json": lambda: _json(sheet, names, rows),
        "csv": lambda: _csv(names, rows),
        "markdown": lambda: _markdown(sheet, names, rows, view),
        "table": lambda: _whole(sheet, names, rows, picked, view),
    }
    return writers[view.format]()


def _picked(graph: Graph, view: View) -> dict[str, Call]:
    found = dict(tree(graph)) if view.nested else {call.name: call for call in graph}
    if view.where is None:
        return found
    from surgery.selectors.select import selected

    matching = selected(graph, view.where)
    return {address: call for address, call in found.items() if address in matching} if view.nested else matching


def _cells(names: tuple[str, ...], row: Row) -> list[str]:
    return [COLUMNS[name].text(row[name]) for name in names]


def _whole(sheet: Sheet, names: tuple[str, ...], rows: list[Row], picked: dict[str, Call], view: View) -> str:
    lines = [_cells(names, row) for row in rows]
    if view.nested and view.sort is None and view.where is None and "call" in names:
        for line, address in zip(lines, picked, strict=True):
            line[names.index("call")] = f"{'  ' * address.count('/')}{printable(address.rpartition('/')[2])}"
    shown = table(names, lines, view.width)
    heads = shown.partition("\n")[0].split()
    hidden = [name for name in names if name not in heads]
    note = [f"The terminal is too narrow for: {', '.join(hidden)}."] if hidden and lines else []
    note += [f"{one}\nWhat follows from settings is `?` there." for one in unknown_settings(sheet.graph)]
    parts = [str(sheet.graph), shown, *note, _totals(sheet, picked)]
    return "\n\n".join([*parts, *([table_of_stages(sheet, width=view.width)] if view.stages else [])])


def unknown_settings(graph: Graph) -> list[str]:
    """Returns a note on the layers that cannot describe themselves, if there are any."""
    found = undescribed(graph)
    lines = [f"  {printable(address)}: {printable(why)}" for address, why in list(found.items())[:4]]
    more = [f"  and {len(found) - 4} more"] if len(found) > 4 else []
    return ["\n".join(["The settings of these layers are not known:", *lines, *more])] if found else []


def table(names: tuple[str, ...], lines: list[list[str]], width: int | None = None) -> str:
    """Returns rows of texts as a table that fits the terminal."""
    return plain(lines, names, [name for name in names if COLUMNS[name].number], width)


def plain(lines: list[list[str]], headers: Sequence[str], right: Sequence[str], width: int | None = None) -> str:
    """Returns aligned columns without rules, each line one space in.

    Args:
        lines: the cells; texts are shortened in place where they do not fit.
        headers: of the columns.
        right: headers of the columns that are aligned to the right.
        width: columns of the terminal, for which texts are shortened and columns left out; `None` leaves out nothing.
    """
    kept = range(len(headers)) if width is None else fit_widths(list(headers), lines, width)
    columns = []
    for column in kept:
        header, cells = headers[column], [line[column] for line in lines]
        width, justified = width_of(header, cells), str.rjust if header in right else str.ljust
        columns.append([justified(text, width) for text in (header, *cells)])
    return "\n".join(f" {'  '.join(line)}".rstrip() for line in zip(*columns, strict=True))


_STAGES = ("stride", "first", "last", "calls", "params", "macs", "memory")


def table_of_stages(sheet: Sheet, tablefmt: str = "plain", width: int | None = None) -> str:
    """Returns the totals by output stride."""
    cells = [
        [
            row["stride"],
            printable(row["first"]),
            printable(row["last"]),
            f"{row['calls']:,}",
            f"{row['params']:,}",
            metric(row["macs"]),
            size(row["memory"]),
        ]
        for row in stages(sheet)
    ]
    right = [name for name in _STAGES if name not in ("first", "last")]
    if tablefmt == "plain":
        return plain(cells, _STAGES, right, width)
    aligned = ["right" if name in right else "left" for name in _STAGES]
    return tabulate(cells, _STAGES, tablefmt=tablefmt, colalign=aligned if cells else None, disable_numparse=True)


def _totals(sheet: Sheet, picked: dict[str, Call]) -> str:
    graph = sheet.graph
    params = params_of(picked)
    if len(picked) < len(graph):
        return f"{len(picked):,} of {len(graph):,} calls · {params:,} of {graph.params:,} parameters"
    found = totals(sheet)
    batch = f", batch of {sheet.batch}" if sheet.batch > 1 else ""
    return (
        f"{len(graph):,} calls · {graph.params:,} parameters · {found['trainable']:,} trainable · "
        f"{metric(found['macs'])} MACs · {size(found['memory'])} activations{batch}"
    )


def _markdown(sheet: Sheet, names: tuple[str, ...], rows: list[Row], view: View) -> str:
    aligned = tuple("right" if COLUMNS[name].number else "left" for name in names)
    cells = [[in_markdown(cell) for cell in _cells(names, row)] for row in rows]
    text = tabulate(cells, names, tablefmt="pipe", colalign=aligned if rows else None, disable_numparse=True)
    return f"{text}\n\n{table_of_stages(sheet, 'pipe')}" if view.stages else text


def in_markdown(cell: str) -> str:
    """Returns text that a reader of Markdown shows as it is."""
    return re.sub(r"([\\|\[\]`])", r"\\\1", cell).replace("<", "&lt;")


def is_formula(cell: str, text: bool) -> bool:
    """Whether a spreadsheet would compute a cell."""
    return cell[:1] in tuple("=+@") or (text and len(cell) > 1 and cell[:1] == "-")


def _csv(names: tuple[str, ...], rows: list[Row]) -> str:
    """Returns comma-separated values: numbers without separators or units, nothing that a spreadsheet would run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        cells = _cells(names, row)
        for place, name in enumerate(names):
            if isinstance(row[name], int) and not isinstance(row[name], bool):
                cells[place] = str(row[name])
        texts = {place for place, name in enumerate(names) if name in ("call", "class", "weights", "from")}
        writer.writerow([f"'{cell}" if is_formula(cell, at in texts) else cell for at, cell in enumerate(cells)])
    return out.getvalue().rstrip("\n")


def _json(sheet: Sheet, names: tuple[str, ...], rows: list[Row]) -> str:
    calls = [{"field" if name == "offset" else name: row[name] for name in names} for row in rows]  # it is in there
    whole = {"schema": SCHEMA, "name": sheet.graph.name, "batch": sheet.batch, "total": totals(sheet)}
    whole["total"]["peak"] = analysis.peak_memory(sheet.graph, sheet.batch)
    whole["total"]["alive"] = whole["total"]["peak"]  # its former name
    head = json.dumps({**whole, "stages": stages(sheet)}, indent=1).removesuffix("\n}")
    lines = ",".join(f"\n  {json.dumps(call)}" for call in calls)  # one a line: to read, to search, and quick to write
    return f'{head},\n "calls": [{lines}\n ]\n}}'


__all__ = ["FORMATS", "USUAL", "View", "in_markdown", "is_formula", "plain", "table", "text_of"]
