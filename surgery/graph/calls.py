"""One application of an operation, and what is asked of the operation. No Keras import; nothing here holds a weight."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any, Protocol

from surgery.core.errors import SurgeryError, printable
from surgery.core.nested import leaves
from surgery.core.specs import Ref, Spec, Weight
from surgery.graph.preprocessing import Preprocessing


class Op(Protocol):
    """What a call applies. Live or stored, an op answers these questions; two ops are equal when they are one layer."""

    @property
    def class_name(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def config(self) -> dict[str, Any]: ...
    @property
    def weights(self) -> tuple[Weight, ...]: ...
    @property
    def trainable(self) -> bool:
        """Whether training moves a weight."""
        ...

    @property
    def frozen(self) -> bool:
        """Whether the layer's own flag keeps its weights from training."""
        ...

    @property
    def inner(self) -> Any:
        """The `Graph` inside, when the op is itself a model; else `None`."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One application of `op`.

    A call that is taken from a graph, as `graph["conv1"]`, by iteration or by `sg.select`, also has its figures there:
    `macs`, `memory`, `stride` and `field`. It is equal to the call in the graph.

    Args:
        name: the address, unique in its graph: the layer's name, and from its second call on `name@1`, `name@2`.
        op: the operation, or `None` for an input of the graph.
        args: positional arguments, with a `Ref` in the place of every tensor.
        kwargs: keyword arguments, likewise. For an input: further arguments of `keras.Input` (`sparse`, `optional`).
        output: nested structure of `Spec`.
        flags: of `freeze` and `unfreeze`, which `build` applies: the path of a leaf layer below this call (`""` for the
            layer itself) -> trainable; `"affine"` for a BatchNormalization that trains with fixed statistics.
        preprocessing: for an input: what its images should be, where that is known.
    """

    name: str
    op: Op | None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    output: Any = None
    flags: Mapping[str, bool | str] = dataclasses.field(default_factory=dict)
    preprocessing: Preprocessing | None = None

    @property
    def layer(self) -> str:
        """The name of the layer that is called: the address without `@1`."""
        if "@" not in self.name:
            return self.name
        own = "" if self.op is None else self.op.name  # which may itself end so
        return own if re.fullmatch(rf"{re.escape(own)}(@\d+)?", self.name) else re.sub(r"@\d+$", "", self.name)

    @property
    def class_name(self) -> str:
        return "InputLayer" if self.op is None else self.op.class_name

    @property
    def config(self) -> dict[str, Any]:
        return {} if self.op is None else self.op.config

    @property
    def weights(self) -> tuple[Weight, ...]:
        return () if self.op is None else self.op.weights

    @property
    def inner(self) -> Any:
        """The `Graph` inside, when the op is itself a model; else `None`."""
        return None if self.op is None else self.op.inner

    @property
    def below(self) -> list[Call]:
        """The calls inside, when the op is itself a model, with the flags that this call carries for them."""
        if not self.flags:
            return list(self.inner or ())
        return [dataclasses.replace(call, flags=flags_below(self.flags, call.layer)) for call in self.inner or ()]

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates of one sample; `None` where they are not known."""
        return self._figure("macs")

    @property
    def memory(self) -> int | None:
        """Bytes of the outputs for one sample; `None` where a size is open."""
        return self._figure("memory")

    @property
    def stride(self) -> Any:
        """Output stride: input pixels per pixel. A number, or a tuple where the axes differ; `()` without such axes,
        `None` where it is not known."""
        return self._figure("stride")

    @property
    def field(self) -> Any:
        """Receptive field in pixels of the input, likewise; `math.inf` where some operation may mix all pixels."""
        return self._figure("field")

    def _figure(self, name: str) -> Any:
        raise SurgeryError(
            f"{name} depends on the network around a call, and {printable(self.name)!r} alone does not know it: ask "
            f"graph[{printable(self.name)!r}].{name}."
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and vars(self) is vars(other)

    def __hash__(self) -> int:
        return id(vars(self))

    @property
    def params(self) -> int:
        """Number of parameters of the op that is called."""
        return sum(weight.size for weight in self.weights)

    @functools.cached_property
    def _refs(self) -> tuple[Ref, ...]:
        return tuple(Ref(self.name, index) for index in range(len(self.specs)))

    @functools.cached_property
    def _parents(self) -> tuple[Ref, ...]:
        values = (self.args, dict(self.kwargs)) if self.kwargs else self.args
        return tuple(leaf for leaf in leaves(values) if isinstance(leaf, Ref))

    @property
    def specs(self) -> list[Spec]:
        """The specs of the outputs, flat."""
        return leaves(self.output)

    @property
    def refs(self) -> list[Ref]:
        """The addresses of the outputs, flat."""
        return list(self._refs)

    @property
    def parents(self) -> list[Ref]:
        """The tensors that the call takes, in order."""
        return list(self._parents)

    @property
    def given(self) -> list[Ref]:
        """The tensors that the call works on, each once: its parents without a mask."""
        values = (self.args, {key: value for key, value in self.kwargs.items() if key != "mask"})
        return list(dict.fromkeys(leaf for leaf in leaves(values) if isinstance(leaf, Ref)))

    @property
    def operands(self) -> list[Ref]:
        """The tensors in the order in which the layer names them, which for attention is not that of `parents`."""
        if not self.class_name.endswith("Attention") or (self.args and not isinstance(self.args[0], Ref)):
            masks = leaves(self.kwargs["mask"]) if "mask" in self.kwargs else ()
            return [ref for ref in self.parents if ref not in masks]
        named = dict(zip(("query", "value", "key"), self.args, strict=False)) | dict(self.kwargs)
        return [named[name] for name in ("query", "value", "key") if isinstance(named.get(name), Ref)]

    @property
    def trainable(self) -> bool:
        """Whether training moves something here, flags of `freeze` and `unfreeze` included."""
        if self.op is None:
            return False
        if self.op.inner is None:
            return bool(self.flags.get("", self.op.trainable))
        return any(call.trainable for call in self.below)

    @property
    def frozen(self) -> bool:
        """Whether it has weights, all of which are kept from training by a flag, those of `freeze` included."""
        if self.op is None or not self.op.weights:
            return False
        if self.op.inner is None:
            return not self.flags[""] if "" in self.flags else self.op.frozen
        return all(call.frozen for call in self.below if call.weights)

    def __str__(self) -> str:
        shapes = ", ".join(map(str, self.specs))
        return f"{printable(self.name)} {self.class_name} {shapes}"

    def __repr__(self) -> str:
        return f"<Call {self}>"


def flags_below(flags: Mapping[str, bool | str], layer: str) -> dict[str, bool | str]:
    """Returns the marks of a nested call that concern one layer inside, by their paths below it."""
    return {
        path[len(layer) + 1 :]: flag for path, flag in flags.items() if path == layer or path.startswith(f"{layer}/")
    }
