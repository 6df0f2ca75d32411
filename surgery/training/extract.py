"""Features of many images at several taps, in one pass, in memory that does not grow with their number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from surgery.core.errors import SurgeryError, doing, listing
from surgery.core.nested import leaves
from surgery.core.renames import renamed_arguments
from surgery.data.image_files import ImageFiles, files_in
from surgery.data.preprocessing import OWN, choose_preprocessing
from surgery.data.sized import of_size
from surgery.edits.tap_cut_split import tap
from surgery.graph.graph import Graph
from surgery.graph.preprocessing import Preprocessing
from surgery.graph.traversal import calls_at_every_depth
from surgery.keras_bridge.either import as_graph
from surgery.keras_bridge.standins import keeps_states
from surgery.selectors.select import Where
from surgery.training import feature_files
from surgery.training.extracted import Extracted
from surgery.training.extraction_run import ExtractionRun, partial_folder
from surgery.training.feature_store import rows_in


@renamed_arguments(out="path")
def extract_features(
    x: Any,
    where: Where | Mapping[str, Where],
    images: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    path: str | os.PathLike[str] | None = None,
    size: tuple[int, int] | None = None,
    preprocess: str | Preprocessing | Callable[[Any], Any] | None = OWN,
    dtype: str | None = None,
    batch_size: int = 32,
    strict: bool = False,
) -> Extracted:
    """Computes features of many images at one or several taps, in one forward pass; the network is unchanged.

    Args:
        x: `Graph` or `keras.Model` with one image as its input.
        where: which tensors, as for `tap`.
        images: a folder (searched at every depth), or a list of image files: JPEG, PNG, GIF, BMP, and, where Pillow
            is installed, WebP and TIFF.
        path: `.h5` (a dataset for each tap, chunked, and the file names) or `.npy` (one tap; the names go next to it,
            into `.txt`); an existing file is replaced when the new one is whole. A run that was killed goes on where
            it stopped (not with a `preprocess` function that has no name). `None` keeps all in memory.
        size: `(height, width)` of the images, in pixels; the network's own by default.
        preprocess: what is done to images of 0 to 255: by default `"own"`, what the network expects
            (`graph.preprocessing`), where that is known, else nothing, with a note. Also the name of a network (its
            published preprocessing), `"unit"` (0 to 1), `"tf"`, `"torch"` or `"caffe"`, a function of `images_bhwc`,
            or `None` for nothing. The file says what was done.
        dtype: in which the network computes, `"bfloat16"` for instance; features are kept as float32 then.
        batch_size: images in a batch.
        strict: whether an image that cannot be read is an error; else it is skipped, and `unreadable` says why.

    Raises:
        SurgeryError: there are no images, or with `strict` one cannot be read; a tap has no fixed size, `path` cannot
            be written, or its suffix is none.

    Example:

    >>> features = sg.extract_features(graph, "block3_pool, block5_pool", "photos", "features.h5", preprocess="vgg16")
    """
    graph = as_graph(x)
    with doing(f"extracting features of {graph.name!r}"):
        target = None if path is None else feature_files.target(path)
        files = files_in(images)
        _refuse_numbers(size, batch_size)
        graph = of_size(tap(graph, where), size)
        _refuse_states(graph)
        if target is not None:
            feature_files.refuse_taps(target, graph.outputs)
        entry = graph.spec(leaves(graph.inputs)[0])
        image_files = ImageFiles(files, (entry.sides[1] or 0, entry.sides[2] or 0), entry.sides[3] or 3)
        return ExtractionRun(
            graph, image_files, choose_preprocessing(preprocess, graph), dtype, batch_size, strict
        ).into(target)


def left_behind(out: str | os.PathLike[str]) -> tuple[int, int]:
    """Returns how many images of how many an interrupted run into a file has computed; the next run continues there."""
    return rows_in(partial_folder(out))


def _refuse_numbers(size: Any, batch_size: Any) -> None:
    if not isinstance(batch_size, int) or batch_size < 1:
        raise SurgeryError(f"batch_size= is a number of images, at least 1, not {batch_size!r}.")
    sides = size if isinstance(size, (tuple, list)) else [0]
    if size is not None and (len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides)):
        raise SurgeryError(f"size= is (height, width) in pixels, not {size!r}.")


def _refuse_states(graph: Graph) -> None:
    """Refuses layers whose states stay from batch to batch: features would depend on the order of the images."""
    ops = {address: call.op for address, call in calls_at_every_depth(graph)}
    keeping = [address for address, op in ops.items() if op is not None and op.inner is None and keeps_states(op)]
    if keeping:
        raise SurgeryError(
            f"{listing(keeping)} keeps its state from batch to batch, and features would depend on the order of the "
            "images. Make it stateful=False: sg.replace."
        )
