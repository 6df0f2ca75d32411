"""Multiply-accumulates (MACs) of every call, for one sample: one multiplication with the addition that follows it.

Counted are the sums of products: convolutions, dense layers, attention, recurrent layers, matrix products, by the size
of the layer as it is written (padding is multiplied like any pixel, masks save nothing). A transposed convolution is
counted at its input. Not counted, as in published figures: biases, activations, normalization, pooling, interpolation,
element-wise arithmetic, lookups. FLOPs are about twice the MACs. An operation that is not known here is `None`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from surgery.analysis.counting import Open, count
from surgery.analysis.sizes import inside, specs_of
from surgery.graph import Call, Graph
from surgery.specs import Ref, Spec


def macs(graph: Graph) -> dict[str, int | None]:
    """Returns the multiply-accumulates of every call at every depth, by address; `None` where they are not known.

    A nested model has the sum of what is in it, at the sizes that it is called with. A batch size that is open counts
    as one sample; another open size leaves what depends on it unknown.
    """
    found: dict[str, int | None] = {}
    specs = specs_of(graph)
    for call in graph:
        inner = inside(call, specs)
        if inner is None:
            found[call.name] = _of_call(call, specs)
            continue
        below = macs(inner)
        found.update((f"{call.name}/{address}", one) for address, one in below.items())
        found[call.name] = total(below[one.name] for one in inner)
    return found


def total(counts: Iterable[int | None]) -> int | None:
    """Returns the sum; `None` where one of them is not known."""
    known = list(counts)
    return None if None in known else sum(one for one in known if one is not None)


def _of_call(call: Call, specs: Mapping[Ref, Spec]) -> int | None:
    if call.op is None:
        return 0
    config = {**call.config, "reverse": call.kwargs.get("reverse")}  # of a ReversibleEmbedding
    try:
        return count(call.class_name, config, [specs[ref] for ref in call.operands], call.specs)
    except (Open, TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, AttributeError, OverflowError):
        return None  # an open size, or a configuration that is not what Keras writes
