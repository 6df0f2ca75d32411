"""Which tensor of a source is which variable of a live layer, checked by count and shape before anything is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import keras

from surgery.core.errors import SurgeryError, listing, printable
from surgery.core.names import natural, snake_case, unnumbered
from surgery.core.tensors import Source, Tensor
from surgery.keras_bridge.variables import names_of_variables

Refit = Callable[[Tensor, tuple[int, ...], bool], Tensor | None]  # whether it holds one number for each channel


@dataclasses.dataclass(frozen=True)
class Late:
    """A part of a layer that reads its values itself: they are kept in another form than its variables have.

    Args:
        owner: the part; its `load_own_variables` is called with what its `save_own_variables` once wrote.
        store: its tensors, by the numbers under which they were written.
    """

    owner: Any
    store: dict[str, Tensor]

    def load(self) -> None:
        """Has the part read its values."""
        self.owner.load_own_variables({number: tensor.load() for number, tensor in self.store.items()})

    @property
    def variables(self) -> list[Any]:
        """The variables of the part itself, without those of the layers in it."""
        below = {id(one) for layer in self.owner._flatten_layers(include_self=False) for one in layer.variables}
        return [variable for variable in self.owner.variables if id(variable) not in below]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """What each variable of a layer gets.

    Args:
        pairs: (variable, tensor).
        late: parts that read their values themselves.
    """

    pairs: list[tuple[Any, Tensor]]
    late: list[Late] = dataclasses.field(default_factory=list)

    @property
    def given(self) -> dict[int, Tensor]:
        """The tensor of each variable, by the variable's identity."""
        found = {id(variable): tensor for variable, tensor in self.pairs}
        for late in self.late:
            tensors = [*late.store.values()]
            own = late.variables
            found.update((id(one), tensors[min(at, len(tensors) - 1)]) for at, one in enumerate(own) if tensors)
        return found


def paired(layer: Any, source: Source, name: str, refit: Refit | None = None) -> Pairs:
    """Returns the tensor of every weight of a built layer.

    Args:
        layer: the layer.
        source: its tensors.
        name: its address, for messages.
        refit: makes a tensor of another shape serve; `None` where it cannot.

    Raises:
        SurgeryError: a tensor is missing, there is one too many, or a shape differs.
    """
    if source.absent:
        lost = listing(map(printable, source.absent), 3)
        raise SurgeryError(f"the file lists {lost} for {printable(name)!r}, and does not hold it.")
    found = (
        _of_tree(layer, source.tree, name)
        if source.tree
        else Pairs(_of_names(layer, source.named) if source.named else _of_row(layer, source, name))
    )
    given = found.given
    missing = [variable.path for variable in layer.weights if id(variable) not in given]
    if missing or len(source.row) > len(found.pairs) or len(source.named) > len(found.pairs):
        raise SurgeryError(
            f"{printable(name)!r} ({type(layer).__name__}) has {len(layer.weights)} weights, and the file "
            f"{len(source.tensors)} for it"
            f"{f': {listing(map(printable, missing), 3)} would be without' if missing else ''}."
        )
    return dataclasses.replace(found, pairs=[_fitting(*pair, layer, name, refit) for pair in found.pairs])


def _fitting(variable: Any, tensor: Tensor, layer: Any, name: str, refit: Refit | None) -> tuple[Any, Tensor]:
    shape = tuple(variable.shape)
    new = tensor if shape == tensor.shape else refit(tensor, shape, of_channels(layer, variable)) if refit else None
    if new is None:
        raise SurgeryError(
            f"{printable(name)!r}: {printable(variable.path)} is {shape}, and the file has {tensor.shape} for "
            "it. The file was not made by this architecture."
        )
    return variable, new


def of_channels(layer: Any, variable: Any) -> bool:
    """Whether a variable holds one number for each channel of an input: mean or variance of a Normalization."""
    parts = [part for part in layer._flatten_layers() if isinstance(part, keras.layers.Normalization)]
    return any(variable is getattr(part, f"adapt_{name}", 0) for part in parts for name in ("mean", "variance"))


def _of_names(layer: Any, named: dict[str, Tensor]) -> list[tuple[Any, Tensor]]:
    """Pairs by name; numbers that Keras gave the layers inside, which differ between sessions, are passed over."""
    own = names_of_variables(layer)
    if set(own) >= set(named):
        return [(own[name], tensor) for name, tensor in named.items()]
    bare_own, bare_named = (list(map(unnumbered, names)) for names in (own, named))
    mine, theirs = (sorted(names, key=natural) for names in (own, named))  # of one name: in the order of the numbers
    if sorted(bare_own) == sorted(bare_named):
        mine, theirs = (sorted(names, key=unnumbered) for names in (mine, theirs))
        return [(own[name], named[other]) for name, other in zip(mine, theirs, strict=True)]
    for form in (str, unnumbered):
        found = [(own[name], [other for other in named if _one_ends_as(form(name), form(other))]) for name in own]
        if all(len(others) == 1 for _, others in found) and len({others[0] for _, others in found}) == len(named):
            return [(variable, named[others[0]]) for variable, others in found]
    return []


def _one_ends_as(name: str, other: str) -> bool:
    """Whether two paths may be of one variable: around a part that was built alone there are no names."""
    return f".{name}".endswith(f".{other}") or f".{other}".endswith(f".{name}")


def _of_row(layer: Any, source: Source, name: str) -> list[tuple[Any, Tensor]]:
    """Pairs with a list: by the names in it where they are those of the layer, else in the order that Keras writes.

    Raises:
        SurgeryError: a part of the layer is frozen, and the order depends on whether it was when the list was written.
    """
    own = names_of_variables(layer)
    if source.as_made:
        return list(zip(own.values(), source.row, strict=False))
    by_name = _by_tail(own, source.row)
    if by_name:
        return by_name
    by_flag = [*layer.trainable_weights, *layer.non_trainable_weights]
    partly = any(not part.trainable for part in layer._flatten_layers()) and layer.trainable
    moved = [(one, other) for one, other in zip(own.values(), by_flag, strict=True) if one is not other]
    if partly and moved and all(tuple(one.shape) == tuple(other.shape) for one, other in moved):
        raise SurgeryError(f"a part of {printable(name)!r} is frozen, and in which order the file lists depends on it.")
    return list(zip(by_flag, source.row, strict=False))


def _by_tail(own: dict[str, Any], row: Iterable[Tensor]) -> list[tuple[Any, Tensor]]:
    """Pairs where each variable's name, `forward_lstm.lstm_cell.kernel`, is how one name of the list ends."""
    tails = {f".{unnumbered(tensor.name.split(':')[0].replace('/', '.'))}": tensor for tensor in row}
    found: list[tuple[Any, Tensor]] = []
    for name, variable in own.items():
        ending = [tensor for tail, tensor in tails.items() if tail.endswith(f".{unnumbered(name)}")]
        if len(ending) != 1:
            return []
        found.append((variable, ending[0]))
    return found if len({id(tensor) for _, tensor in found}) == len(found) == len(list(row)) else []


def _of_tree(layer: Any, tree: dict[str, Tensor], name: str) -> Pairs:
    stores: dict[int, tuple[Any, dict[str, Tensor]]] = {}
    for place, tensor in tree.items():
        *path, _, number = place.split("/")
        owner = layer
        for step in path:
            owner = _child(owner, step)
        if owner is None:
            if "seed_generator" in path or "optimizer" in path:  # of a model that was compiled, in a wrapper
                continue
            raise SurgeryError(f"the file has {printable(place)!r} for {printable(name)!r}, which has no such part.")
        stores.setdefault(id(owner), (owner, {}))[1][number] = tensor
    pairs: dict[int, tuple[Any, Tensor]] = {}
    late = []
    for owner, store in stores.values():
        own = _own_variables(owner)
        if reads_by_itself(owner) or any(not isinstance(own.get(number, 0), keras.Variable) for number in store):
            _refuse_other_numbers(owner, own, store, name)
            late.append(Late(owner, store))
        else:  # a variable that is written under two places has one value
            pairs.update((id(own[number]), (own[number], tensor)) for number, tensor in store.items())
    return Pairs(list(pairs.values()), late)


def _refuse_other_numbers(owner: Any, own: dict[str, Any], store: dict[str, Tensor], name: str) -> None:
    unknown = [number for number in store if number not in own]
    codes = any("int8" in tensor.dtype for tensor in store.values())
    if unknown or not isinstance(owner, keras.layers.Layer):
        raise SurgeryError(
            f"the file has {printable(f'vars/{unknown[0] if unknown else 0}')!r} for {printable(name)!r}, which has no "
            "such weight."
            + " The file holds codes of a quantized layer: transfer(open(path), x) gives what they stand for."
            * codes
        )


def reads_by_itself(owner: Any) -> bool:
    """Whether a layer of the user's own, beside those of Keras, has its own way to read its values."""
    if not isinstance(owner, keras.layers.Layer):
        return False
    home = next(base for base in type(owner).__mro__ if "load_own_variables" in vars(base))
    return home.__module__.partition(".")[0] != "keras"


def _own_variables(owner: Any) -> dict[str, Any]:
    """Returns what Keras would write for a layer itself, by the numbers under which it would: variables, mostly."""
    found: dict[str, Any] = {}
    if isinstance(owner, keras.layers.Layer):
        owner.save_own_variables(found)
    elif isinstance(owner, keras.random.SeedGenerator):
        found["0"] = owner.state
    return found


def _child(owner: Any, step: str) -> Any:
    """Returns the part of a layer that Keras writes under a name: an attribute, or a member of a list of layers."""
    if isinstance(owner, dict):
        owner = list(owner.values())
    if isinstance(owner, (list, tuple)):
        counts: dict[str, int] = {}
        for one in owner:
            stem = snake_case(type(one).__name__)
            counts[stem] = counts.get(stem, -1) + 1
            if step == (f"{stem}_{counts[stem]}" if counts[stem] else stem):
                return one
        return None
    if owner is None or step.startswith("__") or not step.isidentifier():
        return None
    found = getattr(owner, step, None)
    kinds = (keras.Operation, keras.random.SeedGenerator, list, tuple, dict)
    return found if isinstance(found, kinds) else None
