"""Which layer of a file is which layer of a network: by name, then by structure and position, never by guess.

Names that users gave are identities. Names that Keras numbered (`conv2d_7`) only count, and what they count shifts when
a layer comes or goes; so among layers of the same shapes they are believed only where counting says the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from surgery.compare.targets import Target, last_name
from surgery.core.errors import SurgeryError, printable
from surgery.core.names import unnumbered
from surgery.formats.weight_pieces import Piece
from surgery.layers.classes import kind_of_weights

Rename = Mapping[str, str] | Callable[[str], str] | None


def matched(
    targets: Sequence[Target],
    pieces: Sequence[Piece],
    rename: Rename = None,
    adapts: Callable[[Target, Piece], bool] | None = None,
) -> list[tuple[Target, Piece, str]]:
    """Returns (target, piece, how) for every target that has one, in the order of the targets.

    Args:
        targets: the layers that want weights.
        pieces: the layers of the file, in its order.
        rename: name in the file -> name in the network, as a dict or a function.
        adapts: whether the tensors of a piece can be made to fit a target; asked of those that nothing else matches.

    Raises:
        SurgeryError: among layers of the same shapes there are two readings; both are shown.
    """
    new = {id(piece): _renamed(piece, rename) for piece in pieces}
    pairs = _by_name(targets, [piece for piece in pieces if new[id(piece)] != piece.name], new)
    used, having = _taken(pairs)
    given = [target for target in targets if not target.numbered and target.name not in having]
    pairs += _by_name(given, [piece for piece in pieces if piece.sure and id(piece) not in used], new)
    pieces = [piece for piece in pieces if not piece.source.absent]  # the shapes of the others are not all known
    pairs += _by_structure(targets, pieces, new, *_taken(pairs))
    for fits in (Target.has_shapes_of, adapts) if adapts else (Target.has_shapes_of,):
        used, having = _taken(pairs)
        rest = [target for target in targets if target.name not in having]
        left = [piece for piece in pieces if id(piece) not in used]
        groups: dict[Any, list[Target]] = {}
        for target in rest:
            groups.setdefault(_signature(target.shapes, target.kind), []).append(target)
        for alike in groups.values():
            named = [piece for piece in left if _of_one_class(alike[0], piece, new[id(piece)])]
            pairs += _by_position(alike, [piece for piece in named if fits(alike[0], piece)], new)
    order = {target.name: place for place, target in enumerate(targets)}
    return sorted(pairs, key=lambda pair: order[pair[0].name])


def _taken(pairs: list[tuple[Target, Piece, str]]) -> tuple[set[int], set[str]]:
    return {id(piece) for _, piece, _ in pairs}, {target.name for target, _, _ in pairs}


def _renamed(piece: Piece, rename: Rename) -> str:
    if rename is None:
        return piece.name
    if not isinstance(rename, Mapping) and not callable(rename):
        raise SurgeryError(
            f"rename={rename!r}: expected a dict, name in {piece.of} -> name in the network, or a function."
        )
    new = rename.get(piece.name, piece.name) if isinstance(rename, Mapping) else rename(piece.name)
    if not isinstance(new, str):
        raise SurgeryError(f"rename makes {new!r} of {printable(piece.name)!r}; expected a name.")
    return new


def _by_name(
    targets: Sequence[Target], pieces: Sequence[Piece], new: dict[int, str]
) -> list[tuple[Target, Piece, str]]:
    """Pairs by the whole address, then by the last part where it is unique on both sides; `/` in old names is `_`."""
    found: list[tuple[Target, Piece, str]] = []
    for key in (_flat, last_name):
        taken, having = _taken(found)
        wanted = _unique({target.name: key(target.name) for target in targets if target.name not in having})
        offered = _unique({id(piece): key(new[id(piece)]) for piece in pieces if id(piece) not in taken})
        by_name = {target.name: target for target in targets}
        by_id = {id(piece): piece for piece in pieces}
        found += [(by_name[wanted[name]], by_id[offered[name]], "name") for name in wanted if name in offered]
    return found


def _flat(name: str) -> str:
    return re.sub(r"[/.]", "_", name)


def _unique(names: dict[Any, str]) -> dict[str, Any]:
    """Returns name -> key for the names that occur once."""
    values = list(names.values())
    return {name: key for key, name in names.items() if values.count(name) == 1}


def _signature(shapes: Sequence[tuple[int, ...]], kind: str) -> Any:
    return tuple(sorted(shapes)), kind


def _by_structure(
    targets: Sequence[Target], pieces: Sequence[Piece], new: dict[int, str], used: set[int], having: set[str]
) -> list[tuple[Target, Piece, str]]:
    """Pairs by the places at which Keras writes layers, if file and network have the same places and shapes there."""
    wanted = {target.path: target for target in targets}
    offered = {piece.path: piece for piece in pieces}
    if "" in wanted or len(wanted) < len(targets) or wanted.keys() != offered.keys():
        return []
    if not all(target.has_shapes_of(offered[path]) for path, target in wanted.items()):
        return []
    if pieces and pieces[0].order == "made" and _made_out_of_order(targets, offered, new):
        return []
    by_path = {piece.path: piece for piece in pieces if id(piece) not in used}
    return [
        (target, by_path[target.path], "structure")
        for target in targets
        if target.name not in having and target.path in by_path
    ]


def _made_out_of_order(targets: Sequence[Target], offered: Mapping[str, Piece], new: dict[int, str]) -> bool:
    """Whether layers of the same shapes are called in another order than that in which they were made."""
    counted = _by_count(targets, list(offered.values()), new)
    if counted is not None:
        return any(piece is not offered[target.path] for target, piece in counted)
    alike: dict[Any, list[Target]] = {}
    for target in targets:
        alike.setdefault(_signature(target.shapes, target.kind), []).append(target)
    ranks = [_ranks([one.name for one in sorted(group, key=lambda one: one.order)]) for group in alike.values()]
    return any(found != sorted(found) for found in ranks if found is not None)


def _of_one_class(target: Target, piece: Piece, name: str) -> bool:
    """Whether nothing says that a layer of the file is of another class than a target."""
    if piece.class_name:
        return kind_of_weights(piece.class_name) == target.kind
    return piece.sure or unnumbered(last_name(name)) in target.stems


def _by_position(targets: list[Target], pieces: list[Piece], new: dict[int, str]) -> list[tuple[Target, Piece, str]]:
    """Pairs layers of the same shapes in order, where the names that Keras numbered do not say otherwise."""
    if not pieces:
        return []
    if not any(piece.class_name for piece in pieces):  # not from a graph: in the order in which Keras writes layers
        targets = sorted(targets, key=lambda target: target.order)
    counted = None if pieces[0].order == "calls" else _by_count(targets, pieces, new)
    if counted is not None:
        return [(target, piece, "number") for target, piece in counted]
    in_order = list(zip(targets, pieces, strict=False))
    by_name = {new[id(piece)]: piece for piece in pieces if piece.sure}
    named = [(target, by_name[target.name]) for target in targets if target.name in by_name]
    whole = len(named) == len(targets)
    alike = len(targets) == len(pieces) and _made_in_one_order(targets, pieces, new)
    if alike and (not whole or named == in_order):
        return [(target, piece, "position") for target, piece in in_order]
    if whole and named == in_order:
        return [(target, piece, "number") for target, piece in named]
    from_the_end = list(zip(targets[::-1], pieces[::-1], strict=False))[::-1]
    crossed = list(zip(targets, pieces[::-1], strict=False)) if from_the_end == in_order else from_the_end
    other = named if whole else crossed
    of = pieces[0].of
    raise SurgeryError(
        f"{len(pieces)} layers of {of} have the shapes of {len(targets)} layers of the network, and their names do "
        f"not distinguish them:\n  {_reading(in_order, new)}\n  or {_reading(other, new)}\n"
        f"Say rename={{name in {of}: name in the network}}."
    )


def _by_count(
    targets: Sequence[Target], pieces: Sequence[Piece], new: dict[int, str]
) -> list[tuple[Target, Piece]] | None:
    """Pairs layers that lie in a file without an order by their numbers, if these are the same but for where counting
    began: `dense_4` and `dense_5` for `dense` and `dense_1`. `None` where they are not, or the file says no names.
    """
    if len(targets) != len(pieces) or not all(piece.sure for piece in pieces):
        return None
    sides = [
        [re.fullmatch(r"(.*?)(?:_(\d+))?", name) for name in names]
        for names in ([target.name for target in targets], [new[id(piece)] for piece in pieces])
    ]
    mine, theirs = ([(one[1], int(one[2] or 0)) for one in side if one] for side in sides)
    if not mine or {stem for stem, _ in mine} != {stem for stem, _ in theirs}:
        return None
    shift = {stem: min(n for one, n in theirs if one == stem) for stem, _ in theirs}
    start = {stem: min(n for one, n in mine if one == stem) for stem, _ in mine}
    by_number = {(stem, number - shift[stem]): piece for (stem, number), piece in zip(theirs, pieces, strict=True)}
    keys = [(stem, number - start[stem]) for stem, number in mine]
    if set(keys) != set(by_number) or len(by_number) < len(keys):
        return None
    return [(target, by_number[key]) for target, key in zip(targets, keys, strict=True)]


def _made_in_one_order(targets: list[Target], pieces: list[Piece], new: dict[int, str]) -> bool:
    """Whether numbers say that the layers were made in the order in which they stand, or out of it in the same way.

    Parallel branches are written side by side though they were made one after the other: an order that is not that of
    the numbers is only believed where file and network agree on it. A file without names must have one chain of layers.
    """
    if len(targets) == 1:
        return True
    if len({piece.path.rpartition("/layers/")[0] for piece in pieces}) > 1 or not pieces[0].order:
        return False
    mine = _ranks([target.name for target in targets])
    theirs = _ranks([new[id(piece)] for piece in pieces])
    return mine is None or theirs is None or mine == theirs


def _ranks(names: list[str]) -> list[int] | None:
    """Returns for each name the rank of its number, `[0, 2, 1]`; `None` where one has none, or two have the same."""
    found = [re.fullmatch(r"(.*?)(?:_(\d+))?", last_name(name)) for name in names]
    stems, numbers = {one[1] for one in found if one}, [int(one[2] or 0) for one in found if one]
    if len(stems) > 1 or len(set(numbers)) < len(numbers):
        return None
    return [sorted(numbers).index(number) for number in numbers]


def _reading(pairs: list[tuple[Target, Piece]], new: dict[int, str]) -> str:
    shown = [f"{printable(new[id(piece)])} -> {target.name}" for target, piece in pairs[:4]]
    return ", ".join(shown) + (", ..." if len(pairs) > 4 else "")
