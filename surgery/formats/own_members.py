"""What a `.keras` file says besides the model, in members that Keras does not look at: images, and what it is for."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError, first_line, printable
from surgery.formats.json_text import parsed
from surgery.formats.zip import Archive
from surgery.graph.about import About, with_about
from surgery.graph.about import read as read_about
from surgery.graph.graph import Graph
from surgery.graph.input_preprocessing import stamped
from surgery.graph.preprocessing import Preprocessing
from surgery.graph.preprocessing import read as read_preprocessing

PREPROCESSING = "preprocessing.json"
ABOUT = "about.json"
SIZES = {PREPROCESSING: 2**16, ABOUT: 2**23}  # bytes
_ERRORS = (SurgeryError, ValueError, TypeError, AttributeError, RecursionError)


def add_members(draft: Path, expected: Mapping[str, Preprocessing], about: About | None) -> None:
    """Adds to a `.keras` file what is known of its model.

    Args:
        draft: the file.
        expected: what inputs expect of their images, by their names.
        about: what the model is for.

    Raises:
        SurgeryError: it would be too long to be read again.
    """
    values = {
        PREPROCESSING: {name: one.described() for name, one in expected.items()},
        ABOUT: {} if about is None else about.described(),
    }
    for member, value in values.items():
        if not value:
            continue
        text = json.dumps(value, indent=1)
        if len(text) > SIZES[member]:
            raise SurgeryError(
                f"{member} would have {len(text):,} bytes; at most {SIZES[member]:,} are kept in a file."
            )
        with zipfile.ZipFile(draft, "a") as archive:
            archive.writestr(member, text)


def with_members(graph: Graph, archive: Archive) -> Graph:
    """Returns a graph from a file with what the file says of it; what is wrong there is left out, and noted."""
    return _with_about(_with_preprocessing(graph, archive), archive)


def _said(archive: Archive, member: str) -> dict[str, Any]:
    return parsed(archive.read(member, SIZES[member]), member, archive.budget)


def _with_preprocessing(graph: Graph, archive: Archive) -> Graph:
    if PREPROCESSING not in archive:
        return graph
    inputs = {call.name: call.specs[0] for call in graph if call.op is None}
    found: dict[str, Preprocessing | None] = {}
    try:
        for name, one in _said(archive, PREPROCESSING).items():
            found[name] = read_preprocessing(one)
            if name not in inputs or not found[name].fits(inputs[name]):  # type: ignore[union-attr]
                raise SurgeryError(f"{printable(name)!r} is not an input for such images.")
    except _ERRORS as error:
        note = (
            f"{PREPROCESSING} in the file is left out, and what its images should be is not known: {first_line(error)}"
        )
        return stamped(graph, {}, [note])
    return stamped(graph, found)


def _with_about(graph: Graph, archive: Archive) -> Graph:
    if ABOUT not in archive:
        return graph
    try:
        return with_about(graph, read_about(_said(archive, ABOUT)))
    except _ERRORS as error:
        note = f"{ABOUT} in the file is left out, and what the model is for is not known: {first_line(error)}"
        return stamped(graph, {}, [note])
