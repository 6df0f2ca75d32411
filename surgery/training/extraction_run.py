"""One run over images: features are computed batch by batch, and kept where a later run can go on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError, first_line
from surgery.core.nested import leaves
from surgery.core.progress import notice, progress
from surgery.core.specs import Spec
from surgery.data.image_files import ImageFiles
from surgery.data.preprocessing import Prepared, hint
from surgery.formats.locks import held, real
from surgery.graph.graph import Graph
from surgery.training import feature_files
from surgery.training.extracted import Extracted, list_problems
from surgery.training.feature_store import Store
from surgery.training.features import fingerprint
from surgery.training.precision import in_precision

KEPT = ("float16", "float32", "float64")


def partial_folder(target: str | os.PathLike[str]) -> Path:
    """Returns the folder in which a run into a file keeps what it has computed so far."""
    whole = real(target)
    return whole.with_name(f".{whole.name}.partial")


class ExtractionRun:
    """What is computed of images, batch by batch, and where it is kept."""

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
        folder = None if target is None else partial_folder(target)
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
