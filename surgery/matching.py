"""Which layer of a file is which layer of a network: by name, then by structure and position, never by guess.

Names that users gave are identities. Names that Keras numbered (`conv2d_7`) only count, and what they count shifts when
a layer comes or goes; so among layers of the same shapes they are believed only where counting says the same.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from surgery.errors import SurgeryError, printable
from surgery.files.pieces import Piece
from surgery.files.placing import snake_case


@dataclasses.dataclass(frozen=True)
class Target:
    """A layer that wants weights.

    Args:
        name: its address.
        class_name: its class.
        shapes: those of its weights, in order.
        layer: the live layer.
    """

    name: str
    class_name: str
    shapes: tuple[tuple[int, ...], ...]
    layer: Any

    @property
    def numbered(self) -> bool:
        """Whether Keras gave the name."""
        return bool(re.fullmatch(rf"{snake_case(self.class_name)}(_\d+)?", _last(self.name)))


Rename = Mapping[str, str] | Callable[[str], str] | None


def matched(
    targets: Sequence[Target], pieces: Sequence[Piece], rename: Rename = None
) -> list[tuple[Target, Piece, str]]:
    """Returns (target, piece, how) for every target that has one, in the order of the targets.

    Args:
        targets: the layers that want weights.
        pieces: the layers of the file, in its order.
        rename: name in the file -> name in the network, as a dict or a function.

    Raises:
        SurgeryError: among layers of the same shapes there are two readings; both are shown.
    """
    new = {id(piece): _renamed(piece, rename) for piece in pieces}
    pairs = _by_name(targets, [piece for piece in pieces if new[id(piece)] != piece.name], new)
    used, having = _taken(pairs)
    given = [target for target in targets if not target.numbered and target.name not in having]
    pairs += _by_name(given, [piece for piece in pieces if piece.sure and id(piece) not in used], new)
    used, having = _taken(pairs)
    rest = [target for target in targets if target.name not in having]
    left = [piece for piece in pieces if id(piece) not in used]
    groups: dict[Any, list[Target]] = {}
    for target in rest:
        groups.setdefault(_signature(target.shapes, target.class_name), []).append(target)
    for alike in groups.values():
        candidates = [piece for piece in left if _could_be(alike[0], piece, new[id(piece)])]
        pairs += _by_position(alike, candidates, new)
    order = {target.name: place for place, target in enumerate(targets)}
    return sorted(pairs, key=lambda pair: order[pair[0].name])


def _taken(pairs: list[tuple[Target, Piece, str]]) -> tuple[set[int], set[str]]:
    return {id(piece) for _, piece, _ in pairs}, {target.name for target, _, _ in pairs}


def _renamed(piece: Piece, rename: Rename) -> str:
    if rename is None:
        return piece.name
    new = rename.get(piece.name, piece.name) if isinstance(rename, Mapping) else rename(piece.name)
    if not isinstance(new, str):
        raise SurgeryError(f"rename makes {new!r} of {printable(piece.name)!r}, where a name is wanted.")
    return new


def _by_name(
    targets: Sequence[Target], pieces: Sequence[Piece], new: dict[int, str]
) -> list[tuple[Target, Piece, str]]:
    """Pairs by the whole address, then by the last part where it is unique on both sides; `/` in old names is `_`."""
    found: list[tuple[Target, Piece, str]] = []
    for key in (_flat, _last):
        taken, having = _taken(found)
        wanted = _unique({target.name: key(target.name) for target in targets if target.name not in having})
        offered = _unique({id(piece): key(new[id(piece)]) for piece in pieces if id(piece) not in taken})
        by_name = {target.name: target for target in targets}
        by_id = {id(piece): piece for piece in pieces}
        found += [(by_name[wanted[name]], by_id[offered[name]], "name") for name in wanted if name in offered]
    return found


def _flat(name: str) -> str:
    return re.sub(r"[/.]", "_", name)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _unique(names: dict[Any, str]) -> dict[str, Any]:
    """Returns name -> key for the names that occur once."""
    values = list(names.values())
    return {name: key for key, name in names.items() if values.count(name) == 1}


def _signature(shapes: Sequence[tuple[int, ...]], kind: str) -> Any:
    return tuple(sorted(shapes)), kind


def _could_be(target: Target, piece: Piece, name: str) -> bool:
    """Whether a layer of the file has the shapes of a target, and no name that says it is of another class."""
    if sorted(tensor.shape for tensor in piece.tensors) != sorted(target.shapes):
        return False
    stem = re.sub(r"_\d+$", "", _last(name))
    return piece.sure or stem == snake_case(target.class_name)


def _by_position(targets: list[Target], pieces: list[Piece], new: dict[int, str]) -> list[tuple[Target, Piece, str]]:
    """Pairs layers of the same shapes in order, where the names that Keras numbered do not say otherwise."""
    if not pieces:
        return []
    in_order = list(zip(targets, pieces, strict=False))
    by_name = {new[id(piece)]: piece for piece in pieces if piece.sure}
    named = [(target, by_name[target.name]) for target in targets if target.name in by_name]
    whole = len(named) == len(targets)
    if len(targets) == len(pieces) and (not whole or named == in_order):
        return [(target, piece, "position") for target, piece in in_order]
    if whole and named == in_order:
        return [(target, piece, "number") for target, piece in named]
    other = named if whole else list(zip(targets[::-1], pieces[::-1], strict=False))[::-1]
    raise SurgeryError(
        f"{len(pieces)} layers of the file have the shapes of {len(targets)} layers of the network, and their names do "
        f"not tell them apart:\n  {_reading(in_order, new)}\n  or {_reading(other, new)}\n"
        "Say rename={name in the file: name in the network}."
    )


def _reading(pairs: list[tuple[Target, Piece]], new: dict[int, str]) -> str:
    shown = [f"{printable(new[id(piece)])} -> {target.name}" for target, piece in pairs[:4]]
    return ", ".join(shown) + (", ..." if len(pairs) > 4 else "")
