"""How many tensors a call makes, where that is not one: a file says only which of them it uses."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from surgery.core.specs import Spec
from surgery.graph.calls import Call
from surgery.layers.classes import kind_of

_LIMIT = 10_000  # of one call
_PAIRS = (
    r"TopK|Moments|Slogdet|LuFactor|Eigh?|Histogram|CTCDecode|I?FFT[23]?|RFFT|STFT"  # a complex number is two tensors
)
_WITH_SCORES = ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention")


def number_of_outputs(call: Call, given: Sequence[Spec]) -> int | None:
    """Returns how many tensors an operation or layer of Keras makes, `None` where its configuration does not say.

    Args:
        call: of a stored layer that is not a model.
        given: the specs of the tensors it takes, in order.
    """
    kind, config = kind_of(call), call.config
    if kind in _WITH_SCORES:
        return 2 if call.kwargs.get("return_attention_scores") is True else 1
    rule = _rule_of(kind)
    try:
        count = None if rule is None else rule(config, given)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        return None  # a configuration that is not what Keras writes
    return count if isinstance(count, int) and 0 < count <= _LIMIT else None


def may_make_more(call: Call) -> bool:
    """Whether a call from a file may make more tensors than the file says: the layer is a custom one."""
    op: Any = call.op
    kind = kind_of(call)
    return op is not None and hasattr(op, "stored") and op.inner is None and (">" in kind or "." in kind)


@functools.lru_cache(maxsize=1024)
def _rule_of(kind: str) -> Callable[[Mapping[str, Any], Sequence[Spec]], int | None] | None:
    return next((rule for pattern, rule in _RULES if re.fullmatch(pattern, kind)), None)


def _sections(config: Mapping[str, Any], given: Sequence[Spec]) -> int:
    sections = config["indices_or_sections"]
    return sections if isinstance(sections, int) else len(sections) + 1


def _unstacked(config: Mapping[str, Any], given: Sequence[Spec]) -> int | None:
    return config.get("num") or given[0].sides[config.get("axis") or 0]


def _states(config: Mapping[str, Any], given: Sequence[Spec]) -> int | None:
    """One for the sequence, and those of the cells."""
    if not config.get("return_state"):
        return 1
    counts = [_of_cell(cell) for cell in _cells(config["cell"])]
    return None if None in counts else 1 + sum(count for count in counts if count is not None)


def _cells(cell: Any) -> list[Any]:
    listed = cell if isinstance(cell, list) else cell["config"].get("cells")
    return [cell] if listed is None else [one for inner in listed for one in _cells(inner)]


def _of_cell(cell: Any) -> int | None:
    return {"LSTMCell": 2, "GRUCell": 1, "SimpleRNNCell": 1}.get(cell["class_name"])


_RULES: tuple[tuple[str, Callable[[Mapping[str, Any], Sequence[Spec]], int | None]], ...] = (
    (_PAIRS, lambda config, given: 2),
    (r"(Array|[VHD])?[Ss]plit", _sections),
    (r"Unstack", _unstacked),
    (r"Qr", lambda config, given: 2),
    (r"SVD", lambda config, given: 3 if config.get("compute_uv", True) else 1),
    (r"Meshgrid", lambda config, given: len(given)),
    (r"UnravelIndex", lambda config, given: len(config["shape"])),
    (r"Nonzero", lambda config, given: len(given[0].sides)),
    (r"RNN", _states),
)
