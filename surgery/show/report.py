"""What an operation did, in a few aligned lines: kept, new, dropped and frozen calls, and how equal the kept part
is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tabulate import tabulate

from surgery.errors import listing, printable
from surgery.graph import Call, one_call_per_op

if TYPE_CHECKING:
    from surgery.verifying import Verification


def verification_text(found: Verification, kept: str = "") -> str:
    """Returns the report of a `Verification`.

    Args:
        found: the verification.
        kept: the kept calls as a selector, where one says it.
    """
    equal = f"weights of {listing(_names(found.changed), 4)} differ" if found.changed else "weights equal to the bit"
    rows = [
        ("kept", found.kept, f"{printable(found.donor)}: {kept or listing(_names(found.kept), 4)}; {equal}"),
        ("new", found.new, ""),
        ("dropped", found.dropped, listing(_names(found.dropped), 4)),
        ("frozen", found.frozen, ""),
    ]
    lines = [_row(label, calls, note if calls else "") for label, calls, note in rows]
    table = tabulate(lines, tablefmt="plain", colalign=("left", "right", "right", "left"), disable_numparse=True)
    return "\n".join([*(f" {line}".rstrip() for line in table.splitlines()), "", _compared(found)])


def _row(label: str, calls: list[Call], note: str) -> list[str]:
    params = sum(call.params for call in one_call_per_op(calls))
    return [label, f"{len(calls):,} call{'s' if len(calls) != 1 else ' '}", f"{params:,} parameters", note]


def _compared(found: Verification) -> str:
    if not found.differences:
        return f"no kept tensor depends on kept calls alone: nothing to compare with {printable(found.donor)}"
    return (
        f"{len(found.differences):,} kept tensors compared with {printable(found.donor)} on random input: "
        f"largest difference {found.largest:g}"
    )


def _names(calls: Iterable[Call]) -> list[str]:
    return [printable(call.name) for call in calls]
