"""Progress on what takes more than two seconds: to stderr, on a terminal alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")


def progress(items: Iterable[Item], label: str = "", total: int | None = None) -> Iterator[Item]:
    """Yields the items, with a bar once two seconds have passed; nothing is shown where stderr is not a terminal.

    Args:
        items: what is worked through.
        label: goes before the bar.
        total: how many there are, where the items do not say it.
    """
    yield from bar(label, total, items)


def bar(label: str = "", total: int | None = None, items: Iterable[Any] | None = None) -> Any:
    """Returns the bar of tqdm that all progress is shown by; without items it is moved by hand."""
    from tqdm import tqdm

    return tqdm(items, desc=label, total=total, file=sys.stderr, disable=None, delay=2, leave=False)


def notice(text: str) -> None:
    """Writes one line to a terminal's stderr: why the next seconds are silent."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)
