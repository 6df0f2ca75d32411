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


def _state(model: Any) -> tuple[Any, ...]:
    from surgery.normalization import flag_of

    return tuple((id(layer), flag_of(layer)) for layer in model._flatten_layers())


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
    order = [*variables, *(one for one in known if not any(one is variable for variable in variables))]
    fresh = alike(optimizer)
    names = _built(fresh, order)
    old_names = _built(alike(optimizer), known)
    values = dict(zip(old_names, optimizer.variables, strict=True))
    for name, variable in zip(names, fresh.variables, strict=True):
        if name in values:
            variable.assign(values[name])
    averages = getattr(fresh, "_model_variables_moving_average", None) or ()
    for variable, average in zip(order, averages, strict=False):
        if any(variable is one for one in new):
            average.assign(variable)  # Keras does so in the first step, which is over
    if hasattr(optimizer, "_u_product"):  # Nadam keeps it beside its variables
        fresh._u_product.assign(optimizer._u_product)
    vars(optimizer).clear()
    vars(optimizer).update(vars(fresh))  # the same object, which the user and callbacks may hold


def alike(optimizer: Any, **changed: Any) -> Any:
    """Makes an optimizer with the settings of another, those included that are in no configuration of Keras."""
    new = type(optimizer).from_config({**optimizer.get_config(), **changed})
    if not changed:
        new.name = optimizer.name
    for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if name in vars(optimizer):
            object.__setattr__(new, name, vars(optimizer)[name])
    return new


def _built(optimizer: Any, variables: Any) -> list[tuple[Any, ...]]:
    """Builds an optimizer; returns a name for each of its variables that says whose slot it is.

    Paths alone do not: layers of nested models may be called alike.
    """
    owners: dict[int, int] = {}
    parts = [one for one in (optimizer, getattr(optimizer, "inner_optimizer", None)) if one is not None]
    for part in parts:
        plain = part.add_variable_from_reference

        def add(reference_variable: Any, *args: Any, plain: Any = plain, **kwargs: Any) -> Any:
            slot = plain(reference_variable, *args, **kwargs)
            owners[id(slot)] = id(reference_variable)
            return slot

        object.__setattr__(part, "add_variable_from_reference", add)
    optimizer.build(variables)
    for part in parts:
        object.__delattr__(part, "add_variable_from_reference")
    names: list[tuple[Any, ...]] = []
    for variable in optimizer.variables:
        name = (variable.path.removeprefix(f"{optimizer.name}/"), owners.get(id(variable)))
        names.append((*name, sum(one[:2] == name for one in names) if owners.get(id(variable)) is None else 0))
    return names
