"""Looking, as processes, against stock Keras in one run: inspect, diff and the page of a network.

Usage: python scripts/bench_looking.py [inspect] [diff] [page]. Prints seconds and peak memory (resident, MB), the best
of three, and ratios.

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


def measured(*command: str, codes: tuple[int, ...] = (0,), runs: int = 3) -> tuple[float, float]:
    """Returns wall seconds and peak resident megabytes of a process, the best of some runs."""
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode in codes, command
        found.append((time.perf_counter() - start, usage.ru_maxrss / 1024))
    return min(found)


def line(label: str, found: tuple[float, float], stock: tuple[float, float] | None = None) -> None:
    """Prints one measurement, and how many times more stock Keras takes."""
    ratio = f"   {stock[0] / found[0]:6.1f} x   {stock[1] / found[1]:6.1f} x" if stock else ""
    print(f"{label:46} {found[0]:7.2f} s {found[1]:8,.0f} MB{ratio}", flush=True)


def surgery(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "surgery", *arguments]


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
    chosen = sys.argv[1:] or ["inspect", "diff", "page"]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if {"inspect", "diff"} & set(chosen):
            subprocess.run([sys.executable, "-c", FILES, name], check=True, capture_output=True)
        for part in chosen:
            {"inspect": inspect, "diff": diff, "page": page}[part](folder)


if __name__ == "__main__":
    main()
