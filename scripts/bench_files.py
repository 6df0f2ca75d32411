"""Files against stock Keras, in one run: looking, opening and building, a tap that needs 2 of 138 million parameters.

Usage: python scripts/bench_files.py [FOLDER]. Makes VGG16 (553 MB) as .keras and .h5 in the folder, once. Each figure
is a process of its own: seconds without the start of Python, of Keras and of this package (whose modules load when they
are first used: the line "first use" has them), and the peak of memory above what they take.
"""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

MEMORY = "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024"
START = f"""
import json, resource, sys, time
import numpy as np, keras, surgery as sg
keras.ops.convert_to_tensor(np.ones(3))
keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])(np.ones((1, 8, 8, 3)))
if sys.argv[2] == "warm":
    from surgery.formats import open_file
    from surgery.keras_bridge import build
    sg.open, sg.tap, sg.cut, sg.save  # loads their files
path, before, start = sys.argv[1], {MEMORY}, time.perf_counter()
"""
END = f"""
print(json.dumps([time.perf_counter() - start, {MEMORY} - before]))
"""
WORK = {
    "stock load_model": "model = keras.models.load_model(path, compile=False)",
    "open + build": "model = sg.build(sg.open(path))",
    "open + tap block3_pool + build": "model = sg.build(sg.tap(sg.open(path), 'block3_pool'))",
}


def measured(code: str, path: pathlib.Path, how: str = "warm", rounds: int = 3) -> tuple[float, float]:
    """Runs code in a process of its own, several times; returns the least seconds, and MB."""
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = []
    for _ in range(rounds):
        command = [sys.executable, "-c", START + code + END, str(path), how]
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        found.append(json.loads(run.stdout.splitlines()[-1]))
    return min(seconds for seconds, _ in found), min(memory for _, memory in found)


def looked(path: pathlib.Path) -> tuple[float, float]:
    """Runs `surgery inspect` on a file; returns seconds and MB of the whole process."""
    best = (9e9, 9e9)
    for _ in range(5):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, time.perf_counter()
        code = f"import resource, sys; sys.argv = ['surgery', 'inspect', {str(path)!r}]\n"
        code += "from surgery.cli.main import main\n"
        code += f"try: main()\nexcept SystemExit: pass\nprint({MEMORY}, file=sys.stderr)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        best = min(best, (time.perf_counter() - start, float(run.stderr.splitlines()[-1])))
        del before
    return best


def made(folder: pathlib.Path) -> list[pathlib.Path]:
    paths = [folder / "vgg16.keras", folder / "vgg16.h5"]
    if not all(path.exists() for path in paths):
        code = "import sys, keras; m = keras.applications.VGG16(weights=None); [m.save(p) for p in sys.argv[1:]]"
        subprocess.run([sys.executable, "-c", code, *map(str, paths)], check=True, capture_output=True)
    return paths


def main() -> None:
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    for path in made(folder):
        size = path.stat().st_size / 2**20
        start = time.perf_counter()
        shutil.copyfile(path, folder / "copy")
        print(f"{path.name}, {size:,.0f} MB; copying its bytes once: {time.perf_counter() - start:.2f} s", flush=True)
        (folder / "copy").unlink()
        seconds, memory = looked(path)
        print(f"  surgery inspect, as a process: {seconds:.2f} s, {memory:,.0f} MB", flush=True)
        stock = None
        for what, code in WORK.items():
            seconds, memory = measured(code, path)
            stock = stock or seconds
            ratio = "" if stock == seconds else f", {stock / seconds:.1f} x"
            print(f"  {what}: {seconds:.3f} s, +{memory:,.0f} MB ({memory / size:.2f} x the file){ratio}", flush=True)
        seconds, _ = measured(WORK["open + tap block3_pool + build"], path, "cold")
        print(f"  the same, first use: {seconds:.3f} s, {stock / seconds:.1f} x", flush=True)


if __name__ == "__main__":
    main()
