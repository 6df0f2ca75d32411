"""Writes files as old Keras wrote them, and computes with NumPy what they should compute."""

import json

import h5py
import numpy as np


def write_h5(path, model_class, config, weights, version="2.2.4", backend="tensorflow"):
    """Writes a legacy HDF5 model: `weights` is {layer: [(name, array), ...]}."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": model_class, "config": config}).encode()
        file.attrs["keras_version"] = version.encode()
        file.attrs["backend"] = backend.encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            below = group.create_group(layer)
            below.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name, _ in arrays]
            for name, array in arrays:
                below.create_dataset(f"{layer}/{name}:0", data=array)
    return path


def layer(class_name, name, *inbound, **config):
    """One layer of a functional model of Keras 2: `inbound` are the calls, each a list of tensors."""
    nodes = [[[one, 0, 0, {}] if isinstance(one, str) else list(one) for one in call] for call in inbound]
    return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}


def functional(layers, inputs, outputs, name="old"):
    """The configuration of a functional model of Keras 2."""
    return {
        "name": name,
        "layers": layers,
        "input_layers": [[one, 0, 0] for one in inputs],
        "output_layers": [[one, 0, 0] if isinstance(one, str) else list(one) for one in outputs],
    }


def old_hard_sigmoid(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, kernel, recurrent, bias, gate=old_hard_sigmoid, h=None, c=None):
    """The last output of an LSTM; gates are i f c o."""
    units = recurrent.shape[0]
    h = np.zeros((len(x), units)) if h is None else h
    c = np.zeros((len(x), units)) if c is None else c
    for step in range(x.shape[1]):
        z = x[:, step] @ kernel + h @ recurrent + bias
        i, f, g, o = np.split(z, 4, axis=-1)
        c = gate(f) * c + gate(i) * np.tanh(g)
        h = gate(o) * np.tanh(c)
    return h


def gru(x, kernel, recurrent, bias, gate=old_hard_sigmoid, recurrent_bias=None):
    """The last output of a GRU; gates are z r h. With `recurrent_bias` the reset gate comes after the product."""
    units = recurrent.shape[0]
    h = np.zeros((len(x), units))
    after = recurrent_bias is not None
    extra = recurrent_bias if after else np.zeros(3 * units)
    for step in range(x.shape[1]):
        a = x[:, step] @ kernel + bias
        b = h @ recurrent + extra
        z = gate(a[:, :units] + b[:, :units])
        r = gate(a[:, units : 2 * units] + b[:, units : 2 * units])
        if after:
            new = np.tanh(a[:, 2 * units :] + r * b[:, 2 * units :])
        else:
            new = np.tanh(a[:, 2 * units :] + (r * h) @ recurrent[:, 2 * units :])
        h = z * h + (1 - z) * new
    return h


def correlate(x, kernel):
    """A valid 2-D convolution as networks mean it (correlation), channels last."""
    rows, columns = x.shape[1] - kernel.shape[0] + 1, x.shape[2] - kernel.shape[1] + 1
    out = np.zeros((len(x), rows, columns, kernel.shape[3]))
    for r in range(kernel.shape[0]):
        for c in range(kernel.shape[1]):
            out += x[:, r : r + rows, c : c + columns] @ kernel[r, c]
    return out
