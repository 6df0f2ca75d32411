"""What becomes of a folder of model files: opened, mended by which rules, tensors placed, equal to its own Keras.

Usage: python scripts/old_files_report.py FOLDER. Beside a file may lie FILE.reference.npz with inputs x0, x1 ... and
the outputs y0, y1 ... that the Keras that wrote it computed. Prints a few lines per file and a total.
"""

import pathlib
import sys
from collections import Counter

import keras
import numpy as np

import surgery as sg


def difference(model, reference: pathlib.Path) -> float:
    """Returns the largest difference from the reference, relative to its largest value."""
    with np.load(reference) as arrays:
        given = [arrays[name] for name in sorted(arrays) if name.startswith("x")]
        wanted = [arrays[name] for name in sorted(arrays) if name.startswith("y")]
    made = keras.tree.flatten(model(keras.tree.pack_sequence_as(model.input, given), training=False))
    return max(
        float(np.abs(keras.ops.convert_to_numpy(mine) - other).max() / (np.abs(other).max() or 1))
        for mine, other in zip(made, wanted, strict=True)
    )


def main(folder: str) -> int:
    built = compared = wrong = 0
    paths = sorted(path for path in pathlib.Path(folder).iterdir() if path.suffix in (".h5", ".hdf5", ".keras"))
    for path in paths:
        try:
            graph = sg.open(path)
            rules = Counter(note.rpartition(": ")[2] for note in graph.notes)
            model = sg.build(graph)
        except sg.SurgeryError as error:
            print(f"{path.name}\n  refused: {str(error).splitlines()[-2 if chr(10) in str(error) else 0][:150]}")
            continue
        built += 1
        print(f"{path.name}\n  {len(graph)} calls, {len(model.weights)} tensors placed, {graph.params:,} parameters")
        for rule, count in rules.items():
            print(f"  {count} x {rule}")
        reference = path.with_name(f"{path.name}.reference.npz")
        if reference.exists():
            found = difference(model, reference)
            compared += 1
            wrong += not found <= 1e-3
            print(f"  differs from its own Keras by {found:.1e} of the largest value")
    print(f"{len(paths)} files: {built} built, {compared} compared, {wrong} wrong, {len(paths) - built} refused")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
