"""Where a network looks."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError, doing
from surgery.core.nested import leaves
from surgery.data.preprocessing import OWN, choose_preprocessing
from surgery.edits.inline import inline
from surgery.edits.tap_cut_split import tap
from surgery.edits.unfuse import unfuse
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.preprocessing import Preprocessing
from surgery.graph.primitives import prune
from surgery.io import open as open_network
from surgery.keras_bridge.either import as_graph, build
from surgery.layers.classes import kind_of
from surgery.layers.facts import Trait
from surgery.layers.table import has

ops: Any = keras.ops

_SQUASHING = ("softmax", "log_softmax", "sigmoid")


def gradcam(
    x: Any,
    at: Any,
    images_bhwc: Any,
    classes: Any = None,
    batch_size: int = 32,
    preprocess: str | Preprocessing | Callable[[Any], Any] | None = OWN,
) -> Any:
    """Computes class activation maps: how much each place of an image speaks for a class. The network is unchanged.

    Selvaraju et al. 2017, Grad-CAM, arXiv:1610.02391, equations 1 and 2: the maps at a layer, weighted by the mean
    gradient of the class's score before the softmax, positive parts alone.

    Args:
        x: a classifier: `keras.Model`, `Graph`, the path of a model file, or the name of a network, which then comes
            with its published weights. Or the first half of one, images -> maps, that `sg.split` returned.
        at: the layer whose maps are taken, as a selector; it may lie inside a nested model. Or the second half, maps ->
            scores `(batch, classes)` before any softmax.
        images_bhwc: images; of 0 to 255, where it is known what the network expects (`graph.preprocessing`).
        classes: class of each image; the one with the highest score by default.
        batch_size: images in a batch.
        preprocess: what is done to the images, as for `sg.extract_features`: what the network expects, where that is
            known. `None` takes them as they are. Two halves always do.

    Returns:
        float32 `(batch, height, width)`, of the size of the images, 0 to 1 in each; all 0 where nothing speaks for
        the class.

    Raises:
        SurgeryError: the layer does not make maps, or the network scores of classes; there is no such class; the images
            are not those that the network takes; or Keras runs on another backend than TensorFlow.

    Example:

    >>> heat_bhw = sg.tasks.gradcam(model, "block5_conv3", images_bhwc)
    """
    if keras.backend.backend() != "tensorflow":
        raise SurgeryError(f"the gradients are computed with TensorFlow, not {keras.backend.backend()}.")
    images_bhwc = np.asarray(images_bhwc)
    if images_bhwc.ndim != 4:
        raise SurgeryError(f"images (batch, height, width, channels) were expected, not {images_bhwc.shape}.")
    chosen_classes = None if classes is None else np.asarray(classes).astype("int64")
    if chosen_classes is not None and chosen_classes.shape != images_bhwc.shape[:1]:
        raise SurgeryError(f"classes= is one class for each of {len(images_bhwc)} images, not {chosen_classes.shape}.")
    if isinstance(at, keras.Model):
        run: Callable[[Any, Any], Any] = _halves(x, at)
        prepare = None
    else:
        graph = _opened(x)
        with doing(f"explaining {graph.name!r} at {at!r}"):
            prepare = _preparation(graph, images_bhwc, preprocess)
            run = _whole(graph, at)
    found = []
    for first in range(0, len(images_bhwc), batch_size):
        part = slice(first, first + batch_size)
        given = images_bhwc[part] if prepare is None else prepare(images_bhwc[part])
        found.append(_heat(run, given, None if chosen_classes is None else chosen_classes[part]))
    return np.concatenate(found) if found else np.zeros(images_bhwc.shape[:3], "float32")


def _opened(x: Any) -> Graph:
    if isinstance(x, (str, os.PathLike)):
        return open_network(x, weights="pretrained")
    return as_graph(x)


def _preparation(graph: Graph, images_bhwc: Any, preprocess: Any) -> Callable[[Any], Any] | None:
    """Returns what is done to the images first.

    Raises:
        SurgeryError: the network takes no such images.
    """
    entries = leaves(graph.inputs)
    spec = graph.spec(entries[0])
    wanted, shape = spec.sides, images_bhwc.shape
    if len(entries) != 1 or len(wanted) != 4 or any(a not in (None, b) for a, b in zip(wanted, shape, strict=True)):
        takes = ", ".join(str(graph.spec(ref)) for ref in entries)
        raise SurgeryError(f"the network takes {takes}, not images {shape}.")
    prepared = choose_preprocessing(preprocess, graph)
    if prepared.said_by == "network" and images_bhwc.dtype.kind == "f" and images_bhwc.size:
        least, most = float(images_bhwc.min()), float(images_bhwc.max())
        if least < 0 or 0 < most <= 1:
            raise SurgeryError(
                f"images of 0 to 255 were expected, which are then prepared as the network expects; these are from "
                f"{least:g} to {most:g}. preprocess=None takes them as they are."
            )
    return prepared.function


def _whole(graph: Graph, at: Any) -> Callable[[Any, Any], Any]:
    """Returns images -> maps at a layer and scores before the softmax, of a network that makes one tensor of scores."""
    graph = _before_softmax(graph)
    (scores,) = leaves(graph.outputs)
    tapped = tap(graph, {"maps": at, "scores": scores})
    if isinstance(tapped.outputs["maps"], (list, tuple, dict)):
        raise SurgeryError("several layers match; one was expected.")
    model = build(tapped)

    def run(images_bhwc: Any, tape: Any) -> Any:
        images_bhwc = ops.convert_to_tensor(images_bhwc, dtype=tapped.spec(leaves(tapped.inputs)[0]).dtype)
        tape.watch(images_bhwc)  # so that a network without trainable weights is recorded too
        made = model(images_bhwc, training=False)
        return made["maps"], made["scores"]

    return run


def _before_softmax(graph: Graph) -> Graph:
    """Returns the network with the scores before its last activation as its output."""
    while True:
        ends = leaves(graph.outputs)
        if len(ends) != 1 or len(graph.spec(ends[0]).sides) != 2:
            found = ", ".join(str(graph.spec(ref)) for ref in ends)
            raise SurgeryError(f"one output, scores (batch, classes), was expected, not {found}.")
        call = graph[ends[0]]
        if call.inner is not None:
            graph = inline(graph, call.layer)
        elif call.config.get("activation") in _SQUASHING and call.weights:
            unfused = unfuse(graph, call.name)
            return prune(_ending(unfused, unfused[unfused[leaves(unfused.outputs)[0]].given[0]]))
        elif _squashes(call):
            graph = prune(_ending(graph, graph[call.given[0]]))
        else:
            return graph


def _ending(graph: Graph, call: Call) -> Graph:
    return dataclasses.replace(graph, outputs=call.refs[0])


def _squashes(call: Call) -> bool:
    """Whether a call applies nothing but a softmax, a sigmoid, or the identity, to scores."""
    if has(kind_of(call), Trait.KEEPS_ORDER):
        return True
    return call.class_name == "Activation" and call.config.get("activation") in (*_SQUASHING, "linear")


def _halves(front: Any, back: Any) -> Callable[[Any, Any], Any]:
    def run(images_bhwc: Any, tape: Any) -> Any:
        maps_bhwc = front(images_bhwc, training=False)
        _refuse_other_maps(maps_bhwc)
        tape.watch(maps_bhwc)
        return maps_bhwc, back(maps_bhwc, training=False)

    return run


def _refuse_other_maps(maps_bhwc: Any) -> None:
    shape = getattr(maps_bhwc, "shape", ())
    if len(shape) != 4:
        raise SurgeryError(f"the layer should make one map (batch, height, width, channels), not {tuple(shape)}.")


def _heat(run: Callable[[Any, Any], Any], images_bhwc: Any, classes: Any) -> Any:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        maps_bhwc, scores = run(images_bhwc, tape)
        _refuse_other_maps(maps_bhwc)
        if len(getattr(scores, "shape", ())) != 2:
            raise SurgeryError("the second half should make scores (batch, classes).")
        if classes is not None and not 0 <= int(classes.min()) <= int(classes.max()) < scores.shape[1]:
            raise SurgeryError(f"classes= are numbers from 0 to {scores.shape[1] - 1}.")
        picked = ops.argmax(scores, axis=-1) if classes is None else ops.convert_to_tensor(classes)
        score = ops.take_along_axis(scores, picked[:, None], axis=1)
    gradient: Any = tape.gradient(score, maps_bhwc)
    if gradient is None:
        raise SurgeryError("the scores do not depend on these maps.")
    gradient, maps_bhwc = ops.cast(gradient, "float32"), ops.cast(maps_bhwc, "float32")
    weights = ops.mean(gradient, axis=(1, 2), keepdims=True)
    heat_bhw1 = ops.relu(ops.sum(weights * maps_bhwc, axis=-1, keepdims=True))
    heat_bhw = np.asarray(ops.image.resize(heat_bhw1, images_bhwc.shape[1:3], interpolation="bilinear"))[..., 0]
    most = heat_bhw.max(axis=(1, 2), keepdims=True)
    return (heat_bhw / np.where(most > 0, most, 1)).astype("float32")
