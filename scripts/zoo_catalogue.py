"""Checks every figure of the catalogue against the network itself: calls, parameters, pixels.

Usage: python scripts/zoo_catalogue.py. Opens all cards, some seconds each on the first run; exit 1 when one is wrong.
"""

import sys

import surgery as sg
from surgery.structure import leaves
from surgery.zoo import NETWORKS


def main() -> int:
    wrong = 0
    for name, network in NETWORKS.items():
        graph = sg.open(name)
        side = graph.spec(leaves(graph.inputs)[0]).shape[1] or network.pixels
        found, said = (len(graph), graph.params, side), (network.calls, network.params, network.pixels)
        wrong += found != said
        print(f"{name:20} {'ok' if found == said else f'is {found}, said to be {said}'}", flush=True)
    print(f"{len(NETWORKS) - wrong} of {len(NETWORKS)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
