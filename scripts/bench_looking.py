"""Looking, as processes, against stock Keras in one run: first calls, inspect, diff and the page of a network.

Usage: python scripts/bench_looking.py [first] [inspect] [diff] [page]. Prints seconds and peak memory (resident, MB),
the best of three, and ratios.

- first: commands in a fresh clone, without a home and a cache: the first call, for which Python compiles what it
  imports of the clone, and later ones; ratios of the seconds of the processor to those of `python -c pass` and of the
  import of click and tabulate.
- inspect: a cached network, and VGG16 as files of 553 MB, all columns, against `summary()`.
- diff: two such files that differ in one value, against loading both and comparing arrays.
- page: NASNetLarge drawn, and opened in headless Chromium until all 1,041 calls are there.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping

SUMMARY = "import keras; keras.applications.VGG16(weights=None).summary()"
LOADED = "import sys, keras; keras.saving.load_model(sys.argv[1]).summary()"
COMPARED = """
import sys, keras, numpy as np
a, b = (keras.saving.load_model(path) for path in sys.argv[1:])
print(a.get_config() == b.get_config(), [np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights())])
"""
FILES = """
import sys, keras
model = keras.applications.VGG16(weights=None)
for name in ("a.keras", "a.h5"):
    model.save(f"{sys.argv[1]}/{name}")
kernel = model.get_layer("fc1").kernel
kernel.assign(kernel.numpy() + 1e-7 * (kernel.numpy() == kernel.numpy().max()))
model.save(f"{sys.argv[1]}/b.keras")
"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def spent(
    command: Iterable[str], codes: tuple[int, ...] = (0,), env: Mapping[str, str] | None = None
) -> tuple[float, float, float]:
    """Returns wall seconds, seconds of the processor and peak resident megabytes of a process."""
    start = time.perf_counter()
    child = subprocess.Popen(list(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode in codes, command
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measured(*command: str, codes: tuple[int, ...] = (0,), runs: int = 3) -> tuple[float, float]:
    """Returns wall seconds and peak resident megabytes of a process, the best of some runs."""
    return min((wall, memory) for wall, _, memory in (spent(command, codes) for _ in range(runs)))


def line(label: str, found: tuple[float, float], stock: tuple[float, float] | None = None) -> None:
    """Prints one measurement, and how many times more stock Keras takes."""
    ratio = f"   {stock[0] / found[0]:6.1f} x   {stock[1] / found[1]:6.1f} x" if stock else ""
    print(f"{label:46} {found[0]:7.2f} s {found[1]:8,.0f} MB{ratio}", flush=True)


def surgery(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "surgery", *arguments]


def first(folder: pathlib.Path) -> None:
    left_out = ("PYTHONDONTWRITEBYTECODE", "SURGERY_CACHE", "XDG_CACHE_HOME", "KERAS_HOME")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    env |= {"HOME": os.path.join(os.devnull, "home"), "TMPDIR": str(folder), "PYTHONPATH": str(folder / "clone")}
    script = folder / "surgery.py"
    script.write_text("import sys\nsys.path.pop(0)\nfrom surgery.cli.main import main\nsys.exit(main())\n")
    floors = {"python -c pass": "pass", "python -c 'import click, tabulate'": "import click, tabulate"}
    commands = {label: [sys.executable, "-c", code] for label, code in floors.items()}
    commands |= {f"surgery {words}": [sys.executable, str(script), *words.split()] for words in FIRST}
    fresh: dict[str, list[tuple[float, float, float]]] = {label: [] for label in commands}
    later: dict[str, list[tuple[float, float, float]]] = {label: [] for label in commands}
    for _ in range(5):
        for label, command in commands.items():  # in turns, so that all meet the same machine
            for part in ("surgery", "recipes"):
                shutil.rmtree(folder / "clone" / part, ignore_errors=True)
                without = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / part, folder / "clone" / part, ignore=without)
            fresh[label].append(spent(command, env=env))
            later[label] += [spent(command, env=env) for _ in range(4)]
    bare, floor = ([min(values) for values in zip(*later[label], strict=True)] for label in floors)
    for title, found in (("first call", fresh), ("later calls", later)):
        print(f"{title:36} {'wall':>8} {'CPU':>8} {'memory':>9} {'/ pass':>9} {'/ click, tabulate':>18}")
        for label, runs in found.items():
            wall, cpu, memory = (min(values) for values in zip(*runs, strict=True))
            ratios = f"{cpu / bare[1]:7.2f} x {cpu / floor[1]:16.2f} x"
            print(f"{label:36} {wall:6.2f} s {cpu:6.3f} s {memory:6,.0f} MB {ratios}", flush=True)


FIRST = ("inspect vgg16", "zoo", "--help", "recipes")
ROOT = pathlib.Path(__file__).resolve().parents[1]


def inspect(folder: pathlib.Path) -> None:
    subprocess.run(surgery("inspect", "vgg16"), check=True, stdout=subprocess.DEVNULL)
    stock = measured(sys.executable, "-c", SUMMARY)
    line("stock: VGG16(weights=None).summary()", stock)
    line("surgery inspect vgg16", measured(*surgery("inspect", "vgg16")), stock)
    line("surgery inspect vgg16 --columns all --stages", measured(*surgery("inspect", "vgg16", *ALL)), stock)
    stock = measured(sys.executable, "-c", LOADED, str(folder / "a.keras"))
    line("stock: load_model(553 MB .keras).summary()", stock)
    for name in ("a.keras", "a.h5"):
        line(f"surgery inspect {name}, all columns", measured(*surgery("inspect", str(folder / name), *ALL)), stock)


ALL = ("--columns", "all", "--stages")


def diff(folder: pathlib.Path) -> None:
    a, b, h5 = (str(folder / name) for name in ("a.keras", "b.keras", "a.h5"))
    stock = measured(sys.executable, "-c", COMPARED, a, b, runs=1)
    line("stock: both loaded, arrays compared", stock)
    line("surgery diff a.keras b.keras (one value)", measured(*surgery("diff", a, b), codes=(1,)), stock)
    line("surgery diff a.keras a.h5 (equal)", measured(*surgery("diff", a, h5)), stock)
    line("surgery weights a.keras", measured(*surgery("weights", a)))


def page(folder: pathlib.Path) -> None:
    from playwright.sync_api import sync_playwright

    path = str(folder / "nasnetlarge.html")
    subprocess.run(surgery("inspect", "nasnetlarge"), check=True, stdout=subprocess.DEVNULL)
    line(
        "surgery inspect nasnetlarge --plot page.html",
        measured(*surgery("inspect", "nasnetlarge", "--plot", path, "--force")),
    )
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        seconds = []
        for _ in range(3):
            opened = browser.new_page()
            start = time.perf_counter()
            opened.goto(f"file://{path}")
            opened.wait_for_selector("html[data-ready=yes]")
            assert opened.locator(".node").count() == 1041
            seconds.append(time.perf_counter() - start)
        frames = opened.evaluate(SMOOTH)
        print(f"its page opened: {min(seconds):.2f} s; while it is moved, {frames:.0f} ms a frame")
        browser.close()


SMOOTH = """async () => {
  const canvas = document.getElementById('canvas'), start = performance.now();
  for (let step = 0; step < 60; step++) {
    const turned = { deltaY: step % 2 ? 40 : -40, clientX: 400, clientY: 300, cancelable: true };
    canvas.dispatchEvent(new WheelEvent('wheel', turned));
    await new Promise(requestAnimationFrame);
  }
  return (performance.now() - start) / 60;
}"""


def main() -> None:
    chosen = sys.argv[1:] or ["first", "inspect", "diff", "page"]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if {"inspect", "diff"} & set(chosen):
            subprocess.run([sys.executable, "-c", FILES, name], check=True, capture_output=True)
        for part in chosen:
            {"first": first, "inspect": inspect, "diff": diff, "page": page}[part](folder)


if __name__ == "__main__":
    main()
