"""`predict`: what images show, by a network whose output is one vector of scores for each image."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError, doing, printable
from surgery.core.nested import leaves, packed
from surgery.core.progress import progress
from surgery.data.image_files import ImageFiles, files_in
from surgery.data.predictions import Prediction, Predictions, Score
from surgery.data.preprocessing import OWN, Prepared, choose_preprocessing
from surgery.data.scores import Scores, scores_of
from surgery.data.sized import of_size
from surgery.graph.about import About
from surgery.graph.graph import Graph
from surgery.graph.preprocessing import MODES
from surgery.io import is_path
from surgery.io import open as open_network
from surgery.keras_bridge.either import as_graph, build

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def predict(
    x: Any,
    images: Paths,
    top: int = 1,
    classes: Sequence[str] | None = None,
    preprocess: Any = OWN,
    size: tuple[int, int] | None = None,
    batch_size: int = 32,
) -> Predictions:
    """Returns what images show: for each the classes with the highest scores, and the network's confidence in them.

    Images are enlarged or shrunk to the size that the network takes, bilinearly, and prepared as it expects. Where its
    outputs are logits, by its last activation, softmax makes probabilities of them. Those that cannot be read are left
    out, and named in `unreadable`. All decoded images of one batch are in memory, and of each image `top` scores.

    Args:
        x: `Graph`, `keras.Model`, the path of a model file, or the name of a network (with published weights).
        images: a file, a folder (searched at every depth), or a list of both.
        top: classes for each image.
        classes: their names, in the order of the outputs; by default those that the file says (`graph.about`), else
            their numbers.
        preprocess: what is done to images of 0 to 255: by default `"own"`, what the network expects
            (`graph.preprocessing`), which must be known. Else as for `sg.extract_features`: `"none"`, `"unit"`, `"tf"`,
            `"torch"`, `"caffe"`, the name of a network, a function of `images_bhwc`.
        size: `(height, width)` in pixels, for a network that takes any size.
        batch_size: images in a batch.

    Returns:
        A sequence of `Prediction`, each with `image`, `name`, `confidence` and `top`; printed as a table.

    Raises:
        SurgeryError: the network makes something else, what it expects is not known, there are no images, or none that
            can be read.

    Example:

    >>> found = sg.predict("flowers.keras", ["rose.jpg", "more"])
    >>> found[0].name, found[0].confidence
    """
    for name, value in (("top", top), ("batch_size", batch_size)):
        if not isinstance(value, int) or value < 1:
            raise SurgeryError(f"{name}= is a number, at least 1, not {value!r}.")
    graph = _opened(x)
    with doing(f"predicting with {printable(graph.name)!r}"):
        names = _names(graph, classes)
        scores = scores_of(graph, bool(names))
        if names and len(names) != scores.classes:
            raise SurgeryError(f"classes= has {len(names):,} names; the network has {scores.classes:,} classes.")
        files = _files(images)
        graph = of_size(graph, size)
        prepare = choose_preprocessing(preprocess, graph)
        if prepare.said_by == "nobody":
            raise SurgeryError(
                "what it expects of its images is not known. preprocess= (--pixels) says it: one of "
                f"{', '.join(MODES)}, or the name of a network. A network that begins with a Rescaling takes none."
            )
        items, problems = _run(graph, files, prepare, scores, names, top, batch_size)
        if not items:
            first = next(iter(problems.items()))
            raise SurgeryError(
                f"none of {len(files):,} images can be read: {printable(first[0])}: {printable(first[1])}."
            )
    return Predictions(graph.name, tuple(items), problems, scores.text, prepare.text)


def _opened(x: Any) -> Graph:
    if isinstance(x, (str, os.PathLike)):
        named = isinstance(x, str) and not is_path(x)
        return open_network(x, "pretrained" if named else None)
    return as_graph(x)


def _names(graph: Graph, classes: Sequence[str] | None) -> tuple[str, ...]:
    if classes is not None:
        return tuple(About(classes=classes).classes)
    return () if graph.about is None else tuple(graph.about.classes)


def _files(images: Paths) -> list[Path]:
    given = [images] if isinstance(images, (str, os.PathLike)) else images
    found = [file for one in given for file in (files_in(one) if Path(one).is_dir() else [Path(one)])]
    if not found:
        raise SurgeryError("there are no images.")
    return found


def _run(
    graph: Graph, files: list[Path], prepare: Prepared, scores: Scores, names: tuple[str, ...], top: int, count: int
) -> tuple[list[Prediction], dict[str, str]]:
    sides = graph.spec(leaves(graph.inputs)[0]).sides
    images = ImageFiles(files, (sides[1] or 0, sides[2] or 0), sides[3] or 3)
    structure, model = graph.inputs, build(graph)
    problems: dict[str, str] = {}
    items: list[Prediction] = []
    for images_bhwc, rows in progress(images.batches(count, 0, problems), "images", -(-len(files) // count)):
        prepared = images_bhwc if prepare.function is None else prepare.function(np.asarray(images_bhwc))
        made = leaves(model.predict_on_batch(packed(structure, [prepared])))[0]
        scores_bn = scores.of(np.asarray(made).astype("float32"))
        for row, scores_n in zip(rows, scores_bn, strict=True):
            items.append(Prediction(str(files[row]), _highest(scores_n, names, top)))
    return items, problems


def _highest(scores_n: Any, names: tuple[str, ...], top: int) -> tuple[Score, ...]:
    order = np.argsort(-np.where(np.isnan(scores_n), -np.inf, scores_n), kind="stable")[:top]
    return tuple(Score(names[at] if names else str(at), int(at), float(scores_n[at])) for at in order)
