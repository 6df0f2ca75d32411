"""Images that Matplotlib draws: a blank figure, and one as a file."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError
from surgery.formats.atomic import written_whole
from surgery.formats.caches import keep_fonts


def blank(width: float, height: float, dpi: float = 120, **options: Any) -> Any:
    """Returns an empty `matplotlib.figure.Figure` of a size in inches.

    Raises:
        SurgeryError: Matplotlib is not installed.
    """
    refuse_absent()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, **{"layout": "constrained", **options})


def refuse_absent(extra: str = "demo", instead: str = "") -> None:
    """Refuses what Matplotlib draws where it is not installed; called before long work, that is not lost then.

    Args:
        extra: the extra of this package that installs Matplotlib.
        instead: what does without, as a sentence.

    Raises:
        SurgeryError: Matplotlib is not installed.
    """
    try:
        keep_fonts()
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise SurgeryError(f"this image is drawn by Matplotlib: pip install 'surgery[{extra}]'.{instead}") from error


def written(figure: Any, format: str) -> bytes:
    """Returns a figure as the bytes of a `png`, `svg` or `pdf` file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the font does not have
        figure.savefig(buffer, format=format)
    return buffer.getvalue()


def save_figure(figure: Any, path: Path) -> None:
    """Writes a figure to a PNG, SVG or PDF file, whole or not at all."""
    data = written(figure, path.suffix[1:])
    with written_whole(path) as draft:
        draft.write_bytes(data)
