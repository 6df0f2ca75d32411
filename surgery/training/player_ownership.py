"""Who owns what among players: the variables of each, what a forward pass moves besides, and what a step may move."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import keras

from surgery.core.errors import SurgeryError, listing, nearest
from surgery.edits.freeze import flags_for
from surgery.graph.traversal import calls_at_every_depth
from surgery.keras_bridge.either import as_graph
from surgery.training.player import Player


def owned_variables(player: Player, networks: Mapping[str, Any]) -> list[Any]:
    """Returns the weights of a player, statistics included.

    Raises:
        SurgeryError: it owns what there is not, or nothing that trains.
    """
    parts = player.owns if isinstance(player.owns, list) else [player.owns]
    found: dict[int, Any] = {}
    for part in parts:
        if not isinstance(part, str) and not (isinstance(part, tuple) and len(part) == 2):
            raise SurgeryError(f"a player owns the name of a network, (name, where), or a list of these: not {part!r}.")
        name, where = (part, "**") if isinstance(part, str) else part
        if name not in networks:
            raise SurgeryError(f"no network {name!r}; there are {listing(networks)}.{nearest(name, networks)}")
        graph = as_graph(networks[name])
        calls: dict[str, Any] = dict(calls_at_every_depth(graph))
        for address in flags_for(graph, where, True, True):
            found.update((id(variable), variable) for variable in calls[address].op.layer.weights)
    if not any(variable.trainable for variable in found.values()):
        raise SurgeryError(f"{player.owns!r} has nothing that trains.")
    return list(found.values())


def refuse_shared(owned: Mapping[str, list[Any]]) -> None:
    """Refuses a variable that two players own."""
    owner: dict[int, str] = {}
    for name, variables in owned.items():
        for variable in variables:
            if owner.setdefault(id(variable), name) != name:
                raise SurgeryError(f"{variable.path} belongs to both {owner[id(variable)]!r} and {name!r}.")


def moving_statistics(networks: Collection[Any], but: Collection[Any]) -> list[Any]:
    """Returns what a forward pass moves in training mode, in all networks, but for the variables given."""
    mine = {id(variable) for variable in but}
    kernels = {id(one.kernel) for network in networks for one in network._flatten_layers() if _moves_kernel(one)}
    weights = {id(one): one for network in networks for one in network.weights if id(one) not in mine}
    return [one for key, one in weights.items() if not one.trainable or key in kernels]


def _moves_kernel(layer: Any) -> bool:
    """Whether a layer divides its kernel by its norm in every forward pass of training."""
    return isinstance(layer, keras.layers.SpectralNormalization) and layer.built


def refuse_moved(name: str, owned: Collection[Any], moved: Collection[Any]) -> None:
    """Refuses a step of a player that moved what it does not own, or nothing."""
    own = {id(variable) for variable in owned}
    foreign = [variable.path for variable in moved if id(variable) not in own]
    if foreign:
        raise SurgeryError(f"a step of {name!r} moved {listing(foreign)}, which it does not own.")
    if not moved:
        raise SurgeryError(f"a step of {name!r} moved nothing: its loss does not depend on its variables.")
