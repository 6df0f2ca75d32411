"""What mends the weights of one layer that Keras 1 or 2 wrote: as many arrays, in the shapes, that Keras 3 has.

The conversions are lazy: a tensor is only read, and turned, when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.core.tensors import Tensor, to_hand_over
from surgery.formats.legacy.rules import Origin
from surgery.layers.description import Stored


def converted(old: Stored, new: Stored, tensors: list[Tensor], origin: Origin, report: list[str]) -> list[Tensor]:
    """Returns the weights of a layer as Keras 3 has them.

    Args:
        old: the layer as the file describes it.
        new: the same layer, mended.
        tensors: its weights in the order of the file.
        origin: what wrote the file.
        report: gets a line for each conversion.
    """
    inner = _inner(old)
    if new.class_name == "Bidirectional" and inner is not None and len(tensors) % 2 == 0:
        half = len(tensors) // 2
        below = _inner(new) or inner
        return [
            one for part in (tensors[:half], tensors[half:]) for one in converted(inner, below, part, origin, report)
        ]
    if new.class_name == "TimeDistributed" and inner is not None:
        return converted(inner, _inner(new) or inner, tensors, origin, report)
    for convert in (_cudnn, _keras_1_gates, _keras_1_kernel, _theano_kernel):
        found = convert(old, new, tensors, origin)
        if found is not tensors:
            report.append(f"{old.name}: {convert.__name__.strip('_').replace('_', ' ')} weights converted")
            tensors = found
    return tensors


def _inner(layer: Stored) -> Stored | None:
    inner = layer.config.get("layer")
    return Stored(layer.name, inner["class_name"], inner["config"]) if isinstance(inner, dict) else None


def _made(like: Tensor, shape: tuple[int, ...], values: Callable[[], Any]) -> Tensor:
    return Tensor(like.name, shape, like.dtype, lambda: to_hand_over(values()))


def _cudnn(old: Stored, new: Stored, tensors: list[Tensor], origin: Origin) -> list[Tensor]:
    """CuDNN keeps the kernels of its gates transposed, and two biases: `LSTM` adds them, `GRU` keeps both."""
    gates = {"CuDNNLSTM": 4, "CuDNNGRU": 3}.get(old.class_name)
    if gates is None or len(tensors) != 3:
        return tensors
    kernel, recurrent, bias = tensors

    def each_gate(tensor: Tensor, turn: Callable[[Any], Any]) -> Callable[[], Any]:
        def values() -> Any:
            import numpy as np

            return np.hstack([turn(gate) for gate in np.split(tensor.load(), gates, axis=1)])

        return values

    if gates == 4:
        half = bias.shape[0] // 2
        biases = _made(bias, (half,), lambda: bias.load().reshape(2, half).sum(axis=0))
    else:
        biases = _made(bias, (2, bias.shape[0] // 2), lambda: bias.load().reshape(2, -1))
    return [
        _made(kernel, kernel.shape, each_gate(kernel, lambda gate: gate.reshape(gate.shape[::-1]).T)),
        _made(recurrent, recurrent.shape, each_gate(recurrent, lambda gate: gate.T)),
        biases,
    ]


_GATES = {  # the order of the gates in Keras 1 -> that of Keras 3
    "LSTM": (0, 2, 1, 3),  # i c f o -> i f c o
    "ConvLSTM2D": (0, 2, 1, 3),
    "GRU": (0, 1, 2),  # z r h
}


def _keras_1_gates(old: Stored, new: Stored, tensors: list[Tensor], origin: Origin) -> list[Tensor]:
    """Keras 1 keeps kernel, recurrent kernel and bias of each gate; since then they lie side by side."""
    order = _GATES.get(new.class_name)
    if order is None or len(tensors) != 3 * len(order):
        return tensors

    def together(kind: int) -> Tensor:
        gates = [tensors[3 * gate + kind] for gate in order]

        def values() -> Any:
            import numpy as np

            return np.concatenate([gate.load() for gate in gates], axis=-1)

        shape = (*gates[0].shape[:-1], sum(gate.shape[-1] for gate in gates))
        return _made(gates[0], shape, values)

    if new.class_name == "ConvLSTM2D" and new.config.get("data_format") == "channels_first":
        raise SurgeryError(f"{printable(old.name)!r} is a ConvLSTM2D of Keras 1 with channels first: not converted.")
    return [together(kind) for kind in range(3)]


def _keras_1_kernel(old: Stored, new: Stored, tensors: list[Tensor], origin: Origin) -> list[Tensor]:
    """Keras 1 keeps kernels of channels-first layers as (filters, channels, rows, columns), Conv1D's in 2-D."""
    if origin.version[0] > 1 or not tensors:
        return tensors
    kernel, *rest = tensors
    first = new.config.get("data_format") == "channels_first"
    if new.class_name == "Conv1D" and len(kernel.shape) == 4:
        length = _one(new.config.get("kernel_size"))
        if kernel.shape[:2] == (length, 1):
            return [_made(kernel, (length, *kernel.shape[2:]), lambda: kernel.load()[:, 0]), *rest]
        filters, channels = kernel.shape[:2]
        shape = (length, channels, filters)
        return [_made(kernel, shape, lambda: kernel.load()[..., 0].transpose(2, 1, 0)), *rest]
    axes = {
        ("Conv2D", True): (2, 3, 1, 0),
        ("Conv3D", True): (2, 3, 4, 1, 0),
        ("Conv2DTranspose", True): (2, 3, 0, 1),
        ("Conv2DTranspose", False): (0, 1, 3, 2),
    }.get((new.class_name, first))
    if axes is None or len(axes) != len(kernel.shape):
        return tensors
    return [_turned(kernel, axes), *rest]


def _one(size: Any) -> int:
    return size[0] if isinstance(size, (list, tuple)) else size


def _turned(tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
    return _made(tensor, tuple(tensor.shape[axis] for axis in axes), lambda: tensor.load().transpose(axes))


def _theano_kernel(old: Stored, new: Stored, tensors: list[Tensor], origin: Origin) -> list[Tensor]:
    """Theano convolves where others correlate: its kernels are mirrored along every spatial axis."""
    spatial = re.match(r"Conv([123])D(Transpose)?$", new.class_name)
    if origin.backend != "theano" or spatial is None or not tensors:
        return tensors
    kernel, *rest = tensors
    mirror = (slice(None, None, -1),) * int(spatial[1])
    return [_made(kernel, kernel.shape, lambda: kernel.load()[mirror]), *rest]
