"""The columns of the table of calls: their names, how a person reads them, and in which order they sort."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from surgery.analysis.strides import each_axis
from surgery.core.errors import SurgeryError, listing, nearest, printable
from surgery.core.specs import megabytes
from surgery.view.rows import Row


@dataclasses.dataclass(frozen=True)
class Column:
    """One column.

    Args:
        name: its header, and what `--columns` and `--sort` call it.
        text: its value as a person reads it.
        number: whether it is a number: to the right, and the largest first.
        key: the value to sort by; `None` goes last.
    """

    name: str
    text: Callable[[Any], str]
    number: bool = False
    key: Callable[[Any], Any] = lambda value: value


def metric(count: int | None) -> str:
    """Returns a count as people read it: `15.5 G`, `86.7 M`, `300`; `?` where it is not known."""
    if count is None:
        return "?"
    for power, unit in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if count >= 10**power:
            value = count / 10**power
            return f"{value:,.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"
    return str(count)


def size(count: int | None) -> str:
    """Returns bytes as people read them, `?` where they are not known."""
    return "?" if count is None else megabytes(count)


def _shapes(shapes: list[list[int | None] | None]) -> str:
    return ", ".join("?" if shape is None else str(tuple(shape)) for shape in shapes)


def _field(field: dict[str, Any] | None) -> str:
    if field is None:
        return "?"
    return "all" if field["all"] else each_axis(field["size"])


def _offset(field: dict[str, Any] | None) -> str:
    return "?" if field is None else "-" if field["all"] else each_axis(field["offset"])


def _widest(field: dict[str, Any] | None) -> Any:
    return None if field is None else (field["all"], max(field["size"], default=0))


def _stride(stride: str) -> Any:
    numerator, _, denominator = stride.split(" x ")[0].partition("/")
    return None if stride in "-?" else int(numerator) / int(denominator or 1)


COLUMNS = {
    column.name: column
    for column in (
        Column("call", printable),
        Column("class", printable),
        Column("output", _shapes, key=str),
        Column("dtype", lambda dtypes: ", ".join(dict.fromkeys(dtypes)), key=str),
        Column("stride", str, number=True, key=_stride),
        Column("field", _field, number=True, key=_widest),
        Column("offset", _offset, number=True, key=lambda field: None if field is None else field["offset"]),
        Column("params", lambda count: f"{count:,}", number=True),
        Column("macs", metric, number=True),
        Column("memory", size, number=True),
        Column("trainable", lambda value: {None: "-", True: "yes", False: "no"}[value], key=str),
        Column("weights", lambda value: printable(value or "-"), key=lambda value: value or ""),
        Column("from", lambda names: ", ".join(map(printable, names)), key=str),
    )
}
USUAL = ("call", "class", "output", "stride", "params", "trainable", "from")


def choose_columns(asked: str | None) -> tuple[str, ...]:
    """Returns the names of the columns that are meant by `call,macs`, by `+macs,field` (the usual ones and these) or
    by `all`.

    Raises:
        SurgeryError: there is no such column.
    """
    if asked is None:
        return USUAL
    if asked == "all":
        return tuple(COLUMNS)
    names = [_known(name.strip()) for name in asked.removeprefix("+").split(",")]
    if asked.startswith("+"):
        return tuple(name for name in COLUMNS if name in (*USUAL, *names))
    return tuple(dict.fromkeys(names))


def _known(name: str) -> str:
    """Returns the header of a column that a user names; the table has no room for `receptive_field`."""
    name = "field" if name == "receptive_field" else name
    if name not in COLUMNS:
        raise SurgeryError(
            f"no column {printable(name)!r}.{nearest(name, COLUMNS)} There are {listing(COLUMNS, len(COLUMNS))}."
        )
    return name


def sort_rows(rows: list[Row], sort: str | None) -> list[Row]:
    """Returns the rows sorted by a column: numbers from the largest, texts from A; `-macs` the other way round.

    Raises:
        SurgeryError: there is no such column.
    """
    if sort is None:
        return rows
    name = _known(sort.removeprefix("-"))
    column = COLUMNS[name]
    keys = {id(row): column.key(row[name]) for row in rows}
    known = [row for row in rows if keys[id(row)] is not None]
    known.sort(key=lambda row: keys[id(row)], reverse=column.number != sort.startswith("-"))
    return [*known, *(row for row in rows if keys[id(row)] is None)]
