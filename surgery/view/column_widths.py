"""How a table gives way on a narrow terminal: texts are shortened and columns left out, the least telling first."""

from __future__ import annotations

# to how many characters a column is shortened, or 0 for altogether
_GIVE_WAY = (
    ("from", 14),
    ("weights", 12),
    ("layer", 24),
    ("first", 16),
    ("last", 16),
    ("call", 24),
    ("class", 16),
    ("from", 0),
    ("weights", 0),
    ("size", 0),
    ("offset", 0),
    ("dtype", 0),
    ("trainable", 0),
    ("class", 12),
    ("call", 16),
    ("stride", 0),
    ("memory", 0),
    ("field", 0),
    ("output", 18),
    ("std", 0),
    ("values", 0),
    ("layer", 14),
    ("first", 0),
    ("last", 0),
    ("mean", 0),
)


def fit_widths(headers: list[str], lines: list[list[str]], width: int) -> list[int]:
    """Shortens texts in place, and returns the columns that stay, so that a line has at most `width` characters."""
    columns = list(range(len(headers)))
    widths = [width_of(header, [line[column] for line in lines]) for column, header in enumerate(headers)]
    for header, least in _GIVE_WAY:
        if header not in headers or headers.index(header) not in columns:
            continue
        over = sum(widths[column] + 2 for column in columns) - width
        column = headers.index(header)
        if over > 0 and least:
            _shorten(lines, column, max(least, widths[column] - over))
            widths[column] = width_of(header, [line[column] for line in lines])
        elif over > 0 and len(columns) > 1:
            columns.remove(column)
    return columns


def width_of(header: str, cells: list[str]) -> int:
    """Returns the width of a column: that of its widest text, or two more than its header."""
    return max(len(header) + 2, max(map(len, cells), default=0))


def _shorten(lines: list[list[str]], column: int, room: int) -> None:
    """Shortens the texts of a column in the middle, where names differ least, if they can be told apart after it."""
    tail = room // 3
    before = [line[column] for line in lines]
    after = [text if len(text) <= room else f"{text[: room - 1 - tail]}…{text[-tail:]}" for text in before]
    if len(set(after)) == len(set(before)) or len(set(before)) < len(before):
        for line, text in zip(lines, after, strict=True):
            line[column] = text
