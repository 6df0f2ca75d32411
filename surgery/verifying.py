"""`verify`: proof of what an operation kept, by comparing weights to the bit and tensors on random inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from surgery.doors import as_graph
from surgery.errors import SurgeryError, doing, first_line
from surgery.files import names_of_variables
from surgery.graph import Call, Graph, one_call_per_op
from surgery.kept import Place, Region, frozen, places, regions
from surgery.kinds import numbered_input
from surgery.lookups import learned
from surgery.primitives import prune, rename
from surgery.specs import Ref, shapes_agree
from surgery.structure import leaves, rebuilt
from surgery.verification import Verification


def verify(x: Any, donor: Any, inputs: Any = None, seed: int = 0) -> Verification:
    """Compares a network with its donor: what is kept, new, dropped and frozen, and that the kept part computes the
    same.

    A network that was cut in the middle is fed the donor's own tensors at the cut. Layers that both share (see `build`)
    are equal by nature, also after training: `verification.shared` names them, and the text says so.

    Args:
        x: `Graph` or `keras.Model`.
        donor: `Graph` or `keras.Model` that it was made from.
        inputs: arrays for the donor, in the structure of its inputs; by default random ones, drawn with `seed`.
        seed: of the random inputs.

    Returns:
        A `Verification`; `print` it. `verification.exact` says yes or no.

    Example:

    >>> sg.verify(sg.cut(donor, outputs="block4_pool"), donor).exact
    True
    """
    ours, theirs = as_graph(x), as_graph(donor)
    with doing(f"verifying {ours.name!r} against {theirs.name!r}"):
        found = regions(ours, theirs)
        pairs = {address: other for region in found for address, other in region.pairs.items()}
        mine = list(places(ours, [region.prefix for region in found]))
        others = list(places(theirs, [region.prefix_of_theirs for region in found]))
        parts = {
            "kept": [place for place in mine if place.address in pairs],
            "new": [place for place in mine if place.address not in pairs],
            "dropped": [place for place in others if place.address not in pairs.values()],
            "frozen": [below for place in mine for below in frozen(place)],
        }
        still = [place for place in others if place.address in pairs.values()]
        layers = {address: both for region in found for address, both in _live(region)}
        once = one_call_per_op(_calls(parts["kept"]))
        return Verification(
            donor=theirs,
            **{word: _calls(part) for word, part in parts.items()},
            changed=[call for call in once if not _equal_weights(*layers[call.name])],
            shared=[call for call in once if call.weights and layers[call.name][0] is layers[call.name][1]],
            differences=_compared(found, theirs, inputs, seed),
            parameters={
                "kept": _params(parts["kept"]),
                "new": _params(parts["new"], but=parts["kept"]),
                "dropped": _params(parts["dropped"], but=still),
                "frozen": _params(parts["frozen"]),
            },
            pairs=pairs,
        )


def _calls(found: list[Place]) -> list[Call]:
    """Returns the calls, each under its address in the whole network."""
    return [dataclasses.replace(place.call, name=place.address) for place in found]


def _params(found: list[Place], but: Sequence[Place] = ()) -> int:
    """Returns how many parameters the layers have, each layer once, without those of others."""
    layers = {layer: params for place in found for layer, params in place.params.items()}
    others = {layer for place in but for layer in place.params}
    return sum(params for layer, params in layers.items() if layer not in others)


def _live(region: Region) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yields (address, the layers of both), once for each kept layer."""
    from surgery.building import live_layer

    for call in one_call_per_op(call for call in region.ours if call.name in region.kept):
        both = live_layer(region.ours, call), live_layer(region.theirs, region.theirs[call.name])
        yield region.prefix + call.name, both


def _compared(found: list[Region], donor: Graph, inputs: Any, seed: int) -> dict[str, float]:
    """Returns the differences of all regions; the arrays that are given are those of the donor itself."""
    return {
        region.prefix + address: difference
        for region in found
        for address, difference in _differences(
            region.ours, region.theirs, region.kept, inputs if region.theirs is donor else None, seed
        ).items()
    }


def _equal_weights(layer: Any, other: Any) -> bool:
    """Compares the weights of two layers to the bit, and the words they learned; nothing is read where they are one."""
    import numpy as np

    if layer is other or not hasattr(layer, "get_weights"):
        return True
    mine, others = (names_of_variables(one) for one in (layer, other))
    if mine.keys() == others.keys():  # the order may change when a layer is saved and opened: quantized to 8 bits
        others = {name: others[name] for name in mine}
    mine, others = (list(map(np.asarray, one.values())) for one in (mine, others))
    return (
        len(mine) == len(others)
        and learned(layer) == learned(other)
        and all(
            a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
            for a, b in zip(mine, others, strict=True)
        )
    )


def _differences(ours: Graph, theirs: Graph, kept: Collection[str], inputs: Any, seed: int) -> dict[str, float]:
    """Runs the kept region of both on the same inputs, eagerly, and compares tensor by tensor."""
    import numpy as np

    ours = _with_inputs_of(ours, theirs)
    comparable = _comparable(ours, theirs, kept)
    if not comparable:
        return {}
    entries = [ref.call for ref in leaves(ours.inputs) if ref.call in theirs and theirs[ref.call].op is not None]
    taps = dict.fromkeys([*comparable, *(Ref(name) for name in entries)])
    given = _arrays(theirs, inputs, seed, like=ours)
    values = dict(zip(map(str, taps), _run(theirs, list(taps), given), strict=True))
    given = {**_arrays(ours, None, seed), **given, **{entry: values[entry] for entry in entries}}
    found = zip(comparable, _run(ours, comparable, given), strict=True)
    with np.errstate(invalid="ignore"):
        return {str(ref): _largest(value, values[str(ref)]) for ref, value in found}


def _with_inputs_of(ours: Graph, theirs: Graph) -> Graph:
    """Returns the network with the names of the donor's inputs, where Keras numbered those of both: a clone's."""
    sides = [[ref.call for ref in leaves(graph.inputs)] for graph in (ours, theirs)]
    apart = [[name for name in one if name not in other] for one, other in (sides, sides[::-1])]
    alike = len(apart[0]) == len(apart[1]) and all(
        numbered_input(ours[one]) and numbered_input(theirs[other]) and other not in ours
        for one, other in zip(*apart, strict=True)
    )
    new = dict(zip(*apart, strict=True)) if alike else {}
    return rename(ours, lambda name: new.get(name, name)) if new else ours


def _largest(a: Any, b: Any) -> float:
    import numpy as np

    if a.shape != b.shape:
        return float("nan")
    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return 0.0
    if a.dtype.kind not in "fiubc":
        return float("nan")
    return float(np.max(np.abs(a.astype("float64") - b.astype("float64"))))


def _comparable(ours: Graph, theirs: Graph, kept: Collection[str]) -> list[Ref]:
    """Returns the kept tensors that depend, on our side, on kept calls alone, wired as in the donor.

    Where the network takes pictures of another size than the donor, none is; weights are compared all the same.
    """
    sound: set[str] = set()
    for call in ours:
        if call.op is None:
            known = call.name in theirs and shapes_agree(call.specs[0], theirs[call.name].specs[0])
        else:
            known = call.name in kept and call.parents == theirs[call.name].parents
        if known and all(ref.call in sound for ref in call.parents):
            sound.add(call.name)
    return [ref for call in ours if call.op is not None and call.name in sound for ref in call.refs]


def _run(graph: Graph, refs: list[Ref], arrays: dict[str, Any]) -> list[Any]:
    import keras
    import numpy as np

    from surgery.building import assemble

    tapped = prune(dataclasses.replace(graph, outputs=refs))
    model = assemble(tapped)
    given = rebuilt(lambda ref: arrays.get(ref.call), graph.inputs)
    if any(map(keras.ops.is_tensor, leaves(given))):  # texts, beside which Keras takes no arrays
        given = rebuilt(lambda one: one if one is None else keras.ops.convert_to_tensor(one), given)
    try:
        outputs = model(given, training=False)
    except Exception as error:
        raise SurgeryError(
            f"{graph.name!r} does not run on random inputs ({first_line(error)}). Pass arrays that it takes: inputs=."
        ) from error
    return [np.asarray(keras.ops.convert_to_numpy(value)) for value in leaves(outputs)]


def _arrays(graph: Graph, inputs: Any, seed: int, like: Graph | None = None) -> dict[str, Any]:
    """Returns an array for each input by address: the given ones, or random ones; what the graph leaves open of their
    sizes is as in the inputs of the same address of another."""
    import numpy as np

    refs = leaves(graph.inputs)
    if inputs is not None:
        given = leaves(inputs)
        return dict(zip((ref.call for ref in refs), given, strict=False))
    random = np.random.default_rng(seed)
    return {ref.call: _random(graph, ref, random, like) for ref in refs}


def _random(graph: Graph, ref: Ref, random: Any, like: Graph | None) -> Any:
    """Draws two samples: normal floats, integers below every vocabulary they are looked up in, or a word."""
    spec = graph.spec(ref)
    guess = 64 if len(spec.sides) >= 4 else 12
    others = like[ref.call].specs[0].sides if like is not None and ref.call in like else ()
    others = others if len(others) == len(spec.sides) else spec.sides
    sides = [next((one for one in pair if one is not None), guess) for pair in zip(spec.sides, others, strict=True)]
    shape = tuple(sides) if spec.sides[:1] != (None,) else (2, *sides[1:])
    if "int" in spec.dtype:
        users = [graph[name].config.get("input_dim") for name in graph.consumers.get(ref, ())]
        return random.integers(
            0, min([size for size in users if isinstance(size, int)], default=2), shape, dtype=spec.dtype
        )
    if spec.dtype == "bool":
        return random.random(shape) < 0.5
    if spec.dtype == "string":
        import keras

        return keras.ops.full(shape, "word", dtype="string")
    return random.standard_normal(shape).astype("float32" if spec.dtype == "bfloat16" else spec.dtype)
