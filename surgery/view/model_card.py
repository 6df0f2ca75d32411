"""The model card of a network, a page about what it is for: as text, Markdown or JSON. Nothing is computed."""

from __future__ import annotations

import json
from typing import Any

from surgery.core.errors import SurgeryError, listing, printable
from surgery.core.nested import leaves
from surgery.graph.about import About
from surgery.graph.graph import Graph
from surgery.graph.input_preprocessing import by_name
from surgery.graph.preprocessing import Preprocessing
from surgery.view.table import in_markdown

SCHEMA = 1  # of the JSON: docs/json.md
SHOWN = 12  # classes in the text


def card_of(graph: Graph, format: str = "table") -> str:
    """Returns the model card of a network.

    Args:
        graph: the network; what it is for is `graph.about`.
        format: `"table"` for text, `"markdown"`, or `"json"`.

    Raises:
        SurgeryError: it is another format.
    """
    if format not in ("table", "markdown", "json"):
        raise SurgeryError(f"a model card is printed as table (text), markdown or json, not as {format}.")
    about = graph.about or About()
    inputs = {ref.call: graph.spec(ref) for ref in leaves(graph.inputs)}
    if format == "json":
        values = {
            "schema": SCHEMA,
            "name": graph.name,
            **{key: getattr(about, key) or None for key in ("task", "donor", "command")},
            "classes": list(about.classes) or None,
            "inputs": {name: None if spec.shape is None else list(spec.shape) for name, spec in inputs.items()},
            "preprocessing": {name: one.described() for name, one in by_name(graph).items()},
            "params": graph.params,
            **{key: getattr(about, key) for key in ("measures", "data", "versions")},
        }
        return as_json(values)
    rows = [
        ("task", about.task),
        ("classes", _listed(about)),
        ("input", ", ".join(map(str, inputs.values()))),
        ("preprocessing", _pixels(by_name(graph), len(inputs))),
        ("parameters", f"{graph.params:,}"),
        *((f"measure: {name}", f"{value:.6g}") for name, value in about.measures.items()),
        *((f"data: {name}", str(value)) for name, value in about.data.items()),
        ("donor", about.donor),
        ("versions", ", ".join(f"{name} {version}" for name, version in about.versions.items())),
        ("command", about.command),
    ]
    known = [(printable(name), printable(value)) for name, value in rows if value]
    if format == "markdown":
        lines = [f"| {in_markdown(name)} | {in_markdown(value)} |" for name, value in known]
        return "\n".join([f"# {in_markdown(printable(graph.name))}", "", "| | |", "|---|---|", *lines])
    width = max(len(name) for name, _ in known)
    unknown = (
        [] if graph.about else ["", "What it is for is not known: sg.save(model, path, about=sg.About(...)) says it."]
    )
    return "\n".join([printable(graph.name), *(f"  {name:<{width}}  {value}" for name, value in known), *unknown])


def as_json(values: Any) -> str:
    """Returns JSON in which no character is one that a terminal acts on."""
    return json.dumps(values, indent=1).replace("\x7f", "\\u007f")


def _listed(about: About) -> str:
    return f"{len(about.classes):,}: {listing(map(printable, about.classes), SHOWN)}" if about.classes else ""


def _pixels(expected: dict[str, Preprocessing], count: int) -> str:
    if count == 1:
        return ", ".join(map(str, expected.values())) or "not known"
    return ", ".join(f"{name}: {one}" for name, one in expected.items()) or "not known"
