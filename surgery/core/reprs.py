"""How results show themselves as the last line of a notebook cell: a short line of text, and a bounded HTML table."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

from surgery.core.errors import listing, printable, shortened
from surgery.core.nested import leaves

MOST = 100  # rows of a table; a notebook keeps its output in the file
LINES = 20  # items of a list as text
CELL = 160  # characters of a cell
ENDS = 3  # inputs or outputs of a network that its line names

Item = TypeVar("Item")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = (), most: int = MOST) -> str:
    """Returns rows of plain text as an HTML table: everything is escaped, nothing in it runs.

    Args:
        headers: of the columns.
        rows: the cells, shortened where they are long.
        right: headers of the columns that are aligned to the right.
        most: rows that are shown; a line below says how many more there are.
    """
    rows = list(rows)
    styles = [f' style="text-align:{"right" if header in right else "left"}"' for header in headers]
    head = _row("th", headers, styles)
    body = "".join(_row("td", cells, styles) for cells in rows[:most])
    rest = f"<p>and {len(rows) - most:,} more</p>" if len(rows) > most else ""
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{rest}"


def _row(tag: str, cells: Sequence[str], styles: Sequence[str]) -> str:
    shown = (html.escape(shortened(printable(cell), CELL)) for cell in cells)
    return f"<tr>{''.join(f'<{tag}{style}>{cell}</{tag}>' for cell, style in zip(shown, styles, strict=True))}</tr>"


def block(title: str, *parts: str) -> str:
    """Returns a title, escaped, above parts that are HTML already."""
    return f"<div><strong>{html.escape(printable(title))}</strong>{''.join(parts)}</div>"


def paragraphs(lines: Iterable[str], most: int = LINES) -> str:
    """Returns lines of plain text as HTML, escaped."""
    lines = list(lines)
    more = [f"and {len(lines) - most:,} more"] if len(lines) > most else []
    return "".join(f"<p>{html.escape(printable(line))}</p>" for line in [*lines[:most], *more])


def line(value: object, text: str) -> str:
    """Returns the `repr` of a result: its class and what there is to say of it, `<Groups 16 layers in 6 groups>`."""
    return f"<{type(value).__name__} {printable(text)}>"


def ends(graph: Any) -> list[str]:
    """Returns inputs and outputs of a graph in a few words: `input (None, 4)`, `outputs a (None, 4), b (None, 2)`."""
    return [_end(graph, "input", graph.inputs), _end(graph, "output", graph.outputs)]


def _end(graph: Any, word: str, refs: Any) -> str:
    found = list(dict.fromkeys(leaves(refs)))
    if len(found) == 1:
        return f"{word} {graph.spec(found[0])}"
    named = listing([f"{printable(ref)} {graph.spec(ref)}" for ref in found], ENDS)
    return f"{word}s {named}" if found else f"no {word}"


class Listed(list[Item]):
    """A list whose `repr` shows its first items, one a line, and which is a table in a notebook.

    The columns are the fields of its items, which are dataclasses; a subclass may choose others.
    """

    noun = "item"
    headers: Sequence[str] = ()
    right: Collection[str] = ("params", "size", "count", "largest", "relative", "reaches")

    def cells(self, item: Any) -> list[str]:
        """Returns what the columns say of an item."""
        found = [getattr(item, name) for name in self._headers()]
        return [listing(map(str, one)) if isinstance(one, (list, tuple)) else printable(one) for one in found]

    def _headers(self) -> Sequence[str]:
        return self.headers or [field.name for field in dataclasses.fields(self[0])]  # pyright: ignore[reportArgumentType]

    def __repr__(self) -> str:
        more = [f"... {len(self) - LINES:,} more"] if len(self) > LINES else []
        return f"[{(',' + chr(10) + ' ').join([*(shortened(repr(one), CELL) for one in self[:LINES]), *more])}]"

    def _repr_html_(self) -> str:
        title = f"{len(self):,} {self.noun}{'s' * (len(self) != 1)}"
        return block(title, *([table(self._headers(), map(self.cells, self), self.right)] if self else []))
