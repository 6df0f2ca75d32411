"""Several players in one model, each with its variables, its optimizer and its loss: GANs, and what is built like them.

The classic recipe, `discriminator.trainable = False` around a combined model, freezes the discriminator for good,
because Keras reads the flag once. Here nothing is frozen: each step computes gradients for one player's variables.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError, doing, listing
from surgery.keras_bridge.optimizer_slots import extend
from surgery.keras_bridge.train_functions import scope_of, state_of
from surgery.training.player import (
    Player,
    Tensors,
    as_handed,
    as_owned,
    own_optimizer,
    refuse_no_scalar,
    refuse_odd,
    stored_owns,
)
from surgery.training.player_ownership import moving_statistics, owned_variables, refuse_moved, refuse_shared
from surgery.training.restore import restore_variables


@keras.saving.register_keras_serializable(package="surgery")
class Players(keras.Model):
    """A model in which several players train their own variables on one forward pass.

    In each round every player, in order, takes its steps: the forward pass in training mode, the gradient of the
    player's loss for the player's variables alone. Statistics of normalization layers move in the steps of the player
    that owns them; the regularizers of what it owns are added to a player's loss, and what a network adds by itself
    (`add_loss`, activity regularizers) is refused. `compile()`, `fit`, callbacks and
    `save` are those of Keras; `check` verifies that each step moves what it should and nothing else. On TensorFlow;
    `tf.distribute` strategies pass through.

    Args:
        networks: name -> `keras.Model`.
        forward: `forward(networks, batch)` -> tensors, where `networks` is a dict and `batch` what `fit` is given.
        players: name -> `Player`.
        name: name of the model.

    Raises:
        SurgeryError: a player owns what there is not, or what another player owns, or nothing.

    Example:

    >>> gan = sg.Players({"g": generator, "d": discriminator}, forward, {
    ...     "d": sg.Player("d", keras.optimizers.Adam(2e-4), lambda t: hinge.discriminator(t["real"], t["fake"])),
    ...     "g": sg.Player("g", keras.optimizers.Adam(2e-4), lambda t: hinge.generator(t["fake"])),
    ... })
    >>> gan.compile()
    >>> gan.fit(images, epochs=5)
    """

    def __init__(
        self,
        networks: Mapping[str, Any],
        forward: Callable[[dict[str, Any], Any], Tensors],
        players: Mapping[str, Player],
        name: str = "players",
    ):
        super().__init__(name=name)
        if keras.backend.backend() != "tensorflow":
            raise SurgeryError(f"Players trains on TensorFlow, not on {keras.backend.backend()}.")
        refuse_odd(networks, players)
        self.networks = dict(networks)
        self.players = {
            name: dataclasses.replace(one, optimizer=own_optimizer(one.optimizer)) for name, one in players.items()
        }
        self._forward = forward
        with doing(f"making the players of {name!r}"):
            self._owned = {name: owned_variables(player, self.networks) for name, player in self.players.items()}
            refuse_shared(self._owned)
        self._losses_of = {name: keras.metrics.Mean(name=f"{name}_loss") for name in self.players}
        self._optimizers = [player.optimizer for player in self.players.values()]  # a list is what Keras saves
        for name, player in self.players.items():
            player.optimizer.build(self.variables_of(name))
        self.built = True
        self._flags = state_of(self)

    def variables_of(self, name: str) -> list[Any]:
        """Returns the variables that a player's steps train."""
        return [variable for variable in self._owned[name] if variable.trainable]

    # ---- what Keras asks for ----

    def compile(self, **options: Any) -> None:
        """Compiles the model; the players bring optimizers and losses.

        Args:
            options: `run_eagerly`, `jit_compile`, `steps_per_execution`, as for any Keras model.
        """
        if {"optimizer", "loss"} & set(options):
            raise SurgeryError("each player brings its optimizer and its loss: sg.Player(owns, optimizer, loss).")
        super().compile(optimizer=None, loss=None, **{"jit_compile": False, **options})

    def call(self, inputs: Any, training: bool = False) -> Tensors:
        """Runs the forward pass; statistics stay."""
        with restore_variables(self._statistics()):
            return self._forward(dict(self.networks), inputs)

    @property
    def metrics(self) -> list[Any]:
        return list(self._losses_of.values())

    def train_step(self, data: Any) -> dict[str, Any]:
        """One round: all steps of all players, in order."""
        for name, player in self.players.items():
            for _ in range(player.steps):
                self._losses_of[name].update_state(self.step(name, as_handed(data)))
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data: Any) -> dict[str, Any]:
        """The losses of all players, without a step."""
        with restore_variables(self._statistics()):
            tensors = self._forward(dict(self.networks), as_handed(data))
            for name, player in self.players.items():
                self._losses_of[name].update_state(player.loss(tensors))
        return {metric.name: metric.result() for metric in self.metrics}

    def step(self, name: str, data: Any) -> Any:
        """Takes one step of one player; returns its loss."""
        import tensorflow as tf

        player, variables = self.players[name], self.variables_of(name)
        with restore_variables(self._statistics(but=name)):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                for variable in variables:
                    tape.watch(variable.value)
                loss = player.loss(self._forward(dict(self.networks), data))
                self._refuse_added()
                refuse_no_scalar(name, loss)
                total = loss + sum(self._added_by(name), 0.0)
                replicas = tf.distribute.get_strategy().num_replicas_in_sync
                scaled = player.optimizer.scale_loss(total / replicas)  # the gradients of replicas are summed
            gradients: Any = tape.gradient(scaled, variables)
            if all(one is None for one in gradients):
                raise SurgeryError(f"the loss of {name!r} does not depend on what it owns: a step would move nothing.")
            player.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    def _added_by(self, name: str) -> list[Any]:
        """Returns the regularization losses of the variables that a player owns."""
        return [variable.regularizer(variable) for variable in self.variables_of(name) if variable.regularizer]

    def _refuse_added(self) -> None:
        """Refuses what layers add to the loss by themselves: a second call of a network clears what the first added."""
        for name, network in self.networks.items():
            if adding := [one.name for one in network._flatten_layers() if one._losses]:
                raise SurgeryError(
                    f"{listing(adding)} of {name!r} adds to the loss (add_loss, or an activity regularizer), and which "
                    "player's it is, is not known. Make it an output of the network, and a term of a player's loss."
                )

    def fit(self, *args: Any, callbacks: Any = None, **options: Any) -> Any:
        """Trains, as `keras.Model.fit`; averages of optimizers (`use_ema`) are put in at the end, as there."""
        rest = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else (callbacks or [])
        if isinstance(rest, keras.callbacks.CallbackList):
            rest.callbacks.insert(0, self._averaging())
        else:
            rest = [self._averaging(), *rest]
        self._follow_flags()
        return super().fit(*args, callbacks=rest, **options)

    def _follow_flags(self) -> None:
        """Lets the next step follow flags that were changed since: what was traced is dropped, slots are added."""
        flags = state_of(self)
        if flags != self._flags:
            self._flags = flags
            self.train_function = None
            with scope_of(self):
                for name, player in self.players.items():
                    extend(player.optimizer, self.variables_of(name))

    def _averaging(self) -> Any:
        """Returns the callback that puts averages in before others see the end of training."""

        def finalize(_logs: Any = None) -> None:
            for name, player in self.players.items():
                player.optimizer.finalize_variable_values(self.variables_of(name))

        return keras.callbacks.LambdaCallback(on_train_end=finalize)

    def _statistics(self, but: str | None = None) -> list[Any]:
        """Returns what a forward pass moves in training mode, in all networks, `but` for what a player owns."""
        return moving_statistics(self.networks.values(), self._owned.get(but or "", []))

    # ---- proof ----

    def check(self, data: Any) -> None:
        """Takes one step of each player on a batch, verifies that it moves the player's variables alone, and undoes it.

        Args:
            data: a batch, as `fit` would hand it over.

        Raises:
            SurgeryError: a variable of another player moved, or none of its own did; the message names them.
        """
        self._follow_flags()
        weights = {id(one): one for network in self.networks.values() for one in network.weights}
        everything = weights | {id(one): one for network in self.networks.values() for one in network.variables}
        slots = [one for player in self.players.values() for one in player.optimizer.variables]
        with doing(f"checking the players of {self.name!r}"), restore_variables([*everything.values(), *slots]):
            for name in self.players:
                before = {key: np.array(one) for key, one in weights.items()}
                self.step(name, data)
                moved = [one for key, one in weights.items() if not np.array_equal(before[key], one)]
                refuse_moved(name, self._owned[name], moved)

    # ---- saving ----

    def get_config(self) -> dict[str, Any]:
        stored: Any = keras.saving.serialize_keras_object
        players = {
            name: {
                "owns": stored_owns(one.owns),
                "optimizer": stored(one.optimizer),
                "loss": stored(one.loss),
                "steps": one.steps,
            }
            for name, one in self.players.items()
        }
        networks = {name: stored(network) for name, network in self.networks.items()}
        return {"networks": networks, "forward": stored(self._forward), "players": players, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Players:
        def made(stored: Any) -> Any:
            return keras.saving.deserialize_keras_object(stored, custom_objects=custom_objects)

        players = {
            name: Player(as_owned(one["owns"]), made(one["optimizer"]), made(one["loss"]), one["steps"])
            for name, one in config["players"].items()
        }
        networks = {name: made(network) for name, network in config["networks"].items()}
        return cls(networks, made(config["forward"]), players, config["name"])

    def get_compile_config(self) -> dict[str, Any]:
        return {"compiled": True}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile()
