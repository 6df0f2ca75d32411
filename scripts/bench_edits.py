"""Editing against stock Keras, as ratios in one run. Usage: python scripts/bench_edits.py [--quick]

1. Identity rewrite (open live, build) of NASNetLarge against clone_model + set_weights, and the memory each adds.
2. Chains of 1,000 to 8,000 calls, and 4,000 residual blocks: build, open, edit; linear, without RecursionError.
3. Three taps in one model against the plain pass and against three models.
4. The hundredth build from one donor against the first, and the donor's own pass before and after.
"""

import gc
import os
import sys
import time

import keras
import numpy as np

import surgery as sg
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp


def seconds(work, times: int = 3) -> float:
    """Returns the best of several runs."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def resident() -> float:
    """Returns the memory of this process now, in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def rewrite(name: str) -> None:
    donor = getattr(keras.applications, name)(weights=None)
    gc.collect()
    before = resident()
    ours = seconds(lambda: sg.build(sg.open(donor)))
    added = resident() - before
    before = resident()
    start = time.perf_counter()
    clone = keras.models.clone_model(donor)
    clone.set_weights(donor.get_weights())
    stock, cloned = time.perf_counter() - start, resident() - before
    print(f"rewrite of {name}: {ours:.2f} s, {added:+,.0f} MB; clone + set_weights: {stock:.2f} s, {cloned:+,.0f} MB")
    print(f"  ratio {stock / ours:.1f} x")
    rebuilt = sg.build(sg.open(donor))
    assert all(a is b for a, b in zip(rebuilt.weights, donor.weights, strict=True)), "a weight was copied"


def chain(length: int) -> Graph:
    """A chain of identities, made as a graph: Keras itself cannot call so many in a row."""
    calls = [Call("x", None, (), {}, Spec((None, 2)))]
    for number in range(length):
        op = LiveOp(keras.layers.Identity(name=f"step{number}"))
        calls.append(Call(op.name, op, (Ref(calls[-1].name),), {}, Spec((None, 2))))
    return Graph("chain", tuple(calls), Ref("x"), Ref(calls[-1].name))


def residual(blocks: int) -> Graph:
    calls, last = [Call("x", None, (), {}, Spec((None, 2)))], Ref("x")
    for number in range(blocks):
        inner, total = LiveOp(keras.layers.Identity(name=f"f{number}")), LiveOp(keras.layers.Add(name=f"add{number}"))
        calls.append(Call(inner.name, inner, (last,), {}, Spec((None, 2))))
        calls.append(Call(total.name, total, ([last, Ref(inner.name)],), {}, Spec((None, 2))))
        last = Ref(total.name)
    return Graph("residual", tuple(calls), Ref("x"), last)


def round_trip(graph: Graph) -> float:
    start = time.perf_counter()
    model = sg.build(graph)
    opened = sg.open(model)
    half = opened.calls[len(opened) // 2].name
    edited = sg.insert(sg.cut(opened, outputs=half), keras.layers.Identity(), after=half)
    sg.build(edited)
    return time.perf_counter() - start


def depth(quick: bool) -> None:
    sizes = (500, 1000, 2000) if quick else (1000, 2000, 4000, 8000)
    times = {size: round_trip(chain(size)) for size in sizes}
    print("chain: " + ", ".join(f"{size:,} calls {taken:.1f} s" for size, taken in times.items()))
    print(f"  {sizes[-1] // sizes[0]} times the calls, {times[sizes[-1]] / times[sizes[0]]:.1f} times the seconds")
    blocks = 1000 if quick else 4000
    print(f"residual chain of {blocks:,} blocks: {round_trip(residual(blocks)):.1f} s")


def taps() -> None:
    donor = keras.applications.ResNet50(weights=None, input_shape=(128, 128, 3), include_top=False)
    names = ["conv2_block3_out", "conv3_block4_out", "conv4_block6_out"]
    tapped = sg.cut(donor, outputs=[*names, "conv5_block3_out"])
    separate = [keras.Model(donor.input, donor.get_layer(name).output) for name in names]
    images_bhwc = np.random.default_rng(0).random((32, 128, 128, 3), "float32")

    def run(model):
        return lambda: model.predict(images_bhwc, batch_size=16, verbose=0)

    for model in (donor, tapped, *separate):
        run(model)()
    plain, one = seconds(run(donor), 5), seconds(run(tapped), 5)
    several = plain + sum(seconds(run(model), 5) for model in separate)
    print(f"3 taps beside the output: {one / plain:.2f} x the plain pass; as separate models {several / plain:.2f} x")


def hundred_builds(name: str, count: int) -> None:
    donor = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), include_top=False)
    images_bhwc = np.zeros((8, 64, 64, 3), "float32")
    donor(images_bhwc)
    alone = seconds(lambda: donor(images_bhwc), 10)
    first = seconds(lambda: sg.build(sg.open(donor)))
    for _ in range(count):
        sg.build(sg.open(donor))
    last = seconds(lambda: sg.build(sg.open(donor)))
    after = seconds(lambda: donor(images_bhwc), 10)
    print(f"build {count} of {name}: {last / first:.2f} x the first; the donor's own pass: {after / alone:.2f} x")


def main() -> None:
    quick = "--quick" in sys.argv
    rewrite("NASNetMobile" if quick else "NASNetLarge")
    taps()
    hundred_builds("MobileNetV2", 10 if quick else 100)
    depth(quick)


if __name__ == "__main__":
    main()
