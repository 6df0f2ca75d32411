"""Graphs whose layers a file describes: what is computed of one may meet anything in it, and that is one refusal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from surgery.core.errors import SurgeryError, first_line, printable
from surgery.graph.graph import Graph
from surgery.graph.traversal import calls_at_every_depth

_ODD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@contextlib.contextmanager
def understood(*graphs: Any) -> Iterator[None]:
    """Turns what is raised in the block into one error, where a graph came out of a file.

    What the readers of a configuration rely on they check; this is for what nobody thought of. Graphs that were made
    from live models are not covered: what is raised over them is a fault of the code.

    Args:
        graphs: what the block works on; anything but a graph is passed over.

    Raises:
        SurgeryError: the configuration of a layer is not what Keras writes.
    """
    try:
        yield
    except SurgeryError:
        raise
    except _ODD as error:
        names = [printable(graph.name) for graph in graphs if isinstance(graph, Graph) and _is_of_a_file(graph)]
        if not names:
            raise
        what = f"{type(error).__name__}: {first_line(error)}"
        raise SurgeryError(
            f"the file of {' or '.join(map(repr, names))} describes a layer in a way in which no Keras does ({what})."
        ) from error


def _is_of_a_file(graph: Graph) -> bool:
    return any(getattr(call.op, "source", None) is not None for _, call in calls_at_every_depth(graph))
