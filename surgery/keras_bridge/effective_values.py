"""What a layer computes with, which is not always what its variables hold: a kernel below LoRA is the sum of the kernel
and the product of two factors (Hu et al. 2021, arXiv:2106.09685, section 4.1), a quantized kernel is codes and scales,
and a Normalization keeps tensors that it derived from its variables.

A layer is looked at part by part: the layer itself, and what it makes or wraps (the projections of attention, the cell
of a recurrent layer, the two directions of a Bidirectional), each under the attribute that holds it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any

from surgery.core.errors import SurgeryError

STEMS = ("kernel", "embeddings", "reverse_embeddings")  # what LoRA and quantization act on
_BESIDE = r"lora_{0}_[ab]|{0}_(scale|zero|amax_history)"
_BESIDE_ALL = r"g_idx|awq_scales|(inputs|outputs_grad)_(scale|amax_history)"


@dataclasses.dataclass(frozen=True)
class Value:
    """A tensor that a part of a layer computes with.

    Args:
        name: that of its variable: `kernel`, `gamma`.
        shape: its shape.
        dtype: as Keras names it.
        read: returns it, as a tensor of the backend.
        variable: what keeps it, or the part of it that a kernel with LoRA has; `None` for a constant.
        how: what was done to get it, `LoRA merged`; `""` for the variable as it is.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Any] = dataclasses.field(compare=False, repr=False)
    variable: Any = dataclasses.field(default=None, compare=False, repr=False)
    how: str = ""


def parts_of(layer: Any) -> dict[str, Any]:
    """Returns a layer and all layers in it, each once, by the attributes that lead to it: `""`, `cell`."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    stack = [("", layer)]
    while stack:
        path, part = stack.pop()
        if id(part) not in seen:
            seen.add(id(part))
            found[path] = part
            below = [(f"{path}/{name}" if path else name, child) for name, child in _children(part)]
            stack += reversed(below)
    return found


def _children(part: Any) -> Iterator[tuple[str, Any]]:
    """Yields the layers directly in a layer; those of a model by their places, as Keras numbers their names."""
    if hasattr(part, "layers") and hasattr(part, "get_layer"):
        yield from ((f"layers/{place}", one) for place, one in enumerate(part.layers))
        return
    inside = {id(one): one for one in getattr(part, "_layers", ())}
    for name, value in vars(part).items() if inside else ():
        if name == "_layers" or name.startswith("_self_"):  # the lists of Keras and TensorFlow
            continue
        several = isinstance(value, (list, tuple, dict))
        members = value.items() if isinstance(value, dict) else enumerate(value) if several else [("", value)]
        for key, one in members:
            if id(one) in inside:
                yield (f"{name}/{key}" if several else name).lstrip("_"), inside.pop(id(one))
    yield from ((f"layers/{place}", one) for place, one in enumerate(inside.values()))


def own_variables(part: Any) -> dict[str, Any]:
    """Returns the weights of a part itself, without those of the layers in it, by name.

    A weight that was given no name has the attribute that holds it; of several with one name all but the first are
    numbered, `kernel~1`.
    """
    below = {id(one) for layer in getattr(part, "_layers", ()) for one in layer.weights}
    found: dict[str, Any] = {}
    for variable in getattr(part, "weights", ()):
        if id(variable) in below:
            continue
        stem = variable.name
        if re.fullmatch(r"variable(_\d+)?", stem):
            stem = _attribute(part, variable) or stem
        name, count = stem, 0
        while name in found:
            count += 1
            name = f"{stem}~{count}"
        found[name] = variable
    return found


def _attribute(part: Any, variable: Any) -> str:
    for name, value in vars(part).items():
        if value is variable:
            return name.lstrip("_")
        if isinstance(value, (list, tuple, dict)) and not name.startswith(("_trainable", "_non_trainable", "_self_")):
            members = value.items() if isinstance(value, dict) else enumerate(value)
            for key, one in members:
                if one is variable:
                    return f"{name.lstrip('_')}.{key}"
    return ""


def quantized(part: Any) -> str | None:
    """Returns how a layer is quantized, `int8`, or `None`."""
    policy = getattr(part, "dtype_policy", None)
    return getattr(policy, "quantization_mode", None) if getattr(part, "_is_quantized", False) else None


def unquantized_policy(layer: Any) -> Any:
    """Returns the dtype policy of a layer without its quantization: that of layers which compute beside it."""
    policy = layer.dtype_policy
    return policy.name.rpartition("_from_")[2] if getattr(policy, "quantization_mode", None) else policy


def lora_of(part: Any) -> tuple[int, float] | None:
    """Returns rank and alpha of the LoRA of a layer, or `None`."""
    return (part.lora_rank, part.lora_alpha) if getattr(part, "lora_enabled", False) else None


def values_of(part: Any) -> dict[str, Value]:
    """Returns what a part of a layer itself computes with, by name.

    Raises:
        SurgeryError: it is quantized in a way that cannot be undone.
    """
    own = own_variables(part)
    if hasattr(part, "finalize_state") and hasattr(part, "adapt_mean"):
        return {name: _as_finalized(part, name, variable) for name, variable in own.items()}
    if hasattr(part, "finalize_state") and hasattr(part, "_mean_and_var_shape"):
        count = Value("count", (), "int32", lambda: 0)
        return {"mean": _constant(part, "mean"), "variance": _constant(part, "variance"), "count": count}
    mode, lora = quantized(part), lora_of(part)
    stems = [stem for stem in STEMS if stem in own] if mode or lora else []
    beside = "|".join([_BESIDE.format(stem) for stem in stems] + [_BESIDE_ALL] * bool(mode))
    found = {}
    for name, variable in own.items():
        if name in stems:
            found[name] = _computed(part, name, variable, mode, lora)
        elif not beside or not re.fullmatch(beside, name):
            found[name] = plain(name, variable)
    return found


def plain(name: str, variable: Any) -> Value:
    """Returns the value of a variable as it is."""
    return Value(name, tuple(variable.shape), str(variable.dtype), lambda: variable.value, variable)


def _as_finalized(layer: Any, name: str, variable: Any) -> Value:
    """Returns mean or variance of a Normalization: the constants it computes with, where they differ from these."""
    import keras

    value = plain(name, variable)
    used = getattr(layer, name, None)
    if name not in ("mean", "variance") or used is None:
        return value
    ours = keras.ops.reshape(keras.ops.cast(variable.value, layer.compute_dtype), used.shape)
    if bool(keras.ops.all(keras.ops.equal(ours, used))):
        return value
    return dataclasses.replace(value, read=lambda: keras.ops.reshape(used, value.shape))


def _constant(layer: Any, name: str) -> Value:
    import keras

    used, shape = getattr(layer, name), tuple(layer._mean_and_var_shape)
    return Value(
        name,
        shape,
        layer.compute_dtype,
        lambda: keras.ops.reshape(used, shape),
    )


def _computed(part: Any, stem: str, variable: Any, mode: str | None, lora: tuple[int, float] | None) -> Value:
    import keras

    merges = bool(lora) and hasattr(part, f"lora_{stem}_a")
    if not mode and not merges:
        return plain(stem, variable)
    how = ", ".join([f"dequantized from {mode}"] * bool(mode) + ["LoRA merged"] * merges)
    if not mode:
        read: Any = lambda: getattr(part, stem)
        return Value(stem, tuple(variable.shape), str(variable.dtype), read, variable, how)
    if mode not in ("int8", "int4", "float8"):
        raise SurgeryError(
            f"{part.name!r} ({type(part).__name__}) is quantized with {mode}, whose codes cannot be turned back into a "
            "kernel. Use the network from before it was quantized."
        )

    def dequantized() -> Any:
        value = _dequantized(part, stem, variable, mode)
        if merges:
            factors = getattr(part, f"lora_{stem}_a"), getattr(part, f"lora_{stem}_b")
            value = value + (part.lora_alpha / part.lora_rank) * keras.ops.matmul(*factors)
        return keras.ops.cast(value, part.compute_dtype)

    return Value(stem, _shape(part, stem, variable, mode), part.compute_dtype, dequantized, variable, how)


def _shape(part: Any, stem: str, codes: Any, mode: str) -> tuple[int, ...]:
    """Returns the shape of a kernel: two integers of 4 bits lie in one byte."""
    if mode != "int4":
        return tuple(codes.shape)
    if hasattr(part, "original_kernel_shape"):
        return tuple(part.original_kernel_shape)
    if stem == "reverse_embeddings":
        return (part.output_dim, *codes.shape[1:])
    return (codes.shape[0], part._orig_output_dim)


def _dequantized(part: Any, stem: str, variable: Any, mode: str) -> Any:
    """Returns a kernel from its codes, as the layer itself uses them.

    Keras has no public name for this: a test compares it with what the layer returns for unit vectors.
    """
    import keras

    ops: Any = keras.ops
    scale = ops.convert_to_tensor(getattr(part, f"{stem}_scale"))
    if mode == "float8":
        return keras.quantizers.quantize_and_dequantize(variable.value, scale, "float8_e4m3fn", part.compute_dtype)
    rows = stem == "embeddings"  # one scale for each row; else for each column
    if mode == "int8":
        if hasattr(part, "_adjust_scale_for_dequant"):
            scale = part._adjust_scale_for_dequant(scale)
        scale = ops.expand_dims(scale, -1) if rows else scale
        return ops.divide(ops.cast(variable.value, part.compute_dtype), scale)
    columns = getattr(part, "_int4_unpacked_column_size", None) or getattr(part, "_orig_output_dim", None)
    axis, length = (0, part.output_dim) if stem == "reverse_embeddings" else (-1, columns)
    codes = ops.cast(keras.quantizers.unpack_int4(variable.value, length, axis=axis), part.compute_dtype)
    zero = getattr(part, f"{stem}_zero", None)
    if zero is None:
        value = ops.divide(codes, ops.expand_dims(scale, -1) if rows else scale)
    else:  # a scale and a zero for each group along the summed axis
        group, sides = ops.cast(part.g_idx, "int32"), -1 if rows else 0
        value = (codes - ops.cast(ops.take(zero, group, axis=sides), scale.dtype)) * ops.take(scale, group, axis=sides)
    return ops.reshape(value, _shape(part, stem, variable, mode))
