"""What a folder or a CSV of labelled images holds: each file, its class and its size, by headers alone."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError, printable
from surgery.core.progress import progress
from surgery.data.csv_files import listed_by
from surgery.data.folders import Listed, listed_in
from surgery.data.image_files import measured, why
from surgery.formats.paths import refuse_url

BROKEN = 0.01  # of the files may be broken; more than one has to be, for a stop
NAMED = 5  # problems that a message names


@dataclasses.dataclass(frozen=True)
class Survey:
    """Images that can be read, by their headers, and those that cannot.

    Args:
        path: the folder or CSV.
        found: the images.
        sides: (height, width) of each, in pixels.
        by_pillow: whether Pillow has to decode each.
        classes: their names, sorted, also of classes of which no image can be read.
        problems: file -> why it cannot be read.
        notes: what was passed over.
    """

    path: Path
    found: list[Listed]
    sides: Any
    by_pillow: list[bool]
    classes: tuple[str, ...]
    problems: dict[str, str]
    notes: list[str]

    @property
    def root(self) -> str:
        """The folder from which paths count: that of a CSV, or the folder itself."""
        return str(self.path.parent if is_table(self.path) else self.path)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Returns `min`, `median` and `max` -> (height, width) in pixels, each side alone."""
        if not len(self.sides):
            return {}
        figures = {"min": np.min, "median": np.median, "max": np.max}
        found = {name: figure(self.sides, axis=0) for name, figure in figures.items()}
        return {name: (int(height), int(width)) for name, (height, width) in found.items()}


def is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def survey(
    path: str | os.PathLike[str],
    columns: Mapping[str, str] | None = None,
    group: str | Callable[[Path], object] | None = None,
) -> Survey:
    """Returns what a folder or CSV holds.

    Raises:
        SurgeryError: as `images`, before its images are looked at.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise SurgeryError(f"expected a folder of images or a .csv file, got {printable(repr(path))}.")
    refuse_url(path)
    path = Path(path)
    table = is_table(path) and not path.is_dir()
    if group is not None and not callable(group) and not (table and isinstance(group, str)):
        raise SurgeryError(
            f"group={printable(repr(group))}: expected a function from the path of a file to the name of its group, or "
            f"with a .csv file the name of a column."
        )
    if columns and not table:
        raise SurgeryError(f"columns= is for a .csv file; {printable(path)!r} is not one.")
    if table:
        listed, notes = listed_by(path, columns or {}, group if isinstance(group, str) else None), []
    else:
        listed, notes = listed_in(path)
    if callable(group):
        listed = [dataclasses.replace(one, group=str(group(Path(one.file)))) for one in listed]
    found, sides, pillow, problems = [], [], [], {}
    for one in progress(listed, "headers"):
        try:
            width, height, by_pillow = measured(Path(one.file))
        except (OSError, ValueError) as error:
            problems[one.file] = why(error)
        else:
            found.append(one)
            sides.append((height, width))
            pillow.append(by_pillow)
    classes = tuple(sorted({one.label for one in listed}))
    return Survey(path, found, np.array(sides, "int32").reshape(-1, 2), pillow, classes, problems, notes)


def allowed(total: int) -> int:
    """Returns how many of some files may be broken."""
    return max(1, int(BROKEN * total))


def refuse_broken(problems: Mapping[str, str], total: int) -> None:
    """Refuses images of which too many cannot be read.

    Raises:
        SurgeryError: it is more than 1 % of them, and more than one.
    """
    if len(problems) < total and len(problems) <= allowed(total):
        return
    first = "\n".join(f"  {printable(file)}: {printable(said)}" for file, said in list(problems.items())[:NAMED])
    more = f"\n  and {len(problems) - NAMED:,} more" if len(problems) > NAMED else ""
    raise SurgeryError(
        f"{len(problems):,} of {total:,} images cannot be read; up to {BROKEN:.0%} are skipped. Mend or remove "
        f"them:\n{first}{more}"
    )
