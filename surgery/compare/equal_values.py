"""Whether two layers hold bit-identical values; of LoRA, the kernel that it is merged into."""

from __future__ import annotations

from typing import Any

from surgery.keras_bridge.lookups import learned
from surgery.keras_bridge.variables import names_of_variables

CHUNK = 8 * 2**20  # bytes that are compared at a time


def equal_values(layer: Any, other: Any) -> bool:
    """Compares the weights of two layers bit for bit, and the words they learned; nothing is read where they are one.

    A file holds the kernel of a layer with LoRA as Keras merges it: where one of two layers has LoRA, the kernels that
    they compute with are compared.
    """
    import numpy as np

    if layer is other or not hasattr(layer, "get_weights"):
        return True
    mine, others = (_values(one) for one in (layer, other))
    if mine.keys() == others.keys():  # the order may change when a layer is saved and opened: quantized to 8 bits
        others = {name: others[name] for name in mine}
    if len(mine) != len(others) or learned(layer) != learned(other):
        return False
    for pair in zip(mine.values(), others.values(), strict=True):
        a, b = map(np.asarray, pair)
        if a.dtype != b.dtype or a.shape != b.shape or not _same_bits(a, b):
            return False
    return True


def _same_bits(a: Any, b: Any) -> bool:
    """Compares two arrays piece by piece: a large one is not copied whole."""
    import numpy as np

    if a.dtype.hasobject:
        return bool(np.array_equal(a, b))
    one, other = (np.ascontiguousarray(array).reshape(-1) for array in (a, b))
    step = max(1, CHUNK // a.dtype.itemsize)
    return all(
        one[start : start + step].tobytes() == other[start : start + step].tobytes()
        for start in range(0, one.size, step)
    )


def _values(layer: Any) -> dict[str, Any]:
    """Returns the values of a layer by name; merged kernels instead of those of LoRA."""
    merged: dict[int, Any] = {}
    for part in getattr(layer, "_flatten_layers", lambda: [layer])():
        if getattr(part, "lora_enabled", False) and not getattr(part, "quantization_mode", None):
            own = "embeddings" if hasattr(part, "_embeddings") else "kernel"
            merged[id(getattr(part, f"_{own}"))] = getattr(part, own)
            for name in ("a", "b"):
                merged[id(getattr(part, f"lora_{own}_{name}"))] = None
    found = {name: merged.get(id(one), one) for name, one in names_of_variables(layer).items()}
    return {name: one for name, one in found.items() if one is not None}
