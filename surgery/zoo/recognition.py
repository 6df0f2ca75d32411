"""Which named networks the tensors of a file fit, by their shapes, without making any network.

The shapes of all networks are in `shapes.json.gz`, which `scripts/zoo_catalogue.py --write` makes: for each network the
shapes of its layers with weights, in order, those of the top last and counted.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from surgery.formats.weight_pieces import Piece

SHAPES = Path(__file__).with_name("shapes.json.gz")
LEAST = 0.5  # of the tensors, on the side that has more; below that, the file is of something else

Layer = tuple[tuple[int, ...], ...]  # the shapes of its tensors, sorted


@dataclasses.dataclass(frozen=True)
class Fit:
    """How far the tensors of a file fit a network.

    Args:
        network: its name.
        top: whether it is the network with its top.
        matched: how many tensors of the file find a place.
        given: how many tensors the file has.
        wanted: how many tensors the network has.
    """

    network: str
    top: bool
    matched: int
    given: int
    wanted: int

    @property
    def share(self) -> float:
        """The tensors that match, of those of the side that has more."""
        return self.matched / max(self.given, self.wanted)

    def __str__(self) -> str:
        more = f", which has {self.wanted}" if self.wanted != self.matched else ""
        return f"{self.matched} of {self.given} tensors match {self.network}{'' if self.top else ' without top'}{more}"


def fitting(pieces: Iterable[Piece]) -> list[Fit]:
    """Returns the named networks that the layers of a file fit best; several when they fit equally well."""
    given = Counter(tuple(sorted(tensor.shape for tensor in piece.tensors)) for piece in pieces)
    fits = [fit for name in _known() for fit in _fits(name, given)]
    best = max((fit.share for fit in fits), default=0.0)
    return [fit for fit in fits if fit.share == best] if best >= LEAST else []


def _fits(name: str, given: Counter[Layer]) -> list[Fit]:
    layers, top = _known()[name]
    found = []
    for with_top in (True, False):
        wanted = Counter(layers if with_top else layers[: len(layers) - top])
        both = given & wanted
        found.append(Fit(name, with_top, _tensors(both), _tensors(given), _tensors(wanted)))
    return found


def _tensors(layers: Counter[Layer]) -> int:
    return sum(len(layer) * count for layer, count in layers.items())


@functools.cache
def _known() -> dict[str, tuple[list[Layer], int]]:
    stored: Any = json.loads(gzip.decompress(SHAPES.read_bytes())) if SHAPES.is_file() else {}
    return {
        name: ([tuple(sorted(map(tuple, shapes))) for shapes in one["layers"]], one["top"])
        for name, one in stored.items()
    }
