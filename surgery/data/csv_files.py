"""Tables of image files: a CSV with a header, a column for the file and one for the class, perhaps split and group."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping
from pathlib import Path

from surgery.core.errors import SurgeryError, listing, nearest, printable
from surgery.data.folders import ALIASES, CLASSES, Listed
from surgery.formats.paths import refuse_url

_NAMES = {  # what columns are called, letters and digits alone
    "file": ("file", "filename", "filepath", "filenames", "path", "image", "imagepath", "imagefile", "img", "imgpath"),
    "label": ("label", "class", "classname", "labelname", "category", "target", "species", "labels", "y"),
    "split": ("split", "set", "subset", "partition"),
}
_DELIMITERS = ",;\t|"


def listed_by(path: Path, columns: Mapping[str, str], group: str | None) -> list[Listed]:
    """Returns the images of a CSV, in its order; paths are relative to its folder.

    Args:
        path: the CSV, UTF-8, with a header; the delimiter is the one of `,;|` and tab that the header has most of.
        columns: `file`, `label`, `split` -> the name of the column, where it is not one that is guessed.
        group: the name of the column of groups, if images are grouped.

    Raises:
        SurgeryError: it cannot be read, a column is missing, or a line is not whole or lists a file again.
    """
    refuse_url(path)
    shown = printable(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            header = opened.readline()
            opened.seek(0)
            table = csv.reader(opened, delimiter=max(_DELIMITERS, key=header.count))
            names = [name.strip() for name in next(table, [])]
            places = _places(shown, names, columns, group)
            lines = dict((table.line_num, row) for row in table if any(row))  # noqa: C402  the number changes
    except OSError as error:
        raise SurgeryError(f"{shown!r} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SurgeryError(f"{shown!r} is not a CSV in UTF-8: {error}. Save it as one.") from error
    if not lines:
        raise SurgeryError(f"{shown!r} lists no images: it holds no line but its header.")
    found = [_listed(path, number, row, names, places) for number, row in lines.items()]
    _refuse_odd(shown, found, list(lines))
    return found


def _places(shown: str, names: list[str], columns: Mapping[str, str], group: str | None) -> dict[str, int]:
    """Returns what a column holds -> its place."""
    has = f"It has the columns {listing([repr(printable(name)) for name in names])}"
    asked = {**columns, **({"group": group} if group is not None else {})}
    for what, name in asked.items():
        if what not in (*_NAMES, "group"):
            raise SurgeryError(f"columns= has the key {printable(what)!r}; expected file, label or split.")
        if name not in names:
            near = nearest(str(name), names)
            raise SurgeryError(f"{shown!r} has no column {printable(name)!r} for the {what}.{near} {has}.")
    places = {what: names.index(name) for what, name in asked.items()}
    for what, known in _NAMES.items():
        if what in places:
            continue
        found = [at for at, name in enumerate(names) if re.sub(r"[\W_]", "", name.lower()) in known]
        if len(found) > 1:
            called = listing([repr(printable(names[at])) for at in found])
            raise SurgeryError(f"{shown!r} has {called}: which is the {what}? Say it: columns={{'{what}': NAME}}.")
        if not found and what != "split":
            raise SurgeryError(f"{shown!r}: no column is known to hold the {what}. {has}: columns={{'{what}': NAME}}.")
        places |= {what: found[0]} if found else {}
    return places


def _listed(path: Path, number: int, row: list[str], names: list[str], places: Mapping[str, int]) -> Listed:
    where = f"{printable(path)!r}, line {number}"
    if len(row) != len(names):
        raise SurgeryError(f"{where}: {len(row)} values, but the header has {len(names)}. Quote what has delimiters.")
    values = {what: row[at].strip() for what, at in places.items()}
    for what, value in values.items():
        if not value and what != "group":
            raise SurgeryError(f"{where}: no {what}. Fill it in, or take the line out.")
    split = values.get("split", "")
    if split and split.lower() not in ALIASES:
        raise SurgeryError(f"{where}: the split is {printable(split)!r}; expected one of {', '.join(ALIASES)}.")
    file = os.path.normpath(path.parent / values["file"])
    return Listed(file, values["label"], ALIASES.get(split.lower(), ""), values.get("group", ""))


def _refuse_odd(shown: str, found: list[Listed], numbers: list[int]) -> None:
    seen: dict[str, int] = {}
    for one, number in zip(found, numbers, strict=True):
        if seen.setdefault(one.file, number) != number:
            again = f"lists {printable(one.file)!r} again, after line {seen[one.file]}"
            raise SurgeryError(f"{shown!r}, line {number}: {again}. Keep one of the lines.")
    classes = len({one.label for one in found})
    if classes > CLASSES:
        raise SurgeryError(f"{shown!r} has {classes:,} classes; there may be {CLASSES:,}. Is it the column of labels?")
