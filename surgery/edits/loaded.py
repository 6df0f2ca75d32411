"""What a loader did: where the value of each weight comes from, as a table."""

from __future__ import annotations

import dataclasses

from surgery.core.errors import printable
from surgery.core.reprs import block, line, table
from surgery.core.tensors import Tensor

_HEADERS = ("weight", "shape", "from", "how")


@dataclasses.dataclass(frozen=True)
class WeightSource:
    """Where the values of one weight come from.

    Args:
        weight: its address in the network, `block1_conv1/kernel`.
        shape: its shape.
        source: its name in the file; `None` where it kept the values it had.
        how: `"name"`, `"number"` or `"position"` where it was loaded, and how it was adapted; else why it was not.
    """

    weight: str
    shape: tuple[int, ...]
    source: str | None
    how: str

    def __repr__(self) -> str:
        return line(self, f"{self.weight} {self.shape} from {self.source or 'nothing'}: {self.how}")


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What a loader did: `print` it for the table.

    Args:
        origins: one for each weight of the layers that were meant.
        unused: tensors that no layer took.
        of: what has them: the file, or the name of a network.
    """

    origins: tuple[WeightSource, ...]
    unused: tuple[Tensor, ...]
    of: str = "the file"

    @property
    def loaded(self) -> int:
        """How many weights were loaded."""
        return sum(origin.source is not None for origin in self.origins)

    def __str__(self) -> str:
        from tabulate import tabulate

        text = tabulate(self._rows(), _HEADERS, tablefmt="plain", disable_numparse=True)
        return f"{text}\n\n{self._summary()}"

    def __repr__(self) -> str:
        return line(self, self._summary())

    def _repr_html_(self) -> str:
        return block(self._summary(), table(_HEADERS, self._rows()))

    def _rows(self) -> list[list[str]]:
        rows = [
            [printable(one.weight), str(one.shape), printable(one.source) if one.source else "fresh", one.how]
            for one in self.origins
        ]
        return rows + [["-", str(one.shape), printable(one.name), f"unused in {self.of}"] for one in self.unused]

    def _summary(self) -> str:
        fresh = len(self.origins) - self.loaded
        adapted = sum("; adapted: " in origin.how for origin in self.origins)
        found = f"{self.loaded} of {len(self.origins)} weights loaded{f' ({adapted} adapted)' if adapted else ''}"
        return f"{found}, {fresh} fresh, {len(self.unused)} unused"
