"""The encoder-decoder recipes on every network of keras.applications: which build, and why the others do not.

Usage: python scripts/backbones.py [RECIPE ...] [--odd]

Each is wired on the network with fresh weights, built, and its output compared with the size of the image. With
`--odd` images of 97 pixels are taken, which no stride divides.
"""

import gc
import sys
import time

import keras

import surgery as sg
from surgery.recipe import files as cookbook
from surgery.zoo.catalogue import NETWORKS

RECIPES = ("unet", "fpn", "linknet", "pspnet", "fcn", "deeplab")


def built(recipe, backbone: str, size: int | None) -> str:
    """Builds one; returns an empty text, or why it does not build."""
    settings = {"backbone": backbone, "weights": None, "classes": 3}
    if "size" in recipe.parameters:
        settings["size"] = size or NETWORKS[backbone].pixels  # MobileNetV3 comes without one
    try:
        model = sg.build(recipe.wire(settings))
    except sg.SurgeryError as error:
        return str(error).replace("\n", " ")[:300]
    wanted, found = (*model.input_shape[:3], 3), model.output_shape
    return "" if found == wanted else f"makes {found} of pictures {wanted}"


def main() -> None:
    names = [one for one in sys.argv[1:] if not one.startswith("--")] or list(RECIPES)
    size = 97 if "--odd" in sys.argv else None
    backbones = [name for name, network in NETWORKS.items() if network.keras_name]
    good, reasons = 0, []
    for backbone in backbones:
        row = []
        for name in names:
            start = time.perf_counter()
            why = built(cookbook.load(name), backbone, size)
            row.append(f"{name} {time.perf_counter() - start:.1f} s" if not why else f"{name} NO")
            good += not why
            reasons += [f"{name} on {backbone}: {why}"] if why else []
            keras.backend.clear_session()
            gc.collect()
        print(f"{backbone:20} {'  '.join(row)}", flush=True)
    print(f"{good} of {len(names) * len(backbones)} build")
    print("\n".join(reasons))


if __name__ == "__main__":
    main()
