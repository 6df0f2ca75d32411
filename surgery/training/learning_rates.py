"""Learning rates by depth, on Keras' `MultiOptimizer`, such that schedules and callbacks still work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import keras

from surgery.core.errors import SurgeryError, doing
from surgery.graph.traversal import calls_at_every_depth
from surgery.keras_bridge.either import as_graph
from surgery.keras_bridge.optimizer_slots import alike
from surgery.selectors.select import Where
from surgery.training.layer_groups import layer_groups


@keras.saving.register_keras_serializable(package="surgery")
class ScaledSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule times a factor.

    Args:
        schedule: `LearningRateSchedule`.
        factor: what its rates are multiplied by.
    """

    def __init__(self, schedule: Any, factor: float):
        self.schedule = schedule
        self.factor = factor

    def __call__(self, step: Any) -> Any:
        return self.schedule(step) * self.factor

    def get_config(self) -> dict[str, Any]:
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "factor": self.factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ScaledSchedule:
        schedule: Any = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["factor"])


@keras.saving.register_keras_serializable(package="surgery")
class LayerwiseOptimizer(keras.optimizers.MultiOptimizer):
    """One optimizer for each distinct factor, all with the settings of `base`, at its learning rate times the factor.

    `learning_rate` is that of factor 1: callbacks read and set it, and the others follow. A step may be asked for a
    part of the variables, as staged unfreezing does.

    Args:
        base: the optimizer whose settings are taken.
        factors: path of a variable -> factor.
        name: name of the optimizer.
    """

    def __init__(self, base: Any, factors: Mapping[str, float], name: str | None = None):
        made = {1.0: alike(base)}
        for factor in sorted({*factors.values()} - {1.0}):  # the order in which slots are saved
            made[factor] = _scaled(base, factor)
        super().__init__(keras.optimizers.OptimizerMap(made[1.0]), name=name)
        self._optimizer_map = lambda variable: made[factor_of(variable.path, factors)]
        self._inner_optimizers = list(made.values())
        self._base = base
        self._factors = dict(factors)
        self._by_factor = made

    @property
    def learning_rate(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  that of MultiOptimizer raises
        return self._by_factor[1.0].learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for factor, optimizer in self._by_factor.items():
            optimizer.learning_rate = value * factor

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        if len(grads) == 0:
            return
        variables = list(trainable_variables if trainable_variables is not None else self._trainable_variables)
        if not self.built:
            self.build(variables)
        self._check_variables_are_known(variables)
        for place, optimizer in enumerate(self._inner_optimizers):
            mine = [
                (grad, variable)
                for grad, variable in zip(grads, variables, strict=True)
                if self._var_to_optimizer_idx[self._var_key(variable)] == place
            ]
            if mine:
                optimizer.apply(*map(list, zip(*mine, strict=True)))
        self._iterations.assign_add(1)

    def ordinary(self, variables: list[Any]) -> Any:
        """Returns Keras' own optimizer of the same settings and slots, for a file that stock Keras opens; this one
        where Keras has none: the rates are those of a schedule.

        Args:
            variables: of the model, in order.
        """
        if any(isinstance(one._learning_rate, ScaledSchedule) for one in self._inner_optimizers):
            return self
        new = {factor: alike(optimizer) for factor, optimizer in self._by_factor.items()}
        ends: dict[str, set[float]] = {}
        for variable in variables:  # in a model that is opened again, the names around its own may be missing
            parts = variable.path.split("/")
            for start in range(len(parts)):
                end = "/".join(parts[start:])
                ends.setdefault(end, set()).add(factor_of(variable.path, self._factors))
        patterns = {
            "|".join(re.escape(end) for end, factors in ends.items() if factors == {factor}): optimizer
            for factor, optimizer in new.items()
            if factor != 1.0 and {factor} in ends.values()
        }
        made = keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(new[1.0], patterns), loss_scale_factor=self.loss_scale_factor, name=self.name
        )
        made.build(variables)
        if self.built:
            made.iterations.assign(self.iterations)
            for factor, optimizer in new.items():
                for mine, old in zip(optimizer.variables, self._by_factor[factor].variables, strict=True):
                    mine.assign(old)
        return made

    def get_config(self) -> dict[str, Any]:
        base: Any = keras.saving.serialize_keras_object(self._base)
        return {"base": base, "factors": dict(self._factors), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LayerwiseOptimizer:
        base: Any = keras.saving.deserialize_keras_object(config["base"], custom_objects=custom_objects)
        return cls(base, config["factors"], config.get("name"))


def factor_of(path: str, factors: Mapping[str, float]) -> float:
    """Returns the factor of a variable; in a model that was saved and opened, the names around its own may differ.

    Raises:
        SurgeryError: there is none, or several.
    """
    if path in factors:
        return factors[path]
    alike = {one for key, one in factors.items() if key.endswith(f"/{path}") or path.endswith(f"/{key}")}
    if len(alike) != 1:
        raise SurgeryError(
            f"{path!r} has {len(alike)} learning rates; make new ones for this model: layerwise_learning_rates."
        )
    return alike.pop()


def _scaled(base: Any, factor: float) -> Any:
    optimizer = alike(base, name=f"{base.name}_{factor:g}".replace(".", "_"))
    optimizer.loss_scale_factor = None  # the whole scales, and unscales, once
    rate = base._learning_rate  # a schedule or a variable; `learning_rate` gives a schedule's value of now
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        optimizer._learning_rate = ScaledSchedule(rate, factor)
    else:
        optimizer.learning_rate = base.learning_rate * factor
    return optimizer


def layerwise_learning_rates(
    optimizer: Any, model: Any, decay: float = 0.75, groups: Mapping[str, Where] | None = None
) -> LayerwiseOptimizer:
    """Returns an optimizer whose learning rate is smaller the deeper a layer lies: `compile` the model with it.

    Discriminative fine-tuning (Howard & Ruder 2018, arXiv:1801.06146, section 3.2): the last group has the rate of
    `optimizer`, the group before it `decay` times that, and so on to the stem.

    Args:
        optimizer: a Keras optimizer that has not been built, or its name. Its learning rate may be a schedule.
        model: `keras.Model`.
        decay: factor from one group to the next towards the stem.
        groups: group -> which layers, from the stem to the head; `sg.layer_groups(model)` by default.

    Raises:
        SurgeryError: the optimizer has been built, clips by the norm over all variables (which groups would change), or
            `decay` is not positive.

    Example:

    >>> model.compile(sg.layerwise_learning_rates(keras.optimizers.Adam(1e-3), model, decay=0.5), "mse")
    """
    optimizer = keras.optimizers.get(optimizer)
    graph = as_graph(model)
    with doing(f"making learning rates by depth for {graph.name!r}"):
        _refuse(optimizer, decay)
        found = layer_groups(graph, groups)
        factors: dict[str, float] = {}
        calls: dict[str, Any] = dict(calls_at_every_depth(graph))
        for steps, group in enumerate(reversed(list(found))):
            for address in found[group]:
                for variable in calls[address].op.layer.variables:
                    if factors.setdefault(variable.path, decay**steps) != decay**steps:
                        raise SurgeryError(
                            f"two layers call a variable {variable.path!r}, in groups of different rates; give the "
                            "layers names of their own."
                        )
        return LayerwiseOptimizer(optimizer, factors)


def _refuse(optimizer: Any, decay: float) -> None:
    if not decay > 0:
        raise SurgeryError(f"decay={decay!r} should be positive; 1 gives all groups one rate.")
    if isinstance(optimizer, (keras.optimizers.MultiOptimizer, keras.optimizers.LossScaleOptimizer)):
        raise SurgeryError(f"{type(optimizer).__name__} wraps other optimizers; pass the plain one.")
    if optimizer.built:
        raise SurgeryError(f"{optimizer.name!r} has been built for a model already; pass a new one.")
    if optimizer.global_clipnorm is not None:
        raise SurgeryError("global_clipnorm is a norm over all variables, which groups cannot share; use clipnorm.")
