"""Pictures that Matplotlib draws: a blank figure, and one as a file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from surgery.errors import SurgeryError
from surgery.files import written_whole


def blank(width: float, height: float, dpi: int = 120) -> Any:
    """Returns an empty `matplotlib.figure.Figure` of a size in inches.

    Raises:
        SurgeryError: Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SurgeryError("this picture is drawn by Matplotlib: pip install 'surgery[demo]'.") from error
    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def save_figure(figure: Any, path: Path) -> None:
    """Writes a figure to a PNG, SVG or PDF file, whole or not at all."""
    with written_whole(path) as draft, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the font does not have
        figure.savefig(draft, format=path.suffix[1:])
