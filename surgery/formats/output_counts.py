"""How many tensors a call makes, where that is not one: a file says only which of them it uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surgery.core.specs import Spec
from surgery.graph.calls import Call
from surgery.layers.classes import kind_of
from surgery.layers.facts import Trait
from surgery.layers.table import facts, has

_LIMIT = 10_000  # of one call


def number_of_outputs(call: Call, given: Sequence[Spec]) -> int | None:
    """Returns how many tensors an operation or layer of Keras makes, `None` where its configuration does not say.

    Args:
        call: of a stored layer that is not a model.
        given: the specs of the tensors it takes, in order.
    """
    kind, config = kind_of(call), call.config
    if has(kind, Trait.ATTENTION):
        return 2 if call.kwargs.get("return_attention_scores") is True else 1
    rule = facts(kind).count
    try:
        count = rule(config, given) if callable(rule) else rule
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        return None  # a configuration that is not what Keras writes
    return count if isinstance(count, int) and 0 < count <= _LIMIT else None


def may_make_more(call: Call) -> bool:
    """Whether a call from a file may make more tensors than the file says: the layer is a custom one."""
    op: Any = call.op
    kind = kind_of(call)
    return op is not None and hasattr(op, "stored") and op.inner is None and (">" in kind or "." in kind)
