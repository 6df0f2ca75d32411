"""Sabotages networks and asks `verify`: each of them must be found, and no untouched network may be called changed.

Usage: python scripts/sabotage.py [--count 500] [--first 0] [--kind sabotaged|untouched]. Networks are drawn by number:
a failure is printed with its number, and `--first N --count 1` draws it again.
"""

import argparse
import collections
import logging
import pathlib
import sys
import tempfile
import time
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

import keras
import sabotages

import surgery as sg


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", choices=["sabotaged", "untouched"])
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("absl").setLevel(logging.ERROR)  # what Keras says of HDF5 files
    wrong = 0
    for kind in [asked.kind] if asked.kind else ["sabotaged", "untouched"]:
        done, start = collections.Counter(), time.monotonic()
        for seed in range(asked.first, asked.first + asked.count):
            keras.utils.clear_session()
            with tempfile.TemporaryDirectory() as folder:
                donor, graph, what = getattr(sabotages, kind)(seed, pathlib.Path(folder))
                try:
                    right = sg.verify(graph, donor).exact == (kind == "untouched")
                except Exception as error:
                    right, what = False, f"{what}: {type(error).__name__}: {error}"
            done[what.split(" ")[0].rstrip(",")] += 1
            if sum(done.values()) % 50 == 0:
                print(f"{kind}: {sum(done.values())}, {wrong} wrong", file=sys.stderr, flush=True)
            if not right:
                wrong += 1
                print(f"{kind} {seed}: {what}", flush=True)
                if asked.count == 1:
                    print(sg.verify(graph, donor))
        print(f"{kind}: {asked.count} in {time.monotonic() - start:.0f} s: {dict(sorted(done.items()))}", flush=True)
    print(f"{wrong} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
