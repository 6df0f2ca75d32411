"""`show`: the table of calls, printed."""

from __future__ import annotations

import shutil
import sys
from typing import Any, TextIO

from surgery.doors import as_graph
from surgery.showing.table import text_of
from surgery.where import Where


def show(x: Any, where: Where = None, format: str = "table", file: TextIO | None = None) -> None:
    """Prints the table of calls of a network: address, class, output shape, stride, parameters, trainable, inputs.

    Args:
        x: `Graph` or `keras.Model`.
        where: only the calls that match, also those inside nested models.
        format: `"table"`, `"markdown"`, `"json"` or `"csv"`.
        file: where to; standard output by default.
    """
    out = file or sys.stdout
    print(text_of(as_graph(x), where, format, terminal_width(out)), file=out)


def terminal_width(out: TextIO) -> int | None:
    """Returns the columns of a terminal, or `None` for a file or a pipe, where nothing needs to be cut."""
    return shutil.get_terminal_size((100, 24)).columns if out.isatty() else None
