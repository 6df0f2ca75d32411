"""`show`: the table of calls, printed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from surgery.keras_bridge.either import as_graph
from surgery.view.table import View, text_of

if TYPE_CHECKING:
    from surgery.selectors.select import Where


def show(
    x: Any,
    where: Where = None,
    format: str = "table",
    columns: str | None = None,
    sort: str | None = None,
    nested: bool = False,
    stages: bool = False,
    batch: int = 1,
    file: TextIO | None = None,
) -> None:
    """Prints the table of calls of a network: address, class, output shape, stride, parameters, trainable, inputs.

    Args:
        x: `Graph` or `keras.Model`.
        where: only the calls that match, also those inside nested models.
        format: `"table"`, `"markdown"`, `"json"` or `"csv"`.
        columns: `"call,macs"`, `"+macs,field"` for the usual columns and these, or `"all"`: `call`, `class`, `output`,
            `dtype`, `stride` (output stride in pixels), `field` (receptive field in pixels), `offset` (its first
            pixel), `params`, `macs` (multiply-accumulates of one sample), `memory` (bytes of the output), `trainable`,
            `weights` (where their values come from), `from`.
        sort: a column: numbers from the largest, texts from A; `"-macs"` the other way round.
        nested: whether the calls inside nested models are listed below them.
        stages: whether totals by output stride follow.
        batch: samples in a batch, for the memory of activations.
        file: where to; standard output by default.

    Raises:
        SurgeryError: no such format or column, or nothing matches.
    """
    out = file or sys.stdout
    view = View(where, format, columns, sort, nested, stages, batch, terminal_width(out))
    print(text_of(as_graph(x), view), file=out)


def terminal_width(out: TextIO) -> int | None:
    """Returns the columns of a terminal, or `None` for a file or a pipe, where nothing needs to be cut."""
    if not out.isatty():
        return None
    import shutil

    return shutil.get_terminal_size((100, 24)).columns
