"""Multiply-accumulates (MACs) of every call, for one sample: one multiplication with the addition that follows it.

Counted are the sums of products: convolutions, dense layers, attention, recurrent layers, matrix products, by the size
of the layer as it is written (padding is multiplied like any pixel, masks save nothing). A transposed convolution is
counted at its input. Not counted, as in published figures: biases, activations, normalization, pooling, interpolation,
element-wise arithmetic, lookups. FLOPs are about twice the MACs. An operation that is not known here is `None`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surgery.analysis.batch_folding import Rows, rows, scaled
from surgery.analysis.mac_rules import count
from surgery.analysis.mac_rules_products import PRODUCTS, Open
from surgery.analysis.sizes import at_each_step, inside
from surgery.analysis.totals import total
from surgery.core.nested import leaves
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.layers.classes import kind_of

MOST = 10**30  # multiply-accumulates of one layer; a configuration that says more is none


def macs(graph: Graph) -> dict[str, int | None]:
    """Returns the multiply-accumulates of every call at every depth, by address; `None` where they are not known.

    A nested model has the sum of what is in it, at the sizes that it is called with. A batch size that is open counts
    as one sample, one that is fixed as the whole batch; another open size leaves what depends on it unknown.
    """
    return _walk(graph)


def _walk(graph: Graph, entry: Sequence[Rows] | None = None) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    specs = graph.specs
    folded = rows(graph, specs, entry)
    for call in graph.calls:
        inner = inside(call, specs)
        if inner is None:
            open_batch = [folded[ref] for ref in call.operands if specs[ref].sides[:1] == (None,)]
            found[call.name] = scaled(_of_call(call, specs), open_batch)
            continue
        below = _walk(inner, [folded[ref] for ref in call.parents])
        found.update((f"{call.name}/{address}", one) for address, one in below.items())
        found[call.name] = total(below[one.name] for one in inner.calls)
    return found


def _of_call(call: Call, specs: Mapping[Ref, Spec]) -> int | None:
    if call.op is None:
        return 0
    kind = kind_of(call)
    config = {**call.config, "reverse": call.kwargs.get("reverse")}  # of a ReversibleEmbedding
    raw = kind in PRODUCTS and "dtype" not in config
    given = _factors(call, specs) if raw else [specs[ref] for ref in call.operands]
    if getattr(call.op, "wrapped", None) is not None:
        return _over_time(call, given or [])
    try:
        found = None if given is None else count(kind, config, given, call.specs)
    except (Open, TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, AttributeError, OverflowError):
        return None  # an open size, or a configuration that is not what Keras writes
    return found if isinstance(found, int) and 0 <= found < MOST else None


def _over_time(call: Call, given: list[Spec]) -> int | None:
    """Counts a model that a `TimeDistributed` applies to each step: once a step, of each sample of a known batch."""
    below = at_each_step(call, given)
    if below is None or given[0].sides[1] is None:
        return None
    found = _walk(below)
    each = total(found[one.name] for one in below)
    return None if each is None else each * given[0].sides[1] * (given[0].sides[0] or 1)


def _factors(call: Call, specs: Mapping[Ref, Spec]) -> list[Spec] | None:
    """Returns the specs of all factors of a product, constants too; `None` where the shape of one is not known."""
    found = []
    for value in leaves((call.args, dict(call.kwargs))):
        if isinstance(value, Ref):
            found.append(specs[value])
        elif hasattr(value, "shape"):
            found.append(Spec(tuple(value.shape)))
    return found if len(found) == (3 if kind_of(call) == "SeparableConv" else 2) else None
