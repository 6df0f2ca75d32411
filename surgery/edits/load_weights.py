"""`load_weights` from any file, `transfer` from another network: one loader, and a table of where each came from."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from surgery.compare.matching import Rename, matched
from surgery.compare.targets import Target
from surgery.core.errors import SurgeryError, doing, listing, printable
from surgery.core.tensors import Source, Tensor
from surgery.edits.loaded import Loaded, WeightSource
from surgery.edits.refit import refitted
from surgery.formats.weight_pieces import Piece, gathered
from surgery.formats.weights_file import weights_in
from surgery.graph.graph import Graph
from surgery.graph.traversal import calls_at_every_depth
from surgery.keras_bridge.either import as_graph, build
from surgery.keras_bridge.variables import layers_of, names_of_variables
from surgery.selectors.select import Where, selected

if TYPE_CHECKING:
    from surgery.keras_bridge.assign import Pairs, Refit


def load_weights(
    x: Any,
    path: str | os.PathLike[str],
    where: Where = "**",
    rename: Rename = None,
    strict: bool = True,
    adapt: bool = False,
) -> Any:
    """Loads weights from a file of any format into a network: `.keras`, `.h5`, `.weights.h5`, safetensors.

    Layers are matched by name, then by shapes and position; every tensor is checked by shape before any is written.

    Args:
        x: `keras.Model`, whose variables are set in place as Keras' own `load_weights` does; or `Graph`, of which a new
            one with layers of its own is returned.
        path: the file.
        where: which layers get weights; all by default.
        rename: name in the file -> name in the network, as a dict or a function.
        strict: whether a layer that finds no weights is an error; else it keeps what it has.
        adapt: whether a tensor of another shape is made to fit where there is a sound way: the kernel of a convolution
            for other input channels, a Dense kernel as a convolution's, and the reverse. The table says where.

    Returns:
        For a model: `Loaded`, the table of where each weight came from. For a `Graph`: the new graph, with the table in
        its `notes`.

    Raises:
        SurgeryError: a layer finds no weights, a shape differs, or there are two ways to match layers of the same
            shapes. Nothing has been written then.

    Example:

    >>> print(sg.load_weights(model, "vgg16.weights.h5"))
    """
    with doing(f"loading {printable(os.fspath(path))!r}"):
        return _loaded(x, weights_in(path), where, rename, strict, adapt)


def transfer(
    src: Any, dst: Any, where: Where = "**", rename: Rename = None, strict: bool = True, adapt: bool = False
) -> Any:
    """Copies weights from one network to another, as `load_weights` does from a file; the source is unchanged.

    Args:
        src: `Graph` or `keras.Model`.
        dst: `keras.Model`, set in place; or `Graph`, of which a new one is returned.
        where: which layers of `dst` get weights; all by default.
        rename: name in `src` -> name in `dst`, as a dict or a function.
        strict: whether a layer of `dst` that finds no weights is an error.
        adapt: see `load_weights`.

    Returns: see `load_weights`.

    Raises: see `load_weights`.
    """
    with doing(f"transferring weights to {getattr(dst, 'name', dst)!r}"):
        from surgery.keras_bridge.give import effective_tensors

        source = build(src) if isinstance(src, Graph) else src
        of = repr(printable(source.name))
        pieces = [
            Living(
                one.name,
                Source(row=effective_tensors(one.layer, one.name)),
                True,
                one.class_name,
                of=of,
                layer=one.layer,
            )
            for one in _targets(source, "**")
        ]
        return _loaded(dst, pieces, where, rename, strict, adapt)


@dataclasses.dataclass(frozen=True)
class Living(Piece):
    """What a live layer computes with; the layer gives it."""

    layer: Any = None


def _pairs_for(target: Target, piece: Piece, refit: Refit | None) -> Pairs:
    """Returns what a layer gets of a piece.

    Raises:
        SurgeryError: as `paired` and `gift`, or something would stay fresh, or be lost.
    """
    from surgery.keras_bridge.assign import paired
    from surgery.keras_bridge.give import gift

    if isinstance(piece, Living):
        return gift(target.layer, piece.layer, refit).complete(target.layer, piece.layer)
    return paired(target.layer, piece.source, target.name, refit)


def _adapts(target: Target, piece: Piece) -> bool:
    """Whether what a piece has can be made to fit a layer."""
    try:
        _pairs_for(target, piece, lambda *asked: (refitted(*asked) or (None,))[0])
    except SurgeryError:
        return False
    return True


def _loaded(x: Any, pieces: Sequence[Piece], where: Where, rename: Rename, strict: bool, adapt: bool) -> Any:
    model = build(x, copy=True) if isinstance(x, Graph) else x
    targets = _targets(model, where)
    if any(isinstance(piece, Living) for piece in pieces):
        targets = [_as_computed(target) for target in targets]
    if not targets and where != "**":
        raise SurgeryError(f"no layer that matches {where!r} has weights.")
    pieces = gathered(pieces, {target.name: target.shapes for target in targets})
    pairs = matched(targets, pieces, rename, _adapts if adapt else None)
    missing = [target for target in targets if target.name not in {one.name for one, _, _ in pairs}]
    if strict and missing:
        raise SurgeryError(_missing(targets, missing, pieces))
    report, writes = _planned(targets, pairs, pieces, strict, adapt)
    if targets and not report.loaded:
        raise SurgeryError(_nothing(report, pieces))
    from surgery.keras_bridge.fill import give

    for layer, pairs in writes:
        give(layer, pairs)
    if not isinstance(x, Graph):
        return report
    graph = as_graph(model)
    return dataclasses.replace(graph, notes=(*x.notes, str(report)))


def _targets(model: Any, where: Where) -> list[Target]:
    graph = as_graph(model)
    chosen = selected(graph, where)
    nested = [address for address, call in chosen.items() if call.op is not None and call.op.inner is not None]
    places = {id(layer): (place, order) for order, (_, place, layer) in enumerate(layers_of(model))}
    found, seen = [], set()
    for address, call in calls_at_every_depth(graph):
        inside = address in chosen or any(address.startswith(f"{one}/") for one in nested)
        op: Any = call.op
        if not inside or op is None or op.inner is not None or not op.weights or op in seen:
            continue
        seen.add(op)
        name = address.rpartition("@")[0] if address.rpartition("@")[2].isdigit() else address
        shapes = tuple(weight.shape for weight in op.weights)
        found.append(Target(name, op.class_name, shapes, op.layer, *places.get(id(op.layer), ("", 0))))
    return found


def _as_computed(target: Target) -> Target:
    """Returns a target with the shapes of what it computes with: of a kernel without its LoRA, or its codes."""
    from surgery.keras_bridge.give import effective_tensors

    return dataclasses.replace(target, shapes=tuple(one.shape for one in effective_tensors(target.layer)))


def _missing(targets: list[Target], missing: list[Target], pieces: Sequence[Piece]) -> str:
    lines = "\n".join(f"  {one.name} ({one.class_name}) {listing(map(str, one.shapes), 4)}" for one in missing[:8])
    more = f"\n  and {len(missing) - 8} more" if len(missing) > 8 else ""
    return (
        f"{len(missing)} of {len(targets)} layers find no weights of their shapes:\n{lines}{more}\n"
        f"{_offered(pieces)}\nrename= says which is which; strict=False leaves them as they are; where= chooses layers."
    )


def _nothing(report: Loaded, pieces: Sequence[Piece]) -> str:
    reasons = listing(dict.fromkeys(origin.how for origin in report.origins), 3)
    return (
        f"none of {len(report.origins)} weights would be loaded: {reasons}.\n{_offered(pieces)}\n"
        "rename= says which is which."
    )


def _offered(pieces: Sequence[Piece]) -> str:
    of = _of(pieces)
    return f"{of[0].upper()}{of[1:]} has {listing((printable(piece.name) for piece in pieces), 8) or 'no weights'}."


def _of(pieces: Sequence[Piece]) -> str:
    return pieces[0].of if pieces else "the file"


def _planned(
    targets: list[Target], pairs: list[tuple[Target, Piece, str]], pieces: Sequence[Piece], strict: bool, adapt: bool
) -> tuple[Loaded, list[tuple[Any, Any]]]:
    """Returns the table, and what each layer gets: checked, nothing is read yet."""
    from surgery.keras_bridge.assign import Pairs

    found = {target.name: (piece, how) for target, piece, how in pairs}
    origins: list[WeightSource] = []
    writes: list[tuple[Any, Any]] = []
    used: set[int] = set()
    changed: dict[int, str] = {}

    def refit(tensor: Tensor, shape: tuple[int, ...], of_channels: bool) -> Tensor | None:
        new = refitted(tensor, shape, of_channels)
        if new is None:
            return None
        changed[id(new[0])] = f"; adapted: {new[1]}"
        return new[0]

    for target in targets:
        piece, how = found.get(target.name, (None, f"not in {_of(pieces)}"))
        pair = Pairs([])
        if piece is not None:
            used.add(id(piece))
            try:
                pair = _pairs_for(target, piece, refit if adapt else None)
            except SurgeryError as error:
                if strict:
                    raise
                how = str(error)
        writes.append((target.layer, pair))
        given = pair.given
        origins += [
            _origin(f"{target.name}/{name}", variable, given.get(id(variable)), how, changed)
            for name, variable in names_of_variables(target.layer).items()
        ]
    unused = tuple(tensor for piece in pieces if id(piece) not in used for tensor in piece.tensors)
    return Loaded(tuple(origins), unused, _of(pieces)), writes


def _origin(weight: str, variable: Any, tensor: Tensor | None, how: str, changed: dict[int, str]) -> WeightSource:
    name = None if tensor is None else tensor.name
    return WeightSource(weight, tuple(variable.shape), name, how + changed.get(id(tensor), ""))
