"""Looking, as a process: `surgery inspect vgg16` from a warm cache against stock Keras, in one run.

Usage: python scripts/bench_looking.py [NETWORK]. Prints seconds and peak memory (resident, MB) of both, and the ratio.
"""

import os
import subprocess
import sys
import time

STOCK = "import keras; keras.applications.{name}(weights=None).summary()"


def measured(command: list[str]) -> tuple[float, float]:
    """Returns wall seconds and peak resident megabytes of a process, the best of three."""
    runs = []
    for _ in range(3):
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, command
        runs.append((time.perf_counter() - start, usage.ru_maxrss / 1024))
    return min(runs)


def main(name: str = "vgg16") -> None:
    from surgery.zoo import find

    ours = [sys.executable, "-m", "surgery", "inspect", name]
    subprocess.run(ours, check=True, stdout=subprocess.DEVNULL)
    looked = measured(ours)
    stock = measured([sys.executable, "-c", STOCK.format(name=find(name).keras_name)])
    print(f"surgery inspect {name}   {looked[0]:6.2f} s   {looked[1]:7,.0f} MB")
    print(f"stock summary            {stock[0]:6.2f} s   {stock[1]:7,.0f} MB")
    print(f"ratio                    {stock[0] / looked[0]:6.1f} x   {stock[1] / looked[1]:7.1f} x")


if __name__ == "__main__":
    main(*sys.argv[1:])
