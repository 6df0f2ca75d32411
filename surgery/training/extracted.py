"""What `extract_features` returns: features of images, and what was skipped."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surgery.core.errors import listing, printable
from surgery.core.reprs import block, line, paragraphs, table
from surgery.core.specs import megabytes


@dataclasses.dataclass(frozen=True)
class Extracted:
    """Features of images.

    Args:
        names: of the files, in order; those that could not be read are not among them.
        features: tap -> array, a row for each name; mapped from disk where a file was written.
        unreadable: file -> why it was skipped.
        seconds: that the computing took.
        rate: images per second.
        path: the file that was written, if one was.
        preprocessing: what was done to the images first, and who said so: the network or the argument, or nobody.
        notes: what there is to say of it.
    """

    names: list[str]
    features: dict[str, Any]
    unreadable: dict[str, str]
    seconds: float
    rate: float
    path: Path | None = None
    preprocessing: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        shapes = ", ".join(f"{printable(name)} {tuple(array.shape[1:])}" for name, array in self.features.items())
        return f"{self._counts()}: {shapes}; {self._how()}"

    def _counts(self) -> str:
        skipped = f", {len(self.unreadable):,} skipped" if self.unreadable else ""
        return f"{len(self.names):,} image{'s' * (len(self.names) != 1)}{skipped}"

    def _how(self) -> str:
        return f"{self.seconds:.1f} s, {self.rate:.1f} images/s; preprocessing {self.preprocessing}"

    def __repr__(self) -> str:
        return line(self, f"{self._counts()}: {listing(self.features)}; {self._how()}")

    def _repr_html_(self) -> str:
        rows = [
            (name, str(tuple(array.shape)), str(array.dtype), megabytes(array.nbytes))
            for name, array in self.features.items()
        ]
        parts = [table(("tap", "shape", "dtype", "size"), rows, ("size",))]
        if self.unreadable:
            parts.append(table(("unreadable file", "why"), list(self.unreadable.items())))
        return block(self._counts(), *parts, paragraphs([self._how(), *self.notes]))


def list_problems(problems: Mapping[str, str], limit: int = 20) -> str:
    """Returns files and why they are skipped, one a line; of more than `limit` how many more there are."""
    lines = [f"{printable(name)}: {printable(why)}" for name, why in list(problems.items())[:limit]]
    more = len(problems) - len(lines)
    return "\n  ".join([*lines, *([f"and {more:,} more"] if more else [])])
