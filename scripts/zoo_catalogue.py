"""Checks what is shipped of the named networks against Keras: their cards, figures, and the shapes of all weights.

Usage: python scripts/zoo_catalogue.py [--write] [NAME ...]. Keras makes each network anew, in some seconds; exit 1 when
one is wrong. `--write` makes the files of cards and shapes of all networks, which it does when Keras has a new series.
"""

import gzip
import json
import sys

import surgery as sg
from surgery.core.nested import leaves
from surgery.graph.traversal import calls_at_every_depth
from surgery.zoo import cards, shipped
from surgery.zoo.catalogue import NETWORKS
from surgery.zoo.graph_json import decode
from surgery.zoo.keras_settings import USUAL, keras_version
from surgery.zoo.recognition import SHAPES


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


def wrong(name: str, graph: sg.Graph) -> list[str]:
    """Returns which figures of the catalogue are not those of the network."""
    network = NETWORKS[name]
    side = graph.spec(leaves(graph.inputs)[0]).shape[1] or network.pixels
    found = {"calls": len(graph), "params": graph.params, "pixels": side}
    return [f"{what} are {value:,}" for what, value in found.items() if value != getattr(network, what)]


def main(arguments: list[str]) -> int:
    write = "--write" in arguments
    names = [name for name in arguments if name != "--write"]
    if write and names:
        sys.exit("--write is of all networks; name none")
    known = json.loads(gzip.decompress(SHAPES.read_bytes()))
    failed, made, shapes = 0, {}, {}
    for name in names or NETWORKS:
        made[name] = cards.made_now(name, "{}", USUAL)
        graph = decode(json.loads(made[name]))
        shapes[name] = json.loads(json.dumps(shapes_of(name, graph)))
        faults = wrong(name, graph)
        if not write:
            faults += ["shapes are others"] * (known.get(name) != shapes[name])
            faults += ["the card is another"] * (shipped.shipped(name, keras_version()) != made[name])
        failed += bool(faults)
        print(f"{name:20} {'; '.join(faults) or 'ok'}", flush=True)
    print(f"{len(made) - failed} of {len(made)}")
    if write:
        shipped.write(made, keras_version())
        SHAPES.write_bytes(gzip.compress(json.dumps(shapes, separators=(",", ":")).encode(), mtime=0))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
