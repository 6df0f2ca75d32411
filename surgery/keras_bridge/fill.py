"""Fills the variables of new layers from a file, without drawing values that would be thrown away.

Layers are built inside a `StatelessScope`, in which Keras gives variables a shape and no value. Each then gets the
tensor of the file as its initial value: read once, straight into the memory that the variable keeps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras

from surgery.core.errors import SurgeryError, first_line
from surgery.core.tensors import Source, Tensor, to_hand_over
from surgery.keras_bridge.assign import Late, Pairs, paired
from surgery.keras_bridge.lookups import learns


class Filling:
    """A `StatelessScope` to build layers in, at whose end their variables get the tensors that were set aside for them.

    What fails inside leaves nothing behind: Keras keeps a list of the variables without values, and makes all of them
    when the scope ends, however it ends.

    Args:
        eager: whether layers are built with values at once, which are then replaced: what keeps states needs them.
    """

    def __init__(self, eager: bool = False) -> None:
        self._eager = eager
        self._layers: list[Any] = []
        self._late: list[Late] = []
        self._failures: list[Exception] = []

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """The scope. When it ends well, every tensor has been read.

        Raises:
            SurgeryError: a tensor could not be read.
        """
        with contextlib.nullcontext() if self._eager else keras.StatelessScope():
            try:
                yield
            except BaseException:
                self._abandon()
                raise
        for error in self._failures[:1]:
            raise error if isinstance(error, SurgeryError) else SurgeryError(first_line(error)) from error
        for late in self._late:
            late.load()
        for layer in self._layers:
            settle(layer)

    def follow(self, layer: Any) -> None:
        """Remembers a layer that is made inside the scope."""
        self._layers.append(layer)

    def fill(self, layer: Any, source: Source, name: str) -> set[int]:
        """Sets the tensors of a built layer aside for its variables; returns the identities of these variables.

        Args:
            layer: built inside the scope, which is still open.
            source: the tensors of the layer.
            name: its address, for messages.

        Raises:
            SurgeryError: as `paired`. Nothing has been read.
        """
        found = paired(layer, source, name)
        for variable, tensor in found.pairs:
            if self._eager:
                variable.assign(_as_tensor(tensor.load(), variable.dtype))
            else:
                _start_with(variable, lambda dtype, tensor=tensor: self._read(tensor, dtype))
        self._late += found.late
        return set(found.given)

    def _read(self, tensor: Tensor, dtype: str) -> Any:
        try:
            return _as_tensor(tensor.load(), dtype)
        except Exception as error:
            self._failures.append(error)
            return keras.ops.zeros((), dtype)

    def _abandon(self) -> None:
        for variable in (variable for layer in self._layers for variable in getattr(layer, "variables", ())):
            if not self._eager:
                _start_with(variable, lambda dtype: keras.ops.zeros((), dtype))


def give(layer: Any, found: Pairs) -> None:
    """Gives the variables of a live layer the values of their tensors."""
    for variable, tensor in found.pairs:
        variable.assign(tensor.load())
    for late in found.late:
        late.load()
    settle(layer)


def settle(layer: Any) -> None:
    """Has a layer, and those in it, derive anew what they derive from their weights (Normalization does)."""
    for part in layer._flatten_layers() if isinstance(layer, keras.layers.Layer) else ():
        if hasattr(part, "finalize_state") and not learns(part):  # which would count anew what they have not kept
            part.finalize_state()


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
            return tf.experimental.dlpack.from_dlpack(to_hand_over(array).__dlpack__())
    return keras.ops.convert_to_tensor(array, dtype=dtype)
