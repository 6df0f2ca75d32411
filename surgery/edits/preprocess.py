"""`preprocess`: what a network expects of its images, as layers in front of it, so that it takes other pixels."""

from __future__ import annotations

from typing import Any, TypeVar

from surgery.core.errors import SurgeryError, doing
from surgery.core.nested import leaves
from surgery.core.specs import Ref, Spec
from surgery.edits.compatibility import channels_come_first
from surgery.edits.parts import attach, part_graph
from surgery.graph.graph import Graph
from surgery.graph.input_preprocessing import of_input, stamped
from surgery.graph.preprocessing import Preprocessing
from surgery.graph.primitives import ordered, rename, substitute
from surgery.keras_bridge.either import as_graph, build
from surgery.zoo.catalogue import published

Net = TypeVar("Net")


def preprocess(x: Net, takes: str | Preprocessing = "unit", expects: str | Preprocessing | None = None) -> Net:
    """Returns a new graph that takes pixels of another range: layers in front of it make of them what it expects.

    They are a reversal of the channels (where it expects blue, green, red) and one Rescaling, without weights, which
    stock Keras saves and opens. Where it already takes such pixels, nothing is put in.

    Args:
        x: `Graph` or `keras.Model` with images as inputs.
        takes: the pixels that it will be given: `"unit"` (0 to 1), `"none"` (0 to 255), `"tf"` (-1 to 1), `"torch"`,
            `"caffe"`, as Keras calls them, or the name of a network.
        expects: what it expects now, likewise; by default what is known of each of its inputs (`graph.preprocessing`).
            Of a network of which nothing is known nothing is changed, and a note says so.

    Raises:
        SurgeryError: there is no such preprocessing, or it is not for images of so many channels.

    Example:

    >>> graph = sg.preprocess(sg.open("vgg16"), takes="unit")
    >>> graph.preprocessing.name
    'unit'
    """
    graph = as_graph(x)
    with doing(f"preparing the images of {graph.name!r}"):
        given = published(takes)
        images = [ref for ref in leaves(graph.inputs) if len(graph.spec(ref).sides) == 4]
        if not images:
            raise SurgeryError("it takes no images (batch, height, width, channels).")
        for ref in images:
            wanted = of_input(graph, ref) if expects is None else published(expects)
            if wanted is None:
                note = f"{ref} takes its images as they are: what {graph.name} expects is not known; expects= says it"
                graph = stamped(graph, {}, [note])
                continue
            for one in (given, wanted):
                if not one.fits(graph.spec(ref)):
                    raise SurgeryError(f"{ref} is {graph.spec(ref)}, which are not images for {one}.")
            graph = _in_front(graph, ref, given, wanted)
        graph = ordered(graph)
    return graph if isinstance(x, Graph) else build(graph)  # pyright: ignore[reportReturnType]


def _in_front(graph: Graph, ref: Ref, given: Preprocessing, wanted: Preprocessing) -> Graph:
    if given != wanted:
        piece = _layers(graph, graph.spec(ref), given, wanted)
        grown, output = attach(graph, piece, [ref])
        new = {call.name for call in grown} - {call.name for call in graph}
        graph = substitute(grown, {ref: leaves(output)[0]}, but=new)
    return stamped(graph, {ref.call: given})


def _layers(graph: Graph, spec: Spec, given: Preprocessing, wanted: Preprocessing) -> Graph:
    """Returns the part between two kinds of pixels, its calls named so that no name is taken."""
    import keras

    axis = 1 if channels_come_first(graph) else -1
    scale, offset = between(given, wanted, spec.sides[axis] or 1)
    dtype = spec.dtype if "float" in spec.dtype else keras.config.floatx()  # half a byte is lost in a float16
    names = ["rgb_to_bgr"] * (given.bgr != wanted.bgr)

    def prepared(x: Any) -> Any:
        if given.bgr != wanted.bgr:
            x = keras.ops.flip(x, axis=axis)
        if any(one != 1 for one in scale) or any(offset):
            names.append("preprocessing")
            x = keras.layers.Rescaling(_plain(scale, axis), _plain(offset, axis), dtype=dtype)(x)
        return x

    piece = part_graph(prepared, spec)
    taken = {call.layer for call in graph}
    made = [call for call in piece if call.op is not None]
    new = {call.name: _free(name, taken) for call, name in zip(made, names, strict=True)}
    for call in made:
        op: Any = call.op
        op.layer.name = op.standins[0].name = new[call.name]  # made just now, and nobody else's
    return rename(piece, lambda name: new.get(name, name))


def _free(name: str, taken: set[str]) -> str:
    count, free = 0, name
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    return free


def between(given: Preprocessing, wanted: Preprocessing, channels: int) -> tuple[list[float], list[float]]:
    """Returns scale and offset of each channel, in the order that is wanted, from one kind of pixels to another."""

    def each(values: tuple[float, ...], default: float, turned: bool) -> list[float]:
        one = list(values or (default,))
        one = one * channels if len(one) == 1 else one
        return one[::-1] if turned else one

    turned = given.bgr != wanted.bgr
    mean, std = each(given.mean, 0.0, turned), each(given.std, 1.0, turned)
    less, over = each(wanted.mean, 0.0, False), each(wanted.std, 1.0, False)
    factor = given.divisor / wanted.divisor
    scale = [factor * a / b for a, b in zip(std, over, strict=True)]
    offset = [(factor * a - b) / c for a, b, c in zip(mean, less, over, strict=True)]
    return scale, offset


def _plain(values: list[float], axis: int) -> Any:
    """Returns one number where all are equal, else one for each channel on its axis."""
    if len(set(values)) == 1:
        return values[0]
    return values if axis == -1 else [[[value]] for value in values]
