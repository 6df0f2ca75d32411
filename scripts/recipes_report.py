"""Runs the `fit` of every shipped recipe in full, over several seeds; writes docs/recipe-measures.md and its images.

Usage: python scripts/recipes_report.py [RECIPE ...] [--seeds N]

Every measure is a mean and a standard deviation over the seeds. Without names all recipes are run, in forty minutes
and more on two cores; with names only their rows are replaced.
"""

import argparse
import json
import pathlib
import time

import keras
import numpy as np

import surgery as sg
from surgery.recipe import files as cookbook
from surgery.recipe.source import summary

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
HEAD = """# The recipes, measured

Written by `scripts/recipes_report.py`: each `fit` in full on two cores, mean ± standard deviation over {seeds} seeds.
The first figure is the recipe's measure, what follows are baselines and what else its `fit` returns.
`surgery recipes NAME` prints a recipe, `surgery graft NAME --fit --plot out.png` runs it.

| recipe | measured | seconds |
|---|---|---|
"""


def measured(name: str, seed: int) -> tuple[dict, object]:
    """Runs one recipe; returns its measures, with the seconds, and its image."""
    recipe = cookbook.load(name)
    keras.utils.set_random_seed(seed)
    models = cookbook.parts(recipe.wire({}))
    live = {part: one if isinstance(one, keras.Model) else sg.build(one) for part, one in models.items()}
    start = time.perf_counter()
    found = dict(recipe.fit(cookbook.whole(live), {"seed": seed}))
    picture = found.pop("image", None)
    return {**found, "seconds": time.perf_counter() - start}, picture


def row(name: str, runs: list[dict]) -> str:
    parts = []
    for key, value in runs[0].items():
        if key == "seconds":
            continue
        if isinstance(value, float):
            values = [run[key] for run in runs]
            value = f"{np.mean(values):.3f} ± {np.std(values):.3f}" if len(runs) > 1 else f"{value:.3f}"
        parts.append(f"{key.strip()} {value}")
    seconds = np.mean([run["seconds"] for run in runs])
    return f"| `{name}` | {'; '.join(parts)} | {seconds:.0f} |"


def write(results: dict[str, list[dict]]) -> None:
    order = sorted(results, key=lambda name: (cookbook.shipped()[name].parent.name, name))
    text = HEAD.format(seeds=max(map(len, results.values()))) + "\n".join(row(name, results[name]) for name in order)
    for name in order:
        if (DOCS / "recipes" / f"{name}.png").exists():
            text += f"\n\n## {name}\n\n{summary(cookbook.shipped()[name])}\n\n![{name}](recipes/{name}.png)"
    (DOCS / "recipe-measures.md").write_text(f"{text}\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    store = DOCS / "recipes" / "measures.json"
    store.parent.mkdir(parents=True, exist_ok=True)
    results = json.loads(store.read_text()) if store.exists() else {}
    for name in given.recipes or cookbook.shipped():
        once = "seed" not in cookbook.load(name).parameters  # it goes through seeds of its own
        runs = []
        for seed in range(1 if once else given.seeds):
            found, picture = measured(name, seed)
            runs.append(found)
            if seed == 0 and picture is not None:
                keras.utils.save_img(store.parent / f"{name}.png", np.asarray(picture) * 255, scale=False)
        results[name] = runs
        print(row(name, runs), flush=True)
        store.write_text(json.dumps(results, indent=1) + "\n")  # in the order of fit(): its measure is first
        write(results)


if __name__ == "__main__":
    main()
