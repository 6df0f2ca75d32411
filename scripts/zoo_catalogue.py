"""Checks every figure of the catalogue against the network itself: calls, parameters, pixels, shapes of all weights.

Usage: python scripts/zoo_catalogue.py [--write]. Opens all cards, some seconds each on the first run; exit 1 when
one is wrong. `--write` makes the file of shapes that tells which networks a weights file fits.
"""

import gzip
import json
import sys

import surgery as sg
from surgery.structure import leaves
from surgery.walking import calls_at_every_depth
from surgery.zoo import NETWORKS
from surgery.zoo.fitting import SHAPES


def layers_of(graph: sg.Graph) -> dict[str, list[tuple[int, ...]]]:
    """Returns the shapes of the weights of each layer that has some, at every depth, in order."""
    calls = ((name, call) for name, call in calls_at_every_depth(graph) if call.weights and call.op.inner is None)
    first = {call.op: (name, call) for name, call in reversed(list(calls))}  # a shared layer once
    return {name: [weight.shape for weight in call.weights] for name, call in reversed(first.values())}


def shapes_of(name: str, graph: sg.Graph) -> dict:
    """Returns what the file of shapes says of a network: its layers, those of the top last, and how many these are."""
    whole, trunk = layers_of(graph), layers_of(sg.open(name, include_top=False))
    top = [layer for layer in whole if layer not in trunk]
    return {"layers": [whole[layer] for layer in (*(one for one in whole if one in trunk), *top)], "top": len(top)}


def main() -> int:
    wrong, shapes = 0, {}
    known = json.loads(gzip.decompress(SHAPES.read_bytes())) if SHAPES.is_file() else {}
    write = "--write" in sys.argv
    for name, network in NETWORKS.items():
        graph = sg.open(name)
        shapes[name] = json.loads(json.dumps(shapes_of(name, graph)))
        side = graph.spec(leaves(graph.inputs)[0]).shape[1] or network.pixels
        found, said = (len(graph), graph.params, side), (network.calls, network.params, network.pixels)
        right = found == said and (write or known.get(name) == shapes[name])
        wrong += not right
        print(f"{name:20} {'ok' if right else f'is {found}, said to be {said}, or has other shapes'}", flush=True)
    print(f"{len(NETWORKS) - wrong} of {len(NETWORKS)}")
    if write:
        SHAPES.write_bytes(gzip.compress(json.dumps(shapes, separators=(",", ":")).encode(), mtime=0))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
