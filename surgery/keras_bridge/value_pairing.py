"""The pairing of what two layers compute with, part by part."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError, listing
from surgery.core.tensors import Tensor
from surgery.keras_bridge import lookups
from surgery.keras_bridge.assign import Late, Pairs, Refit, of_channels, reads_by_itself
from surgery.keras_bridge.effective_values import Value, lora_of, own_variables, parts_of, plain, quantized, values_of
from surgery.layers.kernel_layouts import may_share

_CODES = ("int8", "int4", "gptq", "awq")


@dataclasses.dataclass(frozen=True)
class Gift:
    """What one layer is given by another.

    Args:
        pairs: the variables, and the tensors that they get.
        moved: what moves, by name: `kernel`, `query_dense/kernel (LoRA merged)`.
        fresh: what the target computes with and is not given, by name.
        left: what the source computes with and the target has no place for, by name.
    """

    pairs: Pairs
    moved: list[str]
    fresh: dict[str, Value]
    left: dict[str, Value]

    def complete(self, target: Any, source: Any) -> Pairs:
        """Returns the pairs.

        Raises:
            SurgeryError: something would stay fresh, or be lost.
        """
        if not self.fresh and not self.left:
            return self.pairs
        name = next((name for name in self.fresh if name in self.left), "")
        if name:
            ours, theirs = self.fresh[name], self.left[name]
            what = f"{ours.variable.path} is {ours.shape}, and {name} of {source.name!r} {theirs.shape}"
        else:
            what = f"{listing(self.fresh)} would stay fresh" if self.fresh else f"{listing(self.left)} would be lost"
        raise SurgeryError(
            f"{target.name!r} ({type(target).__name__}) cannot be given the values of {source.name!r} "
            f"({type(source).__name__}): {what}."
        )


Choose = Callable[[Any, Value, Tensor], Tensor | None]  # part, what it wants, what it is offered -> what it gets


class Pairing:
    """The pairing of two layers, part by part; what has no partner is paired by name and shape alone at the end."""

    def __init__(self, target: Any, source: Any, refit: Refit | None, choose: Choose | None):
        self._target, self._source, self._refit, self._choose = target, source, refit, choose
        self._pairs: list[tuple[Any, Tensor]] = []
        self._late: list[Any] = []
        self._moved: list[str] = []
        self._wanted: dict[str, tuple[Any, Value]] = {}
        self._offered: dict[str, tuple[Any, Value]] = {}

    def gift(self) -> Gift:
        ours, theirs = parts_of(self._target), parts_of(self._source)
        for path, part in ours.items():
            other = theirs.pop(path, None)
            if other is None or self._choose or not self._as_it_is(path, part, other):
                self._offer(path, part, other)
        for path, other in theirs.items():
            self._offer(path, None, other)
        self._alone()
        return Gift(
            Pairs(self._pairs, self._late),
            self._moved,
            *({label: value for label, (_, value) in side.items()} for side in (self._wanted, self._offered)),
        )

    def _as_it_is(self, path: str, part: Any, other: Any) -> bool:
        """Has a part take the variables of another as they are, where both keep the same in the same form."""
        if lookups.learns(part) and lookups.learns(other):
            return self._adapted(path, part, other)
        mine, theirs = own_variables(part), own_variables(other)
        if type(part) is type(other) and reads_by_itself(part):
            return self._by_itself(path, part, other)
        same = [(name, tuple(one.shape)) for name, one in mine.items()]
        alike = sorted(same) == sorted((name, tuple(one.shape)) for name, one in theirs.items())
        if not alike or _form(part) != _form(other) or not may_share(part, other):
            both = quantized(part), quantized(other)
            if both[0] == both[1] and both[0] in ("int8", "int4") and type(part) is type(other):
                return self._by_itself(path, part, other)  # Keras merges LoRA into new codes
            return False
        if any(not _one_kind(mine[name].dtype, theirs[name].dtype) for name in mine):
            return False
        values = {} if quantized(part) or lora_of(part) else values_of(other)  # a Normalization computes with others
        for name, variable in mine.items():
            value = values.get(name) or plain(name, theirs[name])
            self._pairs.append((variable, tensor_of(value, theirs[name].path)))
            self._moved.append(label_of(path, name))
        return True

    def _by_itself(self, path: str, part: Any, other: Any) -> bool:
        """Has a part read what the other writes, if it writes the same itself."""
        stores: tuple[dict[str, Any], dict[str, Any]] = {}, {}
        for one, store in zip((part, other), stores, strict=True):
            one.save_own_variables(store)
        mine, theirs = ({key: tuple(value.shape) for key, value in store.items()} for store in stores)
        if mine != theirs:
            return False
        tensors = {key: tensor_of(_constant(key, value), f"{other.name}/{key}") for key, value in stores[1].items()}
        if tensors:
            self._late.append(Late(part, tensors))
            self._moved += [label_of(path, name) for name in own_variables(part)]
        return True

    def _adapted(self, path: str, part: Any, other: Any) -> bool:
        """Has a part learn what another learned by `adapt` beside its weights."""
        lesson = lookups.lesson(part, other)
        if lesson is not None:
            self._late.append(lesson)
            self._moved.append(label_of(path, lesson.name))
        return True

    def _offer(self, path: str, part: Any, other: Any) -> None:
        """Pairs what has one name in two parts of one place; sets the rest aside."""
        mine = {} if part is None else _wants(part)
        theirs = {} if other is None else values_of(other) if mine else _offers(other)
        for name in [name for name in mine if name in theirs]:
            if self._pair(path, part, mine[name], other, theirs[name]):
                del mine[name], theirs[name]
        self._wanted.update({label_of(path, name): (part, value) for name, value in mine.items()})
        self._offered.update({label_of(path, name): (other, value) for name, value in theirs.items()})

    def _alone(self) -> None:
        """Pairs what has one name and shape, and is the only one that has, on both sides."""
        keys = [
            {label: (value.name, value.shape) for label, (_, value) in side.items()}
            for side in (self._wanted, self._offered)
        ]
        mine, theirs = ([*side.values()] for side in keys)
        for label, key in keys[0].items():
            if mine.count(key) == theirs.count(key) == 1:
                there = next(one for one, other in keys[1].items() if other == key)
                part, value = self._wanted[label]
                if self._pair(label.rpartition("/")[0], part, value, *self._offered[there]):
                    del self._wanted[label], self._offered[there]

    def _pair(self, path: str, part: Any, mine: Value, other: Any, theirs: Value) -> bool:
        if not _one_kind(mine.dtype, theirs.dtype):
            return False
        if len(mine.shape) == len(theirs.shape) and not may_share(part, other, mine.name):
            return False
        tensor: Tensor | None = tensor_of(theirs, f"{other.name}/{theirs.name}")
        if self._choose:
            tensor = self._choose(part, mine, tensor)
        elif mine.shape != theirs.shape:
            tensor = self._refit(tensor, mine.shape, of_channels(part, mine.variable)) if self._refit else None
        if tensor is None:
            return False
        if mine.how and quantized(part) in _CODES:
            mode = quantized(part)
            raise SurgeryError(
                f"{part.name!r} ({type(part).__name__}) is quantized to {mode}, and what {other.name!r} "
                f"({type(other).__name__}) computes with is not. Give its values to a layer that is not quantized, "
                f'then call quantize("{mode}") on it.'
            )
        self._pairs.append((mine.variable, tensor))
        factor = getattr(part, f"lora_{mine.name}_b", None) if lora_of(part) else None
        if factor is not None:  # the kernel has it all; zeros in one factor, so that both still learn
            shape = tuple(factor.shape)
            zeros = Tensor("zeros", shape, str(factor.dtype), lambda: np.zeros(shape, factor.dtype))
            self._pairs.append((factor, zeros))
        self._moved.append(label_of(path, mine.name) + (f" ({theirs.how})" if theirs.how else ""))
        return True


def _wants(part: Any) -> dict[str, Value]:
    """Returns what a part computes with and can be given: what is in its configuration stays."""
    if quantized(part) in ("gptq", "awq"):
        return {name: dataclasses.replace(plain(name, one), how="codes") for name, one in own_variables(part).items()}
    return {name: value for name, value in values_of(part).items() if value.variable is not None}


def _offers(part: Any) -> dict[str, Value]:
    """Returns what a part computes with, for a target that may not ask for it: codes that cannot be read are codes."""
    own = {name: plain(name, one) for name, one in own_variables(part).items()}
    return own if quantized(part) in ("gptq", "awq") else values_of(part)


def _form(part: Any) -> Any:
    mode = quantized(part)
    calibrated = [getattr(part, f"is_{one}_calibrated", False) for one in ("gptq", "awq")]
    lora = lora_of(part)
    return mode, calibrated if mode else None, getattr(part, "_int4_block_size", None), lora


def _one_kind(one: Any, other: Any) -> bool:
    """Whether two variables hold the same kind of number: codes are not weights."""
    kinds = ["float" if "float" in str(dtype) else str(dtype).strip("u0123456789") for dtype in (one, other)]
    return kinds[0] == kinds[1]


def _constant(name: str, value: Any) -> Value:
    array: Any = keras.ops.convert_to_numpy(value)
    return Value(name, tuple(array.shape), array.dtype.name, lambda: array)


def tensor_of(value: Value, name: str) -> Tensor:
    """Returns a value as a tensor, which is read when asked for."""
    read: Callable[[], Any] = lambda: np.array(keras.ops.convert_to_numpy(value.read()))  # a copy that may be kept
    return Tensor(name + (f" ({value.how})" if value.how else ""), value.shape, value.dtype, read)


def label_of(path: str, name: str) -> str:
    """Returns the name of a value with the path of its part."""
    return f"{path}/{name}" if path else name
