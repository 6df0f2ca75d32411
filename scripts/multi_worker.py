"""Two workers on loopback under MultiWorkerMirroredStrategy: stock `fit`, then `fit_cached`, against one worker.

Usage: python scripts/multi_worker.py

Prints for each whether it trains, and how far its weights are from those of one worker on the same global batches. With
Keras 3.15.1 the first line says that stock `fit` fails; the second then says nothing about this package.
"""

import json
import os
import socket
import subprocess
import sys

WORKER = """
import sys
import keras, numpy as np, tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy() if sys.argv[2] == "two" else tf.distribute.get_strategy()
import surgery as sg

random = np.random.default_rng(0)
x, y = random.random((64, 4), "float32"), random.random((64, 2), "float32")
with strategy.scope():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4,)), keras.layers.Dense(3, name="frozen"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    sg.freeze(model, "frozen")
    model.compile(keras.optimizers.SGD(0.1), "mse")
train = model.fit if sys.argv[1] == "fit" else lambda *args, **options: sg.fit_cached(model, *args, **options)
train(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
print("weights", [float(value) for one in model.get_weights() for value in np.ravel(one)])
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def run(how: str, workers: int) -> list[float] | str:
    """Trains; returns the weights of the first worker, or the last line that it complained with."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(workers)]}
    children = []
    for index in range(workers):
        config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        extra = {"TF_CONFIG": config} if workers > 1 else {}
        children.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, how, "two" if workers > 1 else "one"],
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **extra},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        out, err = children[0].communicate(timeout=180)
    except subprocess.TimeoutExpired:
        out, err = "", "it hangs: nothing after three minutes"
    for child in children:
        child.kill()
    found = [line for line in out.splitlines() if line.startswith("weights ")]
    if found:
        return json.loads(found[0].removeprefix("weights "))
    return next((line for line in reversed(err.splitlines()) if "Error" in line), err.strip()[-200:])


def main() -> None:
    for how in ("fit", "fit_cached"):
        one, two = run(how, 1), run(how, 2)
        if isinstance(one, str) or isinstance(two, str):
            print(f"{how}: one worker {'trains' if isinstance(one, list) else one}; two: {two}")
        else:
            print(f"{how}: {max(abs(a - b) for a, b in zip(one, two, strict=True)):.1e} apart")


if __name__ == "__main__":
    main()
