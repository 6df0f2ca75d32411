"""Runs a network and its donor side by side, in inference, and compares what they make tensor by tensor.

One forward pass of each, call by call, as Keras runs a network eagerly. A tensor is let go when nothing needs it any
more, so a large network costs what it costs in inference. Variables stay as they are: what a call would assign, states
of a recurrent layer or of a random generator, is kept apart for each side, and dropped.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from surgery.compare.flattened import Flat, Step
from surgery.core.errors import SurgeryError, first_line
from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref


def differences(compared: Iterable[tuple[Ref, Ref]], ours: Side, theirs: Side) -> dict[tuple[Ref, Ref], float]:
    """Returns the largest absolute difference of each pair of tensors, of the network and the donor; of those that the
    network makes.

    Args:
        compared: the pairs.
        ours: the network, which has not run; it runs as far as it is needed.
        theirs: the donor, likewise. It runs when the network needs it, and so far.
    """
    by_call: dict[str, list[tuple[Ref, Ref]]] = {}
    for pair in compared:
        theirs.waiting[pair[1]] += 1
        by_call.setdefault(pair[0].call, []).append(pair)
    found: dict[tuple[Ref, Ref], float] = {}
    for address in ours.order:
        ours.run(address)
        for mine, other in by_call.get(address, ()):
            if mine in ours.values:
                found[mine, other] = largest(ours.values[mine], theirs.value(other))
            theirs.release(other)
        ours.forget(address)
    return found


class Side:
    """One of the two networks, as far as it has run.

    Args:
        network: the network.
        needed: the steps that are run, in order.
        arrays: what its inputs are given.
        layer_of: returns the live layer of a step.
        instead: tensor -> what is in its place, asked for when it is needed.
        optional: whether a call that does not take what it is given is left out, with all that depends on it.
    """

    def __init__(
        self,
        network: Flat,
        needed: Iterable[Step],
        arrays: Mapping[str, Any],
        layer_of: Callable[[Step], Any],
        instead: Mapping[Ref, Callable[[], Any]] | None = None,
        optional: bool = False,
    ):
        import keras

        self.network, self.values = network, {}
        self.order = [step.address for step in needed]
        self.waiting: Counter[Ref] = Counter()
        self._arrays, self._layer_of, self._instead = arrays, layer_of, dict(instead or {})
        self._optional, self._next = optional, 0
        self._scope = keras.StatelessScope()
        for address in self.order:
            self.waiting.update(set(network.steps[address].parents))

    def value(self, ref: Ref) -> Any:
        """Returns a tensor; what is before it runs first."""
        while ref not in self.values and self._next < len(self.order):
            address = self.order[self._next]
            self.run(address)
            self.forget(address)
        return self.values[ref]

    def run(self, address: str) -> None:
        """Computes the tensors of one step, if those that it takes are there."""
        self._next += 1
        step = self.network.steps[address]
        taken = set(step.parents)
        for ref in taken & self._instead.keys():
            self.values.setdefault(ref, self._instead.pop(ref)())
        if taken <= self.values.keys():
            self.values.update(zip(step.refs, self._made(step), strict=False))
        for ref in taken:
            self.release(ref)

    def forget(self, address: str) -> None:
        """Lets go of what nothing needs."""
        for ref in self.network.steps[address].refs:
            if not self.waiting[ref]:
                self.values.pop(ref, None)

    def release(self, ref: Ref) -> None:
        """Says that one of those that need a tensor has had it."""
        self.waiting[ref] -= 1
        if self.waiting[ref] <= 0:
            self.values.pop(ref, None)

    def _made(self, step: Step) -> list[Any]:
        try:
            with self._scope:
                return self._entered(step) if not step.applies else self._applied(step)
        except Exception as error:
            if self._optional:
                return []
            raise SurgeryError(
                f"{self.network.graph.name!r} does not run on random inputs ({first_line(error)}). Pass arrays that it "
                f"takes: inputs=."
            ) from error

    def _applied(self, step: Step) -> list[Any]:
        layer = self._layer_of(step)

        def look(leaf: Any) -> Any:
            return self.values[leaf] if isinstance(leaf, Ref) else leaf

        args, kwargs = rebuilt(look, step.args), rebuilt(look, dict(step.kwargs))
        if "training" in inspect.signature(layer.call).parameters:
            kwargs["training"] = False
        return leaves(layer(*args, **kwargs))

    def _entered(self, step: Step) -> list[Any]:
        """Returns what a network, or a nested model, takes: in the type and the rank of its input."""
        import keras

        given = self.values[step.parents[0]] if step.parents else self._arrays.get(step.address)
        if given is None:
            return [None]
        spec = step.call.specs[0]
        value: Any = keras.ops.convert_to_tensor(given, dtype=spec.dtype)
        more = len(spec.sides) - len(value.shape)
        if more == 1 and spec.sides[-1:] == (1,):
            value = keras.ops.expand_dims(value, -1)
        elif more == -1 and value.shape[-1] == 1:
            value = keras.ops.squeeze(value, -1)
        return [_masked_as(given, value)]


def copied(value: Any) -> Any:
    """Returns a tensor of its own with the values of another, and its mask."""
    import keras

    try:
        new = keras.ops.convert_to_tensor(keras.ops.convert_to_numpy(value))
    except Exception:  # sparse, ragged, or text
        return value
    return _masked_as(value, new)


def _masked_as(given: Any, value: Any) -> Any:
    """Returns a tensor with the mask of the one that it was made of."""
    mask = getattr(given, "_keras_mask", None)
    if mask is not None and value is not given:
        value._keras_mask = mask
    return value


def largest(one: Any, other: Any) -> float:
    """Returns the largest absolute difference of two tensors; NaN where they cannot be compared."""
    import keras
    import numpy as np

    if one is None or other is None:
        return 0.0 if one is other else float("nan")
    a, b = (np.asarray(keras.ops.convert_to_numpy(value)) for value in (one, other))
    if a.shape != b.shape:
        return float("nan")
    a, b = (side.astype("float32") if side.dtype.kind == "V" else side for side in (a, b))  # bfloat16
    with np.errstate(invalid="ignore"):
        if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            return 0.0
        if a.dtype.kind not in "fiubc":
            return float("nan")
        return float(np.max(np.abs(a.astype("float64") - b.astype("float64"))))
