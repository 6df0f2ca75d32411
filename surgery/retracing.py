"""What a compiled model remembers of its flags: the train function that was traced, the optimizer's slots.

Keras reads `trainable` once, when the train function is first traced, and an optimizer knows the variables that trained
then. A change of flags after that is silently without effect, or fails. Here it takes effect: each state of the flags
has a train function of its own, and the optimizer gets slots for what it has not known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_MEMORY = "_surgery_train_functions"


@contextlib.contextmanager
def flags_may_change(model: Any) -> Iterator[None]:
    """Lets the flags of a live model be changed inside the block such that the next step follows them."""
    before = _state(model)
    yield
    after = _state(model)
    if getattr(model, "compiled", False) and after != before:
        _switch(model, before, after)
        optimizer = model.optimizer
        if optimizer is not None and optimizer.built:
            with scope_of(model):
                extend(optimizer, model.trainable_variables)


def scope_of(model: Any) -> contextlib.AbstractContextManager[Any]:
    """Returns the scope of the `tf.distribute` strategy that a model was made under, if any: for new variables."""
    strategy = getattr(model, "distribute_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def _state(model: Any) -> tuple[Any, ...]:
    from surgery.normalization import flag_of

    return tuple((id(layer), flag_of(layer)) for layer in model._flatten_layers())


def _switch(model: Any, before: Any, after: Any) -> None:
    """Puts the train function of the old flags aside, and takes out that of the new ones, if there is one."""
    compiled, functions = getattr(model, _MEMORY, (None, {}))
    config = getattr(model, "_compile_config", None)  # another one since the model was compiled again
    if compiled is not config:
        functions = {}
    functions[before] = model.train_function
    object.__setattr__(model, _MEMORY, (config, functions))  # not tracked as a part of the model
    model.train_function = functions.get(after)


def extend(optimizer: Any, variables: Any) -> None:
    """Gives an optimizer slots for variables that it has not known; those it has keep their values.

    Args:
        optimizer: a Keras optimizer, changed in place; built, where it has not been.
        variables: all that it may be called with from now on.
    """
    if not optimizer.built:
        optimizer.build(variables)
    known = optimizer._trainable_variables  # no public name; in the order of the slots
    new = [variable for variable in variables if not any(variable is one for one in known)]
    if not new:
        return
    fresh = type(optimizer).from_config(optimizer.get_config())
    fresh.name = optimizer.name
    fresh.build([*known, *new])
    values: dict[str, list[Any]] = {}
    for variable in optimizer.variables:
        values.setdefault(_slot(variable, optimizer), []).append(variable)
    for variable in fresh.variables:
        if same := values.get(_slot(variable, fresh)):
            variable.assign(same.pop(0))
    vars(optimizer).clear()
    vars(optimizer).update(vars(fresh))  # the same object, which the user and callbacks may hold


def _slot(variable: Any, optimizer: Any) -> str:
    return variable.path.removeprefix(f"{optimizer.name}/")
