"""What a frozen prefix makes of samples: computed once, kept in memory or on disk, handed to training in batches."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError, listing
from surgery.core.nested import leaves, rebuilt, sorted_keys
from surgery.core.progress import progress
from surgery.core.specs import megabytes
from surgery.formats.locks import held
from surgery.graph.graph import Graph
from surgery.layers.sameness import outline
from surgery.training.batches import Samples
from surgery.training.determinism import prove_steady
from surgery.training.feature_store import Store, made
from surgery.training.frozen_prefix import Prefix
from surgery.training.stored_rows import row_bytes

CHUNK = 256  # samples that are kept, and lost by a kill, at a time
BATCH = 32  # samples in a forward pass


def features_of(front: Any, prefix: Prefix, data: Samples, folder: Path | None, memory: int) -> Store:
    """Computes what the prefix makes of all samples, or what is missing of it.

    Raises:
        SurgeryError: there is no room, or a data set gives other samples in its second pass.
    """
    specs = [prefix.graph.spec(ref) for ref in prefix.boundary]
    if folder is None and (size := row_bytes(specs) * data.rows) > memory:
        raise SurgeryError(
            f"the features take {megabytes(size)}, more than memory={memory:,} bytes: cache= names a folder for them."
        )
    expected = None if folder is None and data.are_arrays else data.digest(CHUNK)
    if folder is None:
        return _filled(Store(specs, data.rows), front, prefix, data, expected)
    key = f"{_key(front, prefix)}-{expected}"
    with held(made(folder) / key):
        return _filled(Store(specs, data.rows, folder / key, key), front, prefix, data, expected)


def _filled(store: Store, front: Any, prefix: Prefix, data: Samples, expected: str | None) -> Store:
    """Computes the rows that are missing."""
    entries = [ref.call for ref in leaves(prefix.graph.inputs)]
    seen, resumed = data.digested(), store.done > 0
    chunks = data.chunks(CHUNK, start=store.done)
    for chunk in progress(chunks, "features", -(-(data.rows - store.done) // CHUNK)):
        given = dict(zip(entries, _flat(chunk[0], prefix.graph), strict=True))
        if store.done == 0:
            prove_steady(front, rebuilt(lambda ref, given=given: given[ref.call], prefix.graph.inputs))
        seen.update(data.mark(chunk) if expected else b"")
        store.add(compute_features(front, prefix, given))
    if not data.are_arrays and expected != (data.digest(CHUNK) if resumed else seen.hexdigest()):
        store.discard()
        raise SurgeryError(
            "the data set gives other samples in its second pass: it shuffles or augments. Features of augmented "
            "samples cannot be kept; leave shuffling to shuffle=True."
        )
    return store


def _key(front: Any, prefix: Prefix) -> str:
    calls = tuple(call for call in prefix.graph if call.name in prefix.calls)
    graph = dataclasses.replace(prefix.graph, calls=calls, outputs=list(prefix.boundary))
    return fingerprint(front, graph)


def fingerprint(model: Any, graph: Graph) -> str:
    """Returns a hash of a network: wiring, configurations, vocabularies, and all values of its weights.

    Args:
        model: the network, built.
        graph: its graph.
    """
    found = hashlib.blake2b(digest_size=16)
    with np.printoptions(threshold=sys.maxsize, precision=17):  # constants in full
        found.update(repr(outline(graph)).encode())
    for layer in model._flatten_layers():
        if hasattr(layer, "get_vocabulary"):
            found.update(repr(layer.get_vocabulary()).encode())
    found.update(f"keras {keras.__version__} {keras.backend.backend()}".encode())
    for variable in model.weights:
        found.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    return found.hexdigest()


def _flat(inputs: Any, graph: Graph) -> list[Any]:
    """Returns the arrays of one chunk in the order of the network's inputs."""
    if isinstance(inputs, dict):
        by_key = isinstance(graph.inputs, dict)
        names = sorted_keys(graph.inputs) if by_key else [ref.call for ref in leaves(graph.inputs)]
        missing = [name for name in names if name not in inputs]
        if missing:
            raise SurgeryError(f"the samples have {listing(map(str, inputs))}; {listing(missing)} is missing.")
        return [inputs[name] for name in names]
    return leaves(inputs)


def compute_features(front: Any, prefix: Prefix, given: dict[str, Any]) -> list[Any]:
    """Returns the features of one chunk, computed in batches of a size that caches of a processor like."""
    strategy = getattr(front, "distribute_strategy", None)
    if strategy is not None and strategy.num_replicas_in_sync > 1:  # predict_on_batch would give each replica all
        whole = rebuilt(lambda ref: given[ref.call], prefix.graph.inputs)
        return [np.asarray(one) for one in keras.tree.flatten(front.predict(whole, batch_size=BATCH, verbose=0))]
    rows = len(next(iter(given.values())))
    parts = []
    for first in range(0, rows, BATCH):
        full = np.arange(first, first + BATCH) % rows  # the last batch is filled up: another size is traced anew
        batch = rebuilt(lambda ref, full=full: given[ref.call][full], prefix.graph.inputs)
        made = keras.tree.flatten(front.predict_on_batch(batch))
        parts.append([np.asarray(one)[: rows - first] for one in made])
    return [concatenate(*one) for one in zip(*parts, strict=True)]


def targets_of(data: Samples) -> list[Any]:
    """Returns targets and weights of all samples."""
    if data.are_arrays:
        return list(data.parts[1:])
    chunks = [chunk[1:] for chunk in data.chunks(CHUNK)]
    return [
        None if chunks[0][part] is None else keras.tree.map_structure(concatenate, *(chunk[part] for chunk in chunks))
        for part in (0, 1)
    ]


def concatenate(*arrays: Any) -> Any:
    """Returns arrays of rows as one."""
    return np.concatenate(arrays)


def _taken(part: Any, rows: Any) -> Any:
    return None if part is None else keras.tree.map_structure(lambda one: np.asarray(one)[rows], part)


class Batches(keras.utils.PyDataset):
    """Rows of features that lie on disk, with their targets, in batches; only those of a batch are read.

    Args:
        features: mapped arrays.
        targets: targets and weights of samples.
        batch: rows in a batch.
        shuffle: whether each epoch has an order of its own.
    """

    def __init__(self, features: list[Any], targets: list[Any], batch: int, shuffle: bool):
        super().__init__()
        self._features = features
        self._targets = targets
        self._batch = batch
        self._shuffle = shuffle
        self._rows = len(features[0])
        self._order = np.arange(self._rows)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-self._rows // self._batch)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        rows = np.sort(self._order[number * self._batch : (number + 1) * self._batch])
        features = [np.asarray(one[rows]) for one in self._features]
        targets, weights = (_taken(part, rows) for part in self._targets)
        found = (features[0] if len(features) == 1 else features, targets, weights)
        return found if weights is not None else found[:2]

    def on_epoch_end(self) -> None:
        if self._shuffle:
            self._order = np.random.permutation(self._rows)  # the generator that keras.utils.set_random_seed seeds


def as_data(features: Store, data: Samples, batch: int, shuffle: bool) -> dict[str, Any]:
    """Returns the arguments of `fit`, or the first of them a data set where the features are on disk."""
    arrays, targets = features.arrays(), targets_of(data)
    if features.folder is not None:
        return {"x": Batches(arrays, targets, batch, shuffle), "shuffle": False}  # Keras would shuffle the batches too
    x = arrays[0] if len(arrays) == 1 else arrays
    return {"x": x, "y": targets[0], "sample_weight": targets[1], "batch_size": batch, "shuffle": shuffle}
