"""The laws on all 40 networks of keras.applications, random weights, small images: one line each, and a total.

Usage: python scripts/zoo_sweep.py [NAME ...]. For each network: rewrite equal to the bit; every tensor tapped in one
model and equal to the donor's; split at every narrow place, and at ten random others with the crossing set that is
computed, recombined equal; insert then remove is the identity; inlined equal; saved, reopened, equal; donor unchanged.
"""

import gc
import itertools
import pathlib
import sys
import tempfile
import time

import keras
import numpy as np

import surgery as sg
from surgery.zoo.catalogue import NETWORKS

PIXELS = {"inceptionv3": 75, "inceptionresnetv2": 75, "xception": 71, "nasnetlarge": 64}


def same(ours, theirs) -> bool:
    """Whether two lists of arrays are equal to the bit."""
    pairs = zip(map(np.asarray, ours), map(np.asarray, theirs), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def outputs(model, arrays):
    return [np.asarray(one) for one in keras.tree.flatten(model(arrays, training=False))]


def split_law(graph, arrays, expected) -> tuple[int, int]:
    """Splits at every narrow place, and at ten random others with the crossing set that is computed.

    At a narrow place front and back join to the very graph that was split. What lies between a narrow place and the
    next is built and run on the donor's own tensor, and must make the donor's next one: so each back, which is these
    in a row, computes what the whole computes, in time linear in the network. The others are built whole.
    """
    narrow = [call.name for call in sg.select(graph, "[narrow]") if call.op is not None]
    tensors = sg.build(sg.tap(graph, "*"))(arrays, training=False)
    for place, following in itertools.pairwise(narrow):
        front, back = sg.split(graph, place)
        if sg.join(front, back) != graph:
            raise AssertionError(f"split at {place}: front and back do not join to the whole")
        between = sg.build(sg.cut(graph, inputs=place, outputs=following))
        if not same(outputs(between, tensors[place]), [tensors[following]]):
            raise AssertionError(f"split at {place}")
    others = [call.name for call in graph if call.op is not None and call.name not in set(narrow)]
    random = np.random.default_rng(0)
    others = list(random.choice(others, min(10, len(others)), replace=False)) if others else []
    for place in map(str, others):
        crossing = [str(ref) for ref in sg.crossing_tensors(graph, place)]
        back = sg.build(sg.cut(graph, inputs=crossing))
        if not same(outputs(back, [tensors[name] for name in crossing]), expected):
            raise AssertionError(f"split at {place}")
    return len(narrow) - 1, len(others)


def sweep(name: str) -> str:
    start = time.perf_counter()
    pixels = PIXELS.get(name, 64)
    keras.utils.set_random_seed(0)
    maker = getattr(keras.applications, NETWORKS[name].keras_name)
    donor = maker(weights=None, include_top=False, input_shape=(pixels, pixels, 3))
    config, weights = donor.get_config(), [weight.copy() for weight in donor.get_weights()]
    arrays = np.random.default_rng(0).random((1, pixels, pixels, 3), "float32") * 255
    graph, expected = sg.open(donor), outputs(donor, arrays)
    assert same(outputs(sg.build(graph), arrays), expected), "rewrite"
    tapped = sg.build(sg.tap(graph, "*"))(arrays, training=False)
    stock = keras.Model(donor.input, [op.output for op in donor.operations])(arrays, training=False)
    assert same([tapped[op.name] for op in donor.operations], stock), "taps"
    narrow, others = split_law(graph, arrays, expected)
    middle = graph.calls[len(graph) // 2].name
    inserted = sg.insert(graph, keras.layers.Identity(name="inserted"), after=middle)
    assert same(outputs(sg.build(inserted), arrays), expected) and sg.remove(inserted, "inserted") == graph, "insert"
    nested = [call for call in graph if call.op is not None and call.op.inner is not None]
    if nested:
        assert same(outputs(sg.build(sg.inline(graph)), arrays), expected), "inline"
    with tempfile.TemporaryDirectory() as folder:
        path = sg.save(donor, pathlib.Path(folder) / "network.keras", verify=False)
        assert same(outputs(sg.build(sg.open(path)), arrays), expected), "save"
    assert donor.get_config() == config and same(donor.get_weights(), weights), "donor"
    seconds = time.perf_counter() - start
    return f"{len(graph):5,} calls  {narrow:3} narrow + {others:2} other splits  {len(nested)} nested  {seconds:5.1f} s"


def main(names: list[str]) -> int:
    names = names or [name for name, network in NETWORKS.items() if network.keras_name]
    passed = 0
    for name in names:
        try:
            print(f"{name:20} equal  {sweep(name)}", flush=True)
            passed += 1
        except (AssertionError, sg.SurgeryError) as error:
            print(f"{name:20} FAILED {error}", flush=True)
        keras.backend.clear_session()
        gc.collect()
    print(f"{passed} of {len(names)}")
    return 0 if passed == len(names) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
