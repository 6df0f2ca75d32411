"""One of several players: what it owns, how it learns, what it wants."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras

from surgery.errors import SurgeryError

Tensors = Any  # what the forward pass returns, a dict as a rule


@dataclasses.dataclass
class Player:
    """One player.

    Args:
        owns: what it trains: the name of a network, `(name, where)` for a part of one, or a list of these.
        optimizer: a Keras optimizer of its own, or its name.
        loss: function of what the forward pass returns; a scalar, which the player minimises.
        steps: steps in each round.
    """

    owns: Any
    optimizer: Any
    loss: Callable[[Tensors], Any]
    steps: int = 1


def own_optimizer(optimizer: Any) -> Any:
    """Returns a player's optimizer.

    Raises:
        SurgeryError: it has been built for other variables.
    """
    found: Any = keras.optimizers.get(optimizer)
    if found.built:
        raise SurgeryError(f"{found.name!r} has been built for other variables; each player has one of its own.")
    return found


def refuse_one_optimizer(players: Mapping[str, Player]) -> None:
    """Refuses players that were given one optimizer."""
    owner: dict[int, str] = {}
    for name, player in players.items():
        if not isinstance(player.optimizer, str) and owner.setdefault(id(player.optimizer), name) != name:
            raise SurgeryError(
                f"{owner[id(player.optimizer)]!r} and {name!r} have one optimizer; each player has one of its own."
            )


def stored_owns(owns: Any) -> Any:
    """Returns what a player owns for JSON, which makes lists of tuples: parts of networks are dicts there."""
    if isinstance(owns, tuple):
        return {"network": owns[0], "where": owns[1]}
    return [stored_owns(one) for one in owns] if isinstance(owns, list) else owns


def as_owned(owns: Any) -> Any:
    """Returns what a player owns as it was given."""
    if isinstance(owns, dict):
        return owns["network"], owns["where"]
    return [as_owned(one) for one in owns] if isinstance(owns, list) else owns
