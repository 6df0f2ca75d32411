"""One of several players: what it owns, how it learns, what it wants."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras

from surgery.core.errors import SurgeryError
from surgery.core.reprs import line
from surgery.graph.graph import Graph

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

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise SurgeryError(f"a player takes at least 1 step in each round: a whole number, not {self.steps!r}.")
        if not callable(self.loss):
            raise SurgeryError(
                f"the loss of a player is a function of what the forward pass returns, not {self.loss!r}."
            )

    def __repr__(self) -> str:
        optimizer = self.optimizer if isinstance(self.optimizer, str) else type(self.optimizer).__name__
        loss = getattr(self.loss, "__name__", type(self.loss).__name__)
        return line(self, f"owns {self.owns!r}, optimizer {optimizer}, loss {loss}, steps={self.steps}")


def own_optimizer(optimizer: Any) -> Any:
    """Returns a player's optimizer.

    Raises:
        SurgeryError: it is none, or has been built for other variables.
    """
    try:
        found: Any = keras.optimizers.get(optimizer)
    except (ValueError, TypeError) as error:
        raise SurgeryError(f"a player learns by an optimizer of Keras, or its name, not {optimizer!r}.") from error
    if not isinstance(found, keras.optimizers.Optimizer):
        raise SurgeryError(f"a player learns by an optimizer of Keras, or its name, not {optimizer!r}.")
    if found.built:
        raise SurgeryError(f"{found.name!r} has been built for other variables; each player has one of its own.")
    return found


def refuse_odd(networks: Any, players: Any) -> None:
    """Refuses what is no dict of live networks and one of players, and players that were given one optimizer."""
    for what, given, kind in (("networks", networks, keras.Model), ("players", players, Player)):
        if not isinstance(given, Mapping) or not given:
            raise SurgeryError(f"{what} is a dict, name -> {kind.__name__}, not {given!r}.")
        for name, one in given.items():
            if not isinstance(one, kind):
                repair = " Build it: sg.build(graph)." if isinstance(one, Graph) else ""
                raise SurgeryError(f"{name!r} of {what} is a {type(one).__name__}, not a {kind.__name__}.{repair}")
    owner: dict[int, str] = {}
    for name, player in players.items():
        if not isinstance(player.optimizer, str) and owner.setdefault(id(player.optimizer), name) != name:
            raise SurgeryError(
                f"{owner[id(player.optimizer)]!r} and {name!r} have one optimizer; each player has one of its own."
            )


def refuse_no_scalar(name: str, loss: Any) -> None:
    """Refuses a loss that is not one number."""
    if not keras.ops.is_tensor(loss):
        raise SurgeryError(f"the loss of {name!r} returns {loss!r}; expected a scalar tensor.")
    if len(loss.shape) > 0:
        raise SurgeryError(f"the loss of {name!r} is a tensor {tuple(loss.shape)}; take its mean: a scalar.")


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


def as_handed(data: Any) -> Any:
    """Returns a batch as `fit` was handed it: Keras wraps a tuple of arrays without targets once more."""
    return data[0] if isinstance(data, tuple) and len(data) == 1 and isinstance(data[0], (list, tuple)) else data
