"""The slots of an optimizer, moments and averages: how it gets to know new variables and keeps what it has of the old.

A slot goes by the variable that it belongs to, not by its path: layers of nested models may be called alike. Slots lie
in the order of the model's variables, which is the order in which Keras saves and opens them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

_IN_NO_CONFIGURATION = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")


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
    fresh = alike(optimizer)
    names = _built(fresh, [*variables, *(one for one in known if not any(one is variable for variable in variables))])
    values = dict(zip(_built(alike(optimizer), known), optimizer.variables, strict=True))
    for name, variable in zip(names, fresh.variables, strict=True):
        if name in values:
            variable.assign(values[name])
    for part, old in zip(_parts(fresh), _parts(optimizer), strict=True):
        _carry(part, old, {id(variable) for variable in new})
    vars(optimizer).clear()
    vars(optimizer).update(vars(fresh))  # the same object, which the user and callbacks may hold


def alike(optimizer: Any, **changed: Any) -> Any:
    """Makes an optimizer with the settings of another, those included that are in no configuration of Keras."""
    new = type(optimizer).from_config({**optimizer.get_config(), **changed})
    if not changed:
        new.name = optimizer.name
    for part, old in zip(_parts(new), _parts(optimizer), strict=True):
        for name in _IN_NO_CONFIGURATION:
            if name in vars(old):
                object.__setattr__(part, name, vars(old)[name])
    return new


def _parts(optimizer: Any) -> list[Any]:
    """Returns an optimizer and those that it wraps, at every depth."""
    wrapped = getattr(optimizer, "inner_optimizer", None)
    inner = getattr(optimizer, "_inner_optimizers", [] if wrapped is None else [wrapped])
    return [optimizer, *(part for one in inner for part in _parts(one))]


def _carry(part: Any, old: Any, new: set[int]) -> None:
    """Sets what is no slot, or a slot that does not begin at zero; `new` are the ids of variables not known before."""
    averages = getattr(part, "_model_variables_moving_average", None) or ()
    for variable, average in zip(part._trainable_variables, averages, strict=False):
        if id(variable) in new:
            average.assign(variable)  # Keras does so in the first step, which is over
    if hasattr(old, "_u_product"):  # Nadam keeps it beside its variables
        part._u_product.assign(old._u_product)


def _built(optimizer: Any, variables: Any) -> list[tuple[Any, ...]]:
    """Builds an optimizer; returns a name for each of its variables that says whose slot it is."""
    owners: dict[int, int] = {}
    parts = _parts(optimizer)
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
    seen: Counter[Any] = Counter()
    for variable in optimizer.variables:
        name = (variable.path.removeprefix(f"{optimizer.name}/"), owners.get(id(variable)))
        names.append((*name, seen[name]))
        seen[name] += 1
    return names
