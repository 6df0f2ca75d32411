"""Fills the variables of new layers from a file, without drawing values that would be thrown away.

Layers are built inside a `StatelessScope`, in which Keras gives variables a shape and no value. Each then gets the
tensor of the file as its initial value: read once, straight into the memory that the variable keeps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras

from surgery.errors import SurgeryError, listing, printable
from surgery.files.placing import Source, snake_case
from surgery.files.tensors import Tensor
from surgery.files.variables import names_of_variables

Refit = Callable[[Tensor, tuple[int, ...]], Tensor | None]


class Filling:
    """A `StatelessScope` to build layers in, at whose end their variables get the tensors that were set aside for them.

    What fails inside leaves nothing behind: Keras keeps a list of the variables without values, and makes all of them
    when the scope ends, however it ends.
    """

    def __init__(self) -> None:
        self._layers: list[Any] = []
        self._failures: list[Exception] = []

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """The scope. When it ends well, every tensor has been read.

        Raises:
            Exception: what reading a tensor raised.
        """
        with keras.StatelessScope():
            try:
                yield
            except BaseException:
                self._abandon()
                raise
        if self._failures:
            raise self._failures[0]

    def follow(self, layer: Any) -> None:
        """Remembers a layer that is made inside the scope."""
        self._layers.append(layer)

    def fill(self, layer: Any, source: Source, name: str) -> None:
        """Sets the tensors of a built layer aside for its variables.

        Args:
            layer: built inside the scope, which is still open.
            source: the tensors of the layer.
            name: its address, for messages.

        Raises:
            SurgeryError: as `paired`. Nothing has been read.
        """
        for variable, tensor in paired(layer, source, name):
            _start_with(variable, lambda dtype, tensor=tensor: self._read(tensor, dtype))

    def _read(self, tensor: Tensor, dtype: str) -> Any:
        try:
            return _as_tensor(tensor.load(), dtype)
        except Exception as error:
            self._failures.append(error)
            return keras.ops.zeros((), dtype)

    def _abandon(self) -> None:
        for variable in (variable for layer in self._layers for variable in getattr(layer, "variables", ())):
            _start_with(variable, lambda dtype: keras.ops.zeros((), dtype))


def paired(layer: Any, source: Source, name: str, refit: Refit | None = None) -> list[tuple[Any, Tensor]]:
    """Returns (variable, tensor) for every weight of a built layer.

    Args:
        layer: the layer.
        source: its tensors.
        name: its address, for messages.
        refit: makes a tensor of another shape serve; `None` where it cannot.

    Raises:
        SurgeryError: a tensor is missing, there is one too many, or a shape differs.
    """
    if source.tree:
        pairs = _of_tree(layer, source.tree, name)
    elif source.named:
        pairs = _of_names(layer, source.named)
    else:
        pairs = _of_row(layer, source.row)
    given = {id(variable) for variable, _ in pairs}
    missing = [variable.path for variable in layer.weights if id(variable) not in given]
    if missing or len(given) < len(pairs) or len(source.row) > len(pairs) or len(source.named) > len(pairs):
        raise SurgeryError(
            f"{printable(name)!r} ({type(layer).__name__}) has {len(layer.weights)} weights, and the file "
            f"{len(source.tensors)} for it{f': {listing(missing, 3)} would be without' if missing else ''}."
        )
    for place, (variable, tensor) in enumerate(pairs):
        if tuple(variable.shape) == tensor.shape:
            continue
        new = refit(tensor, tuple(variable.shape)) if refit else None
        if new is not None:
            pairs[place] = (variable, new)
        else:
            raise SurgeryError(
                f"{printable(name)!r}: {variable.path} is {tuple(variable.shape)}, and the file has {tensor.shape} for "
                "it. The file was not made by this architecture."
            )
    return pairs


def _of_names(layer: Any, named: dict[str, Tensor]) -> list[tuple[Any, Tensor]]:
    own = names_of_variables(layer)
    return [(own[name], tensor) for name, tensor in named.items() if name in own]


def _of_row(layer: Any, row: Iterable[Tensor]) -> list[tuple[Any, Tensor]]:
    return list(zip([*layer.trainable_weights, *layer.non_trainable_weights], row, strict=False))


def _of_tree(layer: Any, tree: dict[str, Tensor], name: str) -> list[tuple[Any, Tensor]]:
    pairs = []
    own: dict[int, dict[str, Any]] = {}
    for place, tensor in tree.items():
        *path, _, number = place.split("/")
        owner = layer
        for step in path:
            owner = _child(owner, step)
        if owner is None:
            if "seed_generator" in path:
                continue
            raise SurgeryError(f"the file has {printable(place)!r} for {printable(name)!r}, which has no such part.")
        if id(owner) not in own:
            own[id(owner)] = _own_variables(owner)
        variable = own[id(owner)].get(number)
        if variable is None:
            raise SurgeryError(f"the file has {printable(place)!r} for {printable(name)!r}, which has no such weight.")
        pairs.append((variable, tensor))
    return pairs


def _own_variables(owner: Any) -> dict[str, Any]:
    """Returns the variables that Keras would write for a layer itself, by the numbers under which it would."""
    found: dict[str, Any] = {}
    if isinstance(owner, keras.layers.Layer):
        owner.save_own_variables(found)
    elif isinstance(owner, keras.random.SeedGenerator):
        found["0"] = owner.state
    return {number: variable for number, variable in found.items() if isinstance(variable, keras.Variable)}


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


def _start_with(variable: Any, value: Callable[[str], Any]) -> None:
    """Sets the initial value, a function of the dtype, of a variable that has none yet.

    Keras has no public name for the initial value of a variable made in a StatelessScope; a contract test pins this.
    """
    variable._initializer = lambda shape, dtype=None: value(dtype or variable.dtype)


def _as_tensor(array: Any, dtype: str) -> Any:
    """Returns an array as a tensor that takes over its memory where the backend can, else a copy."""
    if (
        keras.backend.backend() == "tensorflow"
        and array.dtype.name == dtype
        and array.dtype.name != "bool"
        and array.size
    ):
        import tensorflow as tf

        if array.dtype.kind in "fiu" and array.dtype.name != "bfloat16":
            return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return keras.ops.convert_to_tensor(array, dtype=dtype)
