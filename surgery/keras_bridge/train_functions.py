"""What a compiled model remembers of its flags: the train function that was traced.

Keras reads `trainable` once, when the train function is first traced, and an optimizer knows the variables that trained
then. A change of flags after that is silently without effect, or fails. Here it takes effect: each state of the flags
has a train function of its own, and the optimizer gets slots (`slots.py`) for what it has not known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from surgery.keras_bridge.optimizer_slots import extend

_MEMORY = "_surgery_train_functions"


@contextlib.contextmanager
def flags_may_change(model: Any) -> Iterator[None]:
    """Lets the flags of a live model be changed inside the block such that the next step follows them."""
    before = state_of(model)
    yield
    after = state_of(model)
    if getattr(model, "compiled", False) and (after != before or _traced_with(model) != after):
        _switch(model, before, after)
        optimizer = model.optimizer
        if optimizer is not None and optimizer.built:
            with scope_of(model):
                extend(optimizer, model.trainable_variables)


def scope_of(model: Any) -> contextlib.AbstractContextManager[Any]:
    """Returns the scope of the `tf.distribute` strategy that a model was made under, if any: for new variables."""
    strategy = getattr(model, "distribute_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def state_of(model: Any) -> tuple[Any, ...]:
    """Returns what a train function is traced with: the flags of all layers, and which variables train."""
    from surgery.keras_bridge.trainable_flags import flag_of

    flags = ((id(layer), flag_of(layer)) for layer in model._flatten_layers())
    return tuple(flags), tuple(id(one) for one in model.variables if one.trainable)  # the two need not agree


def _memory(model: Any) -> tuple[dict[Any, Any], Any]:
    """Returns the train functions by flags, and (function, flags) of the last that was put in."""
    compiled, functions, last = getattr(model, _MEMORY, (None, {}, (None, None)))
    same = compiled is getattr(model, "_compile_config", None)  # another one since the model was compiled again
    return (functions, last) if same else ({}, (None, None))


def _traced_with(model: Any) -> Any:
    """Returns the flags that the train function was made for, where they were set here; else nobody knows."""
    _, (function, flags) = _memory(model)
    return flags if function is model.train_function else None


def _switch(model: Any, before: Any, after: Any) -> None:
    """Puts the train function of the old flags aside, and takes out that of the new ones, or makes one.

    A function that was traced with other flags than those of a moment ago, because they were set by hand in between,
    is dropped.
    """
    functions, _ = _memory(model)
    current = model.train_function
    if current is not None and _traced_with(model) == before:
        functions[before] = current
    model.train_function = functions.get(after)
    if model.train_function is None and current is not None:
        model.make_train_function()  # `fit` that is going on does not make one
    last = (model.train_function, after)
    memory = (getattr(model, "_compile_config", None), functions, last)
    object.__setattr__(model, _MEMORY, memory)  # not tracked as a part of the model
