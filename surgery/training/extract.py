"""Features of many images at several taps, in one pass, in memory that does not grow with their number."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError, doing, first_line, listing
from surgery.core.nested import leaves
from surgery.core.progress import notice, progress
from surgery.core.renames import renamed_arguments
from surgery.core.specs import Spec
from surgery.data.images import ImageFiles, files_in
from surgery.data.preprocessing import OWN, Prepared, choose_preprocessing, hint
from surgery.edits.resize import resize
from surgery.edits.tap_cut_split import tap
from surgery.formats.locks import held, real
from surgery.graph.graph import Graph
from surgery.graph.preprocessing import Preprocessing
from surgery.graph.traversal import calls_at_every_depth
from surgery.keras_bridge.either import as_graph
from surgery.keras_bridge.standins import keeps_states
from surgery.selectors.select import Where
from surgery.training import feature_files
from surgery.training.extracted import Extracted, list_problems
from surgery.training.feature_store import Store, rows_in
from surgery.training.features import fingerprint
from surgery.training.precision import in_precision

KEPT = ("float16", "float32", "float64")
ROWS = 256  # that are written at a time


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
        graph = _of_size(tap(graph, where), size)
        _refuse_states(graph)
        if target is not None:
            feature_files.refuse_taps(target, graph.outputs)
        entry = graph.spec(leaves(graph.inputs)[0])
        image_files = ImageFiles(files, (entry.sides[1] or 0, entry.sides[2] or 0), entry.sides[3] or 3)
        return _Run(graph, image_files, choose_preprocessing(preprocess, graph), dtype, batch_size, strict).into(target)


def left_behind(out: str | os.PathLike[str]) -> tuple[int, int]:
    """Returns how many images of how many an interrupted run into a file has computed; the next run continues there."""
    return rows_in(_partial(out))


def _partial(target: str | os.PathLike[str]) -> Path:
    whole = real(target)
    return whole.with_name(f".{whole.name}.partial")


def _refuse_numbers(size: Any, batch_size: Any) -> None:
    if not isinstance(batch_size, int) or batch_size < 1:
        raise SurgeryError(f"batch_size= is a number of images, at least 1, not {batch_size!r}.")
    sides = size if isinstance(size, (tuple, list)) else [0]
    if size is not None and (len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides)):
        raise SurgeryError(f"size= is (height, width) in pixels, not {size!r}.")


def _of_size(graph: Graph, size: tuple[int, int] | None) -> Graph:
    entries = leaves(graph.inputs)
    sides = graph.spec(entries[0]).sides
    if len(entries) != 1 or len(sides) != 4 or sides[3] not in (1, 3):
        found = ", ".join(str(graph.spec(ref)) for ref in entries)
        raise SurgeryError(f"expected one image (batch, height, width, 1 or 3) as the input, not {found}.")
    wanted = size or sides[1:3]
    if None in wanted:
        raise SurgeryError("the network takes images of any size; say size=(height, width).")
    return graph if tuple(wanted) == sides[1:3] else resize(graph, (*wanted, sides[3]))


def _refuse_states(graph: Graph) -> None:
    """Refuses layers whose states stay from batch to batch: features would depend on the order of the images."""
    ops = {address: call.op for address, call in calls_at_every_depth(graph)}
    keeping = [address for address, op in ops.items() if op is not None and op.inner is None and keeps_states(op)]
    if keeping:
        raise SurgeryError(
            f"{listing(keeping)} keeps its state from batch to batch, and features would depend on the order of the "
            "images. Make it stateful=False: sg.replace."
        )


class _Run:
    """One run over images: what is computed, batch by batch, and where it is kept."""

    def __init__(
        self, graph: Graph, image_files: ImageFiles, prepare: Prepared, dtype: str | None, batch: int, strict: bool
    ):
        from surgery.keras_bridge.build import assemble

        self._names = list(graph.outputs)
        self._image_files = image_files
        self._prepare = prepare
        self._batch = batch
        self._strict = strict
        self._dtype = dtype
        self._model = assemble(graph) if dtype is None else in_precision(graph, dtype)
        specs = [graph.spec(ref) for ref in leaves([graph.outputs[name] for name in self._names])]
        self._specs = [Spec(spec.shape, _kept(spec.dtype, dtype is None)) for spec in specs]
        self._graph = graph
        self._problems: dict[str, str] = {}
        self._notes: list[str] = []

    def into(self, target: Path | None) -> Extracted:
        """Computes all features, and writes them to a file if there is one, which is this run's own meanwhile."""
        with contextlib.nullcontext() if target is None else held(target):
            return self._into(target)

    def _into(self, target: Path | None) -> Extracted:
        start = time.perf_counter()
        folder = None if target is None else _partial(target)
        rows = len(self._image_files.files)
        flag = Spec((None,), "bool")
        key = "" if folder is None else self._key()
        store = Store([*self._specs, flag], rows, folder, key)
        begun = store.done
        batches = self._image_files.batches(self._batch, store.done, self._problems)
        if begun:
            said = f"continued after {begun:,} of {rows:,} images, which an interrupted run had computed"
            self._notes.append(said)
            notice(said.replace("continued", "continuing"))
        for images_bhwc, found in progress(batches, "images", -(-(rows - begun) // self._batch)):
            self._refuse_skipped()
            _place(store, found, self._computed(images_bhwc))
        store.skip(rows - store.done)
        if len(self._problems) == rows:
            store.discard()
            raise SurgeryError(f"none of {rows:,} images can be read: {next(iter(self._problems.values()))}.")
        seconds = time.perf_counter() - start
        *arrays, readable = store.arrays()
        keep = np.flatnonzero(readable)
        good = set(keep.tolist())
        names = [str(file) for row, file in enumerate(self._image_files.files) if row in good]
        skipped = {str(file): "unreadable" for row, file in enumerate(self._image_files.files) if row not in good}
        unreadable = self._problems = {**skipped, **self._problems}
        self._refuse_skipped()
        rate = (rows - begun) / seconds if seconds else 0.0
        if target is None or folder is None:
            features = {name: array if len(keep) == rows else array[keep] for name, array in self._named(arrays)}
            return Extracted(names, features, unreadable, seconds, rate, None, *self._said())
        written = feature_files.write(target, dict(self._named(arrays)), names, keep, self._prepare.attributes)
        shutil.rmtree(folder, ignore_errors=True)
        return Extracted(names, written, unreadable, seconds, rate, target, *self._said())

    def _refuse_skipped(self) -> None:
        """Refuses images that cannot be read, where none may be skipped."""
        if self._strict and self._problems:
            count = f"{len(self._problems):,} of {len(self._image_files.files):,} images"
            raise SurgeryError(
                f"{count} cannot be read, and none may be skipped (strict):\n  {list_problems(self._problems)}"
            )

    def _said(self) -> tuple[str, tuple[str, ...]]:
        """Returns what was done to the images, and what there is to say of it."""
        by = {"network": ", as the network expects", "argument": ", as asked", "nobody": ""}[self._prepare.said_by]
        unknown = [hint(self._graph)] if self._prepare.said_by == "nobody" else []
        return f"{self._prepare.text}{by}", (*self._notes, *unknown)

    def _named(self, arrays: list[Any]) -> list[tuple[str, Any]]:
        return list(zip(self._names, arrays, strict=True))

    def _computed(self, images_bhwc: Any) -> list[Any]:
        if self._prepare.function is not None:
            images_bhwc = self._prepared(images_bhwc, self._prepare.function)
        made = self._model.predict_on_batch(images_bhwc)
        return [
            np.asarray(made[name]).astype(spec.dtype, copy=False)
            for name, spec in zip(self._names, self._specs, strict=True)
        ]

    def _prepared(self, images_bhwc: Any, function: Callable[[Any], Any]) -> Any:
        try:
            found = function(images_bhwc)
        except Exception as error:
            raise SurgeryError(f"preprocess= failed: {type(error).__name__}: {first_line(error)}") from error
        shape, wanted = tuple(getattr(found, "shape", ())), tuple(images_bhwc.shape)
        if shape != wanted:
            raise SurgeryError(f"preprocess= made {shape} of images {wanted}; it should keep their shape.")
        return found

    def _key(self) -> str:
        """Returns a hash of what the features depend on: files, size, preprocessing, wiring and weights."""
        found = hashlib.blake2b(digest_size=16)
        found.update(f"{self._image_files.size} {self._prepare.key} {self._dtype} {self._names} {self._specs}".encode())
        for file in self._image_files.files:
            try:
                status = file.stat()
            except OSError:
                continue
            found.update(f"{file} {status.st_size} {status.st_mtime_ns}".encode("utf-8", "surrogateescape"))
        found.update(fingerprint(self._model, self._graph).encode())
        return found.hexdigest()


def _place(store: Store, rows: Any, arrays: list[Any]) -> None:
    """Stores the rows of some images, with a mark that they are there; those between them are left empty."""
    for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) > 1) + 1):
        store.skip(int(rows[run[0]]) - store.done)
        store.add([*(array[run[0] : run[-1] + 1] for array in arrays), np.ones(len(run), "bool")])


def _kept(dtype: str, as_made: bool) -> str:
    """Returns the type in which values are kept: that of the network, float32 in the place of rarer ones."""
    return dtype if "float" not in dtype or (as_made and dtype in KEPT) else "float32"
