"""`fit_cached`: a frozen prefix is computed once for each sample, and the rest is trained on what it gave.

Cost: one forward pass of the prefix, then epochs of the rest alone. Not for augmented images: what changes from epoch
to epoch cannot be kept, and is refused.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from surgery.core.errors import SurgeryError, doing, listing
from surgery.core.nested import leaves
from surgery.core.reprs import block, line, table
from surgery.core.specs import Ref, megabytes
from surgery.edits.tap_cut_split import cut, resolved
from surgery.graph.graph import Graph
from surgery.graph.primitives import prune
from surgery.keras_bridge.either import as_graph
from surgery.keras_bridge.optimizer_slots import extend
from surgery.keras_bridge.trace import functional_class
from surgery.keras_bridge.train_functions import scope_of
from surgery.selectors.select import Where
from surgery.training.batches import Samples
from surgery.training.features import as_data, features_of
from surgery.training.frozen_prefix import Prefix, frozen_prefix
from surgery.training.relay import Relay
from surgery.training.unfreezing import StagedUnfreeze


@dataclasses.dataclass(frozen=True)
class Cached:
    """What was computed once.

    Args:
        boundary: the tensors that were kept.
        calls: how many calls of the network made them.
        params: how many parameters these have.
        samples: of how many samples, validation included.
        bytes: size of what was kept.
        seconds: what it took; what was on disk from an earlier run took nothing.
    """

    boundary: tuple[str, ...]
    calls: int
    params: int
    samples: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"computed once: {self.calls} calls, {self.params:,} parameters, up to {listing(self.boundary)}; "
            f"{self.samples:,} samples, {megabytes(self.bytes)}, {self.seconds:.1f} s"
        )

    def __repr__(self) -> str:
        return line(self, str(self))

    def _repr_html_(self) -> str:
        headers = ("calls", "parameters", "samples", "size", "seconds", "up to")
        counts = [f"{count:,}" for count in (self.calls, self.params, self.samples)]
        row = [*counts, megabytes(self.bytes), f"{self.seconds:.1f}", listing(self.boundary)]
        return block("computed once", table(headers, [row], headers[:-1]))


def fit_cached(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    batch_size: int | None = None,
    epochs: int = 1,
    validation_data: Any = None,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    callbacks: Any = (),
    shuffle: bool = True,
    initial_epoch: int = 0,
    verbose: Any = "auto",
    at: Where = None,
    cache: str | os.PathLike[str] | None = None,
    memory: int = 4 * 2**30,
) -> Any:
    """Trains a compiled model as `fit` does, with its frozen, deterministic prefix computed once for each sample.

    The whole model is trained: its variables are those that move, its optimizer keeps its state. With
    `shuffle=False` the losses are those of `fit`, to floating-point accuracy.

    Args:
        model: a compiled `keras.Model`; freeze a part of it first, from the inputs on.
        x: arrays as for `fit`, or a data set (`tf.data.Dataset`, `PyDataset`) of batches that gives the same samples
            in each pass. Leave shuffling to `shuffle=`.
        y: targets, for arrays.
        batch_size: 32 by default; of a data set, that of its batches.
        epochs: as for `fit`.
        validation_data: `(x, y)`, `(x, y, sample_weight)` or a data set; its features are computed once too.
        sample_weight: as for `fit`, for arrays.
        class_weight: as for `fit`.
        callbacks: Keras callbacks; they see the whole model.
        shuffle: whether the samples are shuffled in each epoch.
        initial_epoch: as for `fit`.
        verbose: as for `fit`.
        at: where the prefix shall end; the largest possible by default.
        cache: a folder in which features are kept, for later runs too. What was computed from other weights, another
            wiring or other samples is never used. `None` keeps them in memory, for this call.
        memory: bytes that features may take in memory.

    Returns:
        The Keras `History`; `history.cached`, a `Cached`, says what was computed once.

    Raises:
        SurgeryError: nothing with weights is frozen from the inputs on; a call before `at` trains, draws at random or
            keeps statistics that move; the samples differ from pass to pass; there is no room.

    Example:

    >>> sg.freeze(model, "..block3_pool")
    >>> history = sg.fit_cached(model, images, labels, epochs=50)
    """
    graph = as_graph(model)
    from surgery.keras_bridge.build import assemble

    callbacks = keras.tree.flatten(callbacks or [])
    with doing(f"fitting {graph.name!r} with a cache"):
        _refuse(model, callbacks)
        graph, ends = (graph, None) if at is None else _ends(graph, at)
        prefix = frozen_prefix(graph, ends)
        _refuse_masks(prefix)
        with scope_of(model):
            front = assemble(prune(dataclasses.replace(prefix.graph, outputs=list(prefix.boundary))))
            back = _back(model, prefix)
        data = Samples(x, y, sample_weight)
        batch = batch_size or data.batch
        start = time.perf_counter()
        folder = None if cache is None else Path(cache)
        stores = [features_of(front, prefix, data, folder, memory)]
        validation: dict[str, Any] = {}
        if validation_data is not None:
            held = Samples.of(validation_data)
            stores.append(features_of(front, prefix, held, folder, memory))
            validation = as_data(stores[1], held, batch, shuffle=False)
        cached = _report(prefix, stores, time.perf_counter() - start)
    relay = Relay(back)
    history = back.fit(
        **as_data(stores[0], data, batch, shuffle),
        epochs=epochs,
        initial_epoch=initial_epoch,
        callbacks=keras.callbacks.CallbackList(
            [*callbacks, relay],
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=-(-data.rows // batch),
            model=model,
        ),
        validation_data=_as_validation(validation) if validation else None,
        validation_batch_size=None if folder is not None else batch,
        class_weight=class_weight,
        verbose=verbose,
    )
    history.cached = cached
    return history


def _report(prefix: Prefix, stores: list[Any], seconds: float) -> Cached:
    rows, size = (sum(getattr(store, what) for store in stores) for what in ("rows", "bytes"))
    return Cached(tuple(map(str, prefix.boundary)), len(prefix.calls), prefix.params, rows, size, seconds)


def _as_validation(data: dict[str, Any]) -> Any:
    return data["x"] if "y" not in data else (data["x"], data["y"], data["sample_weight"])


# ---- the two parts ----


def _refuse(model: Any, callbacks: Sequence[Any]) -> None:
    if isinstance(model, Graph) or not getattr(model, "compiled", False):
        raise SurgeryError("it has not been compiled: model.compile(optimizer, loss) first.")
    plain: Any = functional_class()
    for name in ("train_step", "test_step", "compute_loss", "compute_metrics"):
        if getattr(type(model), name) is not getattr(plain, name):
            raise SurgeryError(f"{type(model).__name__} has a {name}() of its own, which would not be used.")
    if any(isinstance(callback, StagedUnfreeze) for callback in callbacks):
        raise SurgeryError("StagedUnfreeze unfreezes layers whose outputs are kept. Use model.fit for it.")


def _ends(graph: Graph, at: Where) -> tuple[Graph, list[Ref]]:
    """Returns the tensors at which the prefix shall end, in a graph in which they are at hand."""
    graph, (found,) = resolved(graph, [at])
    return graph, leaves(found)


def _refuse_masks(prefix: Prefix) -> None:
    masked = [
        call.name
        for call in prefix.graph
        if call.name not in prefix.calls and any(isinstance(one, Ref) for one in leaves(call.kwargs.get("mask")))
    ]
    if masked:
        raise SurgeryError(f"{listing(masked)} work with a mask, which also weights the loss; that is not kept.")


def _back(model: Any, prefix: Prefix) -> Any:
    """Returns the rest of the model, sharing its layers and its optimizer, compiled as it is."""
    from surgery.keras_bridge.build import assemble

    back = assemble(cut(prefix.graph, inputs=list(prefix.boundary)))
    if not back.trainable_variables:
        raise SurgeryError("nothing trains: all weights are frozen.")
    if len(getattr(model, "output_names", None) or []) == len(back.output_names):
        back.output_names = list(model.output_names)  # losses and metrics go by them, also where a head is dissolved
    settings = dict(model._compile_config.config)  # the objects that the user gave; Keras' public name serialises them
    back.compile(**{**settings, "optimizer": model.optimizer, "auto_scale_loss": False})
    extend(model.optimizer, model.trainable_variables)
    known = [id(variable) for variable in model.optimizer._trainable_variables]
    if known != [id(variable) for variable in back.trainable_variables]:
        if keras.backend.backend() == "jax":
            raise SurgeryError(
                "on JAX an optimizer takes variables in one order, and those of the rest are in another."
            )
        if getattr(model.optimizer, "use_ema", False):
            raise SurgeryError(
                "averages of the optimizer (use_ema) go by the order of variables, and that would change."
            )
    return back
