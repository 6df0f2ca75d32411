"""The sum of figures some of which may not be known."""

from __future__ import annotations

from collections.abc import Iterable


def total(figures: Iterable[int | None]) -> int | None:
    """Returns the sum; `None` where one of them is not known."""
    known = list(figures)
    return None if None in known else sum(one for one in known if one is not None)
