"""`fully_convolutional`: a classifier whose Dense layers are convolutions, for images of any size.

Long, Shelhamer & Darrell 2015, arXiv:1411.4038, section 3.1.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from surgery.analysis.spatial_axes import is_elementwise
from surgery.core.errors import SurgeryError, doing
from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.edits.resize import reshaped
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp
from surgery.graph.primitives import ordered, prune, substitute
from surgery.keras_bridge.either import edit
from surgery.layers.classes import kind_of
from surgery.layers.facts import Trait
from surgery.layers.table import facts, has


@edit
def fully_convolutional(graph: Graph, padding: str = "valid") -> Graph:
    """Returns a new graph without Flatten: the Dense layers behind it are convolutions with the same weights.

    The first becomes a convolution with a kernel of the size of the map, those behind it 1 x 1 convolutions. For
    images of the donor's size the output is the donor's, as `(batch, 1, 1, classes)`; for larger ones
    (`sg.resize`) it is a map of classes.

    Args:
        graph: `Graph` or `keras.Model` with a Flatten of a feature map, channels last.
        padding: `"valid"` as in the paper, or `"same"`: the output then has the size of the map.

    Raises:
        SurgeryError: there is no such Flatten, or something behind it is not a layer for feature maps.

    Example:

    >>> graph = sg.fully_convolutional(sg.open("tinyvgg", weights="pretrained"))
    >>> graph["predictions"].output
    Spec(shape=(None, 1, 1, 5), dtype='float32')
    """
    with doing(f"making {graph.name!r} fully convolutional"):
        if padding not in ("valid", "same"):
            raise SurgeryError(f"padding= is 'valid' or 'same', not {padding!r}.")
        flats = [call for call in graph if call.class_name == "Flatten" and len(graph.spec(call.parents[0]).sides) == 4]
        if not flats:
            raise SurgeryError(
                "it has no Flatten of a feature map. Behind a global pooling, cut before the pooling and graft a "
                "1 x 1 convolution."
            )
        maps: dict[Ref, tuple[int, int] | None] = {Ref(call.name): _map(graph, call) for call in flats}
        made: dict[Any, LiveOp] = {}
        calls = [_convolved(graph, call, maps, padding, made) for call in graph]
        grown = substitute(
            dataclasses.replace(graph, calls=tuple(calls)), {Ref(call.name): call.parents[0] for call in flats}
        )
        return prune(reshaped(ordered(grown)))


def _map(graph: Graph, flat: Call) -> tuple[int, int]:
    sides = graph.spec(flat.parents[0]).sides
    if sides[1] is None or sides[2] is None:
        raise SurgeryError(f"the map that {flat.name!r} flattens has no fixed size.")
    if flat.config.get("data_format") == "channels_first":
        raise SurgeryError(f"{flat.name!r} flattens a map with its channels first.")
    return sides[1], sides[2]


def _convolved(
    graph: Graph, call: Call, maps: dict[Ref, tuple[int, int] | None], padding: str, made: dict[Any, LiveOp]
) -> Call:
    """Returns the call as it is for maps; `maps` says of each tensor that has become one which map it flattens."""
    fed = [ref for ref in call.parents if ref in maps]
    if not fed or call.op is None:
        return call
    if call.class_name == "Dense":
        kernel, maps[Ref(call.name)] = maps[fed[0]] or (1, 1), None
        make: Any = lambda: _convolution(graph, call, kernel, padding)
    else:
        _refuse_other_kinds(call, flat=maps[fed[0]] is not None, alone=len(fed) == len(call.parents))
        maps[Ref(call.name)] = maps[fed[0]]
        make = lambda: _rebuilt(graph, call)
    if not call.weights:
        return call
    key = (call.op, call.layer)
    if key not in made:
        made[key] = LiveOp(make())
    return dataclasses.replace(call, op=made[key])


def _refuse_other_kinds(call: Call, flat: bool, alone: bool) -> None:
    known = _works_anywhere(call) if flat else _works_on_channels(call)
    if not known or not alone or call.config.get("axis", -1) not in (-1, [-1], (-1,)):
        raise SurgeryError(f"{call.name!r} ({call.class_name}) is behind Flatten, and does not work on feature maps.")


def _works_anywhere(call: Call) -> bool:
    """Whether a layer does the same to each number, wherever it is in a flattened map."""
    single = [call.given[0]] == leaves((call.args, dict(call.kwargs))) and facts(kind_of(call)).variables == ""
    return is_elementwise(call) and single and not isinstance(call.config.get("scale"), (list, tuple, dict))


def _works_on_channels(call: Call) -> bool:
    """Whether a layer does to the channels of each pixel what it does to a vector; it may have a value for each."""
    kind = kind_of(call)
    return has(kind, Trait.ELEMENTWISE | Trait.ALONG_AXIS) and kind not in ("Masking", "PReLU")


def _convolution(graph: Graph, call: Call, kernel: tuple[int, int], padding: str) -> Any:
    """Returns a Conv2D with the weights of a Dense layer; the kernel is laid out as the flattened map was."""
    import keras

    from surgery.keras_bridge.build import live_layer
    from surgery.keras_bridge.copy import copy_values
    from surgery.keras_bridge.effective_values import quantized, values_of

    dense = live_layer(graph, call)
    if mode := quantized(dense):
        raise SurgeryError(
            f"{call.name!r} (Dense) is quantized to {mode}, and there are no such convolutions. Give its values to a "
            f'layer that is not: replace(x, "{call.name}", keras.layers.Dense({dense.units}, ...)).'
        )
    values = values_of(dense)
    settings = {key: value for key, value in dense.get_config().items() if key in _SHARED}
    conv: Any = keras.layers.Conv2D(dense.units, kernel, padding=padding, name=call.layer, **settings)
    channels = dense.kernel.shape[0] // (kernel[0] * kernel[1])
    conv.build((None, None, None, channels))
    copy_values(conv.kernel, keras.ops.reshape(values["kernel"].read(), (*kernel, channels, dense.units)))
    if dense.use_bias:
        copy_values(conv.bias, values["bias"].read())
    conv.trainable = dense.trainable
    return conv


_SHARED = ("activation", "use_bias", "kernel_regularizer", "bias_regularizer", "activity_regularizer", "dtype")


def _rebuilt(graph: Graph, call: Call) -> Any:
    """Returns a normalization layer with the weights it has, built for maps."""
    from surgery.keras_bridge.build import live_layer
    from surgery.keras_bridge.copy import with_weights_of

    layer = live_layer(graph, call)
    new = type(layer).from_config(layer.get_config())  # not of its build_config, which is for vectors
    new.build((None, 1, 1, graph.spec(call.parents[0]).sides[-1]))
    return with_weights_of(new, layer)
