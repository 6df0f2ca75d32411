"""The names of the variables of standard layers: Keras 3 writes numbers in their place."""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Iterator

from surgery.core.names import natural
from surgery.core.specs import Weight
from surgery.core.tensors import Source, Tensor
from surgery.layers.description import Stored
from surgery.layers.table import own_variables
from surgery.layers.wrappers import Parts

_STILL = re.compile(r".*(moving_|running_|seed_generator).*|(.*/)?(vector_u|idf_weights)")


def variable_names(layer: Stored, source: Source) -> list[tuple[str, bool]]:
    """Returns (name, whether training moves it) of each tensor of a source, in its order."""
    parts = Parts(layer)
    if source.named:
        return [(name.replace(".", "/"), _trains(layer, name, one)) for name, one in source.named.items()]
    if source.row:
        paths = {one.name: one.name.split(":")[0].rpartition("/") for one in source.row}
        makers = {path: parts.on(path) for path, _, _ in paths.values()}
        return [
            (paths[one.name][2], _trains(makers[paths[one.name][0]], paths[one.name][2], one)) for one in source.row
        ]
    counts = collections.Counter(place.rpartition("/")[0] for place in source.tree)
    groups = {group: _group(parts, group, count) for group, count in counts.items()}
    found = []
    for place in sorted(source.tree, key=natural):
        group, _, number = place.rpartition("/")
        above, names, maker = groups[group]
        name = names[int(number)] if number.isdigit() and int(number) < len(names) else number
        found.append((above + name, _trains(maker, above + name, source.tree[place])))
    return found


def written_twice(layer: Stored, source: Source) -> set[str]:
    """Returns the places of tensors that a file holds twice: a SpectralNormalization keeps its layer's kernel, too."""
    parts = Parts(layer)
    found: set[str] = set()
    for group in {place.rpartition("/")[0] for place in source.tree}:
        part, rest = parts.at(group)
        if part.class_name == "SpectralNormalization" and rest == "vars":
            above = group.removesuffix("vars")
            inside = [one.shape for place, one in source.tree.items() if place.startswith(f"{above}layer/")]
            own = [place for place in source.tree if place.rpartition("/")[0] == group]
            found.update(place for place in own if source.tree[place].shape in inside)
    return found


def merged_lora(layer: Stored, source: Source) -> Iterator[Weight]:
    """Yields the two factors of each kernel with LoRA: a tree holds their product added to the kernel, and Keras makes
    new ones (Hu et al. 2021, arXiv:2106.09685, section 4.1).
    """
    parts = Parts(layer)
    for group in dict.fromkeys(place.rpartition("/")[0] for place in source.tree):
        part, rest = parts.at(group)
        rank, kernel = part.config.get("lora_rank"), source.tree.get(f"{group}/0")
        if rest == "vars" and isinstance(rank, int) and kernel is not None and len(kernel.shape) > 1:
            trains = part.config.get("trainable", True) is not False
            name = "lora_embeddings" if part.class_name == "Embedding" else "lora_kernel"
            stem = f"{layer.name}/{group.removesuffix('vars')}{name}"
            dtype = kernel.dtype if "int" not in kernel.dtype else "float32"
            *rest, last = _unpacked(part, kernel.shape)
            yield Weight(f"{stem}_a", (*rest, rank), dtype, trains)
            yield Weight(f"{stem}_b", (rank, last), dtype, trains)


def _unpacked(layer: Stored, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the shape of a kernel: where two integers of 4 bits lie in one byte, the file has half as many columns,
    and of an EinsumDense the rows are all axes that are summed over, the columns all others.
    """
    config = layer.config
    width = config.get("output_dim" if layer.class_name == "Embedding" else "units")
    if isinstance(width, int):
        return (*shape[:-1], width)
    if layer.class_name != "EinsumDense" or not (_is_quantized(layer) and _mode(layer).startswith("int4")):
        return shape
    terms, _, made = str(config.get("equation")).partition("->")
    letters = terms.rpartition(",")[2]
    sides = config.get("output_shape")
    sizes = zip(made[::-1], (sides if isinstance(sides, list) else [sides])[::-1], strict=False)
    known = {letter: size for letter, size in sizes if isinstance(size, int) and size > 0}
    summed = [letter for letter in letters if letter not in made]
    if len(summed) == 1:
        known[summed[0]] = shape[0]
    if letters and known.keys() >= set(letters):
        return tuple(known[letter] for letter in letters)
    columns = math.prod(known.get(letter, 1) for letter in letters if letter in made)
    last = known.get(letters[-1:], 1)
    return (shape[0] * columns // last, last)  # as many, on axes that the file does not tell


def _group(parts: Parts, group: str, count: int) -> tuple[str, tuple[str, ...], Stored | None]:
    """Returns what to say of the tensors of a group: what goes before their names, the names, and whose they are, if
    not of what a layer makes in itself.
    """
    part, rest = parts.at(group)
    made = rest.removesuffix("vars").strip("/")
    above = group[: len(group) - len(rest)] + (f"{made}/" if made else "")
    return (above, _made_names(made), None) if made else (above, _own_names(part, count), part)


def _trains(maker: Stored | None, name: str, tensor: Tensor) -> bool:
    """Whether training moves a variable: of a layer with a flag, or (`None`) of a part that the layer makes."""
    if _STILL.fullmatch(name) or "int" in tensor.dtype:
        return False
    if maker is None:
        return True
    name = name.rpartition("/")[2]
    kernel = name in ("kernel", "embeddings") and maker.config.get("lora_rank")
    scale = re.fullmatch(r".*_(scale|zero)|g_idx", name) and _is_quantized(maker)
    still = maker.class_name == "Normalization" or kernel or scale
    return not still and maker.config.get("trainable", True) is not False


def _own_names(layer: Stored, count: int) -> tuple[str, ...]:
    kind, config = layer.class_name, layer.config
    if kind == "SpectralNormalization":
        return ("kernel", "vector_u")
    if _is_quantized(layer):
        stem = "embeddings" if kind == "Embedding" else "kernel"
        bias = ("bias",) if kind != "Embedding" and (config.get("use_bias") or config.get("bias_axes")) else ()
        return (stem, *bias, f"{stem}_scale", f"{stem}_zero", "g_idx")
    names = [name for name, _ in own_variables(kind, config) or ()]
    return tuple(name for name in names if "/" not in name)[:count]


def _is_quantized(layer: Stored) -> bool:
    """Whether a layer keeps its kernel as integers, and scales beside it."""
    mode = _mode(layer)
    named = isinstance(layer.config.get("dtype"), dict) or "_from_" in mode
    return layer.class_name in ("Dense", "EinsumDense", "Embedding") and bool(
        re.match(r"int[48](/|_from_|$)", mode) and named
    )


def _mode(layer: Stored) -> str:
    """Returns how a layer is quantized, `int8` or `int4/128`; of others the name of its policy, if it has one."""
    policy = layer.config.get("dtype")
    inner = policy.get("config") if isinstance(policy, dict) else None
    return str(inner.get("mode") if isinstance(inner, dict) else policy)


def _made_names(path: str) -> tuple[str, ...]:
    """Returns the names of the variables of a part that a layer makes: a cell, a projection of attention."""
    if path.split("/")[-1] == "cell" or re.search(r"(lstm|gru)_cell|simple_rnn_cell", path):
        return ("kernel", "recurrent_kernel", "bias")
    return ("kernel", "bias") if path.endswith("_dense") or path == "layer" else ()
