"""What is known of each call without running the network: strides, receptive fields, multiply-accumulates, memory.

Each is one linear pass over the `Graph`, live or stored; what is not known is `None`, and tables of the results are
made in `view`. It may import core to graph.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from surgery.analysis.macs import macs
from surgery.analysis.strides import Stride, each_axis, per_axis, stride_text, strides
from surgery.analysis.totals import total, total_macs, total_memory
from surgery.core.lazy import names_of
from surgery.core.renames import former_names
from surgery.graph.graph import MEASURES

if TYPE_CHECKING:
    from surgery.analysis.fields import Field, field_text, receptive_fields
    from surgery.analysis.landmarks import feature_levels, narrow
    from surgery.analysis.memory import activations, peak_memory
    from surgery.analysis.sizes import at_size, sized

HOMES = {
    "fields": ("Field", "field_text", "receptive_fields"),
    "landmarks": ("feature_levels", "narrow"),
    "memory": ("activations", "peak_memory"),
    "sizes": ("at_size", "sized"),
}

__all__ = [
    "Field",
    "Stride",
    "activations",
    "at_size",
    "each_axis",
    "feature_levels",
    "field_text",
    "macs",
    "narrow",
    "peak_memory",
    "per_axis",
    "receptive_fields",
    "sized",
    "stride_text",
    "strides",
    "total",
    "total_macs",
    "total_memory",
]
__getattr__ = former_names(
    __name__,
    "sg.analysis",
    {"most_alive": "peak_memory", "pyramid": "feature_levels"},
    names_of(__name__, HOMES),
)


def _figure(name: str) -> Callable[[Any], Any]:
    def of_graph(graph: Any) -> Any:
        from surgery.analysis.figures import OF_CALLS

        return OF_CALLS[name](graph)

    return of_graph


MEASURES.update({name: _figure(name) for name in ("macs", "memory", "stride", "field", "all macs", "all memory")})
