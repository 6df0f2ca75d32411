"""What the outputs of a classifier are, and the probabilities that follow: decided by its last activation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError, printable
from surgery.core.nested import leaves
from surgery.graph.about import last_calls
from surgery.graph.graph import Graph
from surgery.layers.classes import kind_of
from surgery.layers.facts import Trait
from surgery.layers.table import has

_AVERAGED = "GlobalAveragePooling"  # probabilities stay probabilities, and sums of products stay such sums


@dataclasses.dataclass(frozen=True)
class Scores:
    """What is done to the outputs of a network.

    Args:
        text: what it is.
        of: makes the scores of `outputs_bn`, one column for each class.
        classes: how many there are.
    """

    text: str
    of: Callable[[Any], Any]
    classes: int


def scores_of(graph: Graph, named: bool = False) -> Scores:
    """Returns how scores of classes are made of the outputs of a network.

    Args:
        graph: the network.
        named: whether its classes have names, so that a single output without an activation is a logit.

    Raises:
        SurgeryError: it has several outputs, or makes something else than one vector for each image.
    """
    ends = leaves(graph.outputs)
    found = ", ".join(str(graph.spec(ref)) for ref in ends[:4])
    if len(ends) != 1:
        raise SurgeryError(f"it has {len(ends)} outputs ({found}); expected one vector of scores for each image.")
    sides = graph.spec(ends[0]).sides
    if len(sides) != 2 or not sides[1]:
        raise SurgeryError(f"it makes {found}; expected one vector of scores for each image, (batch, classes).")
    kind, units = last_activation(graph), sides[1]
    if units == 1:
        return _of_one(kind, named)
    if kind == "softmax":
        return Scores("probabilities, as the network's softmax makes them", _as_they_are, units)
    if kind == "sigmoid":
        return Scores(
            "one probability for each class by itself, as the network's sigmoid makes them", _as_they_are, units
        )
    if kind == "linear":
        return Scores("softmax of the network's logits", _softmax, units)
    return Scores(f"as they are: the last activation ({printable(kind)}) makes no probabilities", _as_they_are, units)


def _of_one(kind: str, named: bool) -> Scores:
    if kind == "sigmoid":
        return Scores("1 - p and p, of the network's one sigmoid", lambda p_b1: np.hstack([1 - p_b1, p_b1]), 2)
    if kind == "linear" and named:
        return Scores("1 - p and p, the sigmoid of the network's one logit", _sigmoid, 2)
    raise SurgeryError(
        f"it has one output, whose activation is {printable(kind)}: this may be a regression. Classes of one output "
        "need a sigmoid, or a logit and the names of two classes (classes=, --classes)."
    )


def last_activation(graph: Graph) -> str:
    """Returns `"softmax"`, `"sigmoid"`, `"linear"` for sums of products, or the name of what makes the one output."""
    for call, _ in last_calls(graph):
        if call.class_name.lower() in ("softmax", "sigmoid"):
            return call.class_name.lower()
        activation = call.config.get("activation")
        if isinstance(activation, dict):  # as Keras writes functions
            activation = activation.get("config") if activation.get("class_name") == "function" else activation
        if isinstance(activation, dict):
            activation = activation.get("class_name")
        if isinstance(activation, str) and activation != "linear":
            return activation.lower() if activation in ("Softmax", "Sigmoid") else activation
        if (
            call.class_name == "Activation"
            or has(kind_of(call), Trait.SAME_VALUES)
            or call.class_name.startswith(_AVERAGED)
        ):
            continue
        return "linear" if "activation" in call.config and call.weights else call.class_name
    return "none"


def _as_they_are(scores_bn: Any) -> Any:
    return scores_bn


def _softmax(logits_bn: Any) -> Any:
    powers_bn = np.exp(logits_bn - logits_bn.max(-1, keepdims=True))
    return powers_bn / powers_bn.sum(-1, keepdims=True)


def _sigmoid(logits_b1: Any) -> Any:
    return _softmax(np.hstack([np.zeros_like(logits_b1), logits_b1]))
