"""Names that nothing in a graph has yet."""

from __future__ import annotations


def _free(name: str, taken: set[str]) -> str:
    count, free = 0, name
    while any(one == free or one.startswith(f"{free}@") for one in taken):
        count, free = count + 1, f"{name}_{count + 1}"
    return free


def next_call(layer: str, taken: set[str]) -> str:
    """Returns the name of a further call of a layer: `x`, `x@1`, `x@2`, whichever comes first and is free."""
    count = 0
    while (f"{layer}@{count}" if count else layer) in taken:
        count += 1
    return f"{layer}@{count}" if count else layer
