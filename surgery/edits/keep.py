"""What a new layer keeps of the old one where it has another number of outputs, or of rows: `keep=` of `replace`.

A head that gets more classes keeps the columns of the old ones, an Embedding that gets more rows its rows. What is
kept has the old values, what is new what the initializers of the new layer have drawn.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable, Sequence
from typing import Any

from surgery.core.errors import SurgeryError, listing
from surgery.core.tensors import Tensor
from surgery.keras_bridge.effective_values import Value
from surgery.layers.kernel_layouts import axis_of_outputs

Keep = bool | Sequence[int | None]


@dataclasses.dataclass
class Kept:
    """Which outputs of a new layer are which of the old one.

    Args:
        keep: as `replace` takes it.
        places: output of the new layer -> output of the old one, once it is known.
        counts: number of outputs of the old and of the new layer, likewise.
        rows: whether they are the rows of an Embedding.
    """

    keep: Keep
    places: dict[int, int] = dataclasses.field(default_factory=dict)
    counts: tuple[int, int] | None = None
    rows: bool = False

    def gift(self, target: Any, source: Any) -> Any:
        """Returns what a new layer is given by the old one: a `Gift`.

        Raises:
            SurgeryError: what is kept would not compute what it did: more than the number of outputs differs.
        """
        from surgery.keras_bridge.give import gift

        found = gift(target, source, choose=self._chosen)
        both = next((name for name in found.fresh if name in found.left), "")
        if both:
            shapes = [side[both].shape for side in (found.left, found.fresh)]
            fault = f"{both} of {source.name!r} is {shapes[0]}, and of the new layer {shapes[1]}"
        elif found.left:
            fault = f"the new layer has no {listing(found.left)}"
        elif self.counts is None:
            fault = "there is nothing to keep"
        else:
            return found
        raise SurgeryError(
            "keep= is for Dense, EinsumDense, convolutions without groups, and Embedding, where only the number of "
            f"outputs or rows differs. From {type(source).__name__} to {type(target).__name__}, {fault}."
        )

    def _chosen(self, part: Any, mine: Value, theirs: Tensor) -> Tensor | None:
        axis = axis_of_outputs(part, mine.name, mine.shape, theirs.shape)
        sides = [tuple(side for at, side in enumerate(one.shape) if at != axis) for one in (mine, theirs)]
        if sides[0] != sides[1]:
            return None
        if axis is None:
            return theirs
        self.counts = theirs.shape[axis], mine.shape[axis]
        self.places = _places(self.keep, *self.counts)
        self.rows = mine.name == "embeddings"
        return dataclasses.replace(theirs, shape=mine.shape, load=lambda: _filled(mine, theirs, axis, self.places))

    def __str__(self) -> str:
        old, new = self.counts or (0, 0)
        same = all(place == other for place, other in self.places.items())
        which = "old ones" if same else f"old {_numbers(self.places.values())}"
        fresh = [place for place in range(new) if place not in self.places]
        what = "rows" if self.rows else "outputs"
        return (
            f"{what} {_numbers(self.places)} of {new} are the {which}{f' of {old}' if len(self.places) < old else ''}"
            f"{f', {_numbers(fresh)} fresh' if fresh else ''}"
        )


def _places(keep: Keep, old: int, new: int) -> dict[int, int]:
    """Returns output of the new layer -> output of the old one.

    Raises:
        SurgeryError: there are no such outputs, or more than the new layer has.
    """
    if isinstance(keep, bool):
        if new < old:
            raise SurgeryError(f"{old} do not fit into {new}: keep=[0, 2, ...] says which {new} of them are kept.")
        return {place: place for place in range(old)}
    try:
        found = {place: operator.index(other) for place, other in enumerate(keep) if other is not None}
    except TypeError as error:
        raise SurgeryError(f"keep={keep!r}: expected True, or a list of numbers of old outputs.") from error
    odd = [str(other) for other in found.values() if not 0 <= other < old]
    if odd:
        raise SurgeryError(f"keep= has {listing(odd)}; the old outputs are 0 to {old - 1}.")
    if not found or max(found) >= new:
        raise SurgeryError(f"keep= has {len(keep)} outputs, and the new layer {new}.")
    return found


def _filled(mine: Value, theirs: Tensor, axis: int, places: dict[int, int]) -> Any:
    """Returns the values that a new variable has, with those of the old one in the places that are kept."""
    import keras
    import numpy as np

    fresh = np.array(keras.ops.convert_to_numpy(mine.read()))
    np.moveaxis(fresh, axis, 0)[list(places)] = np.moveaxis(theirs.load(), axis, 0)[list(places.values())]
    return fresh


def _numbers(numbers: Iterable[int]) -> str:
    """Returns `0-9, 12`: numbers in their order, runs of them shortened."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number, number])
    return listing(str(first) if first == last else f"{first}-{last}" for first, last in runs)
