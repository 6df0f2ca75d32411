"""What a network expects of its images, in a member of its own of a `.keras` file, which Keras does not look at."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError, first_line, printable
from surgery.formats.zip import Archive
from surgery.graph.graph import Graph
from surgery.graph.input_preprocessing import stamped
from surgery.graph.preprocessing import Preprocessing, read

MEMBER = "preprocessing.json"
SIZE = 2**16  # bytes


def add_preprocessing(draft: Path, expected: Mapping[str, Preprocessing]) -> None:
    """Adds to a `.keras` file what is expected at inputs, by their names; nothing where nothing is known."""
    if expected:
        text = json.dumps({name: one.described() for name, one in expected.items()}, indent=1)
        with zipfile.ZipFile(draft, "a") as archive:
            archive.writestr(MEMBER, text)


def with_preprocessing(graph: Graph, archive: Archive) -> Graph:
    """Returns a graph from a file with what the file says of its images; what is wrong there is noted."""
    if MEMBER not in archive:
        return graph
    inputs = {call.name: call.specs[0] for call in graph if call.op is None}
    found: dict[str, Preprocessing | None] = {}
    try:
        said: Any = json.loads(archive.read(MEMBER, SIZE))
        for name, one in said.items():
            found[name] = read(one)
            if name not in inputs or not found[name].fits(inputs[name]):  # type: ignore[union-attr]
                raise SurgeryError(f"{printable(name)!r} is not an input for such images.")
    except (SurgeryError, ValueError, AttributeError, RecursionError) as error:
        note = f"{MEMBER} in the file is left out, and what its images should be is not known: {first_line(error)}"
        return stamped(graph, {}, [note])
    return stamped(graph, found)
