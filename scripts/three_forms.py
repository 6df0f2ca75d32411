"""The laws of `tests/three_forms.py` on many random networks: live, `.keras`, `.h5`, safetensors.

Usage: python scripts/three_forms.py [COUNT] [--seed FIRST] [--form live] [--law NAME]

Prints every failure with the seed that repeats it (`1 --seed N`), the refusals by kind, and the figures.
"""

from __future__ import annotations

import argparse
import collections
import gc
import re
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import keras
import three_forms


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--form", action="append", choices=three_forms.FORMS, help="only this form")
    parser.add_argument("--law", help="only laws whose name holds this")
    given = parser.parse_args()
    if given.law:
        three_forms.LAWS = tuple(law for law in three_forms.LAWS if given.law in law.__name__)
    held: collections.Counter[str] = collections.Counter()
    refused: dict[str, list[str]] = collections.defaultdict(list)
    failures, start = 0, time.perf_counter()
    for seed in range(given.seed, given.seed + given.count):
        with tempfile.TemporaryDirectory() as folder:
            found = three_forms.tried(seed, Path(folder), tuple(given.form or three_forms.FORMS))
        held.update(found.held)
        for law, message in found.refused:
            refused[f"{law.split()[1]}: {re.sub(r'[0-9]+', 'N', message)[:160]}"].append(f"{seed} {law.split()[0]}")
        for law, what in found.failed:
            failures += 1
            print(f"seed {seed} · {law} · {', '.join(found.kinds)}\n    {what}", flush=True)
        keras.backend.clear_session()
        gc.collect()
    print(f"\n{given.count} networks, {time.perf_counter() - start:.0f} s: {held.total():,} held, ", end="")
    print(f"{sum(map(len, refused.values())):,} refused, {failures} failed")
    for law in three_forms.LAWS:
        row = [f"{form} {held[f'{form} {law.__name__}']}" for form in three_forms.FORMS]
        print(f"  {law.__name__:30} {'  '.join(row)}")
    for message, seeds in sorted(refused.items(), key=lambda item: -len(item[1])):
        print(f"refused {len(seeds):4} ({', '.join(seeds[:3])}) {message}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
