"""Mutates model files and looks at them: each command ends right or with one SurgeryError, in bounded time and memory.

Usage: python scripts/fuzz_files.py [--count 20000] [--first 0] [--seconds 3600] [--build]. Mutants are drawn by number:
a failure is printed with its number, and its file is kept. Every mutant goes through `inspect` (all columns, as JSON,
as a page), `weights`, `diff` and `load_weights`; with `--build` also through `build`, `convert` and `verify`. That runs
in a process forked for each, with limits on memory, processor time and the size of files, so that a crash or a hang of
a library is seen too.
"""

import argparse
import collections
import os
import pathlib
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable

from click.testing import CliRunner
from mutants import mutant, seeds

import surgery as sg
from surgery.cli.main import main as surgery

MEMORY = 600 * 2**20  # bytes that one mutant may take more than the process that it is forked from
SECONDS = 10  # of the processor
FILE = 300 * 2**20  # bytes of a file that may be written
MESSAGE = 3_000  # characters


def command(*arguments: object) -> Callable[[], None]:
    """Returns what runs one command, and raises unless it ends with a result or one message."""

    def run() -> None:
        result = CliRunner().invoke(surgery, list(map(str, arguments)))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        error = result.output.partition("Error: ")[2] if result.exit_code else ""
        raw = {char for char in result.output if not (char.isprintable() or char in "\n\t")}
        assert not raw, f"raw characters {raw} in the output"
        assert len(error) < MESSAGE, f"a message of {len(error):,} characters"
        assert "where the results should go" not in error, error
        assert result.exit_code in (0, 1, 2), f"exit {result.exit_code}"

    return run


def works(path: pathlib.Path, good: pathlib.Path, build: bool) -> list[tuple[str, Callable[[], None]]]:
    """Returns what is done with a file, by name."""
    page, out = path.with_suffix(".html"), path.with_suffix(".out.keras")
    found: list[tuple[str, Callable[[], None]]] = [
        ("inspect", command("inspect", path, "--columns", "all", "--nested", "--stages")),
        ("json", command("inspect", path, "--format", "json", "--sort", "macs")),
        ("weights", command("weights", path)),
        ("plot", command("inspect", path, "--plot", page, "--force")),
        ("diff", command("diff", good, path)),
    ]
    if build:
        found += [
            ("build", lambda: _refused(lambda: sg.build(sg.open(path)))),
            ("convert", command("convert", path, out, "--force")),
            ("verify", command("verify", path, good)),
            ("load", lambda: _refused(lambda: sg.load_weights(sg.build(sg.open(good)), path))),
        ]
    return found


def _refused(work: Callable[[], object]) -> None:
    try:
        work()
    except sg.SurgeryError as error:
        assert len(str(error)) < MESSAGE, f"a message of {len(str(error)):,} characters"


def tried(path: pathlib.Path, good: pathlib.Path, build: bool) -> str:
    """Runs everything on a file in a process of its own; returns how it failed, or nothing."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        os.write(theirs, _said(path, good, build).encode("utf-8", "replace")[:4000])
        os._exit(0)
    os.close(theirs)
    said = b"".join(iter(lambda: os.read(ours, 4096), b"")).decode("utf-8", "replace")
    os.close(ours)
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name} after {usage.ru_utime + usage.ru_stime:.0f} s"
    grown = (usage.ru_maxrss - before) * 1024
    return said or (f"took {grown / 2**20:,.0f} MB" if grown > (3 if build else 1) * MEMORY else "")


def _said(path: pathlib.Path, good: pathlib.Path, build: bool) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    for name, work in works(path, good, build):
        used = resource.getrusage(resource.RUSAGE_SELF)
        slow = name in ("build", "convert", "verify", "load")  # by Keras
        allowed = int(used.ru_utime + used.ru_stime) + SECONDS * (6 if slow else 1)
        resource.setrlimit(resource.RLIMIT_CPU, (allowed + 1, resource.RLIM_INFINITY))
        try:
            work()
        except sg.SurgeryError as error:
            return f"{name}: a SurgeryError that the command let through: {error}"
        except BaseException as error:
            lines = traceback.extract_tb(error.__traceback__)[-1:]
            where = "".join(f" ({line.filename}, line {line.lineno})" for line in lines)
            return f"{name}: {type(error).__name__}: {str(error)[:300]}{where}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--build", action="store_true")
    asked = parser.parse_args()
    start, done, failed = time.perf_counter(), 0, collections.Counter()
    if asked.build:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        keras.backend.backend()
    import surgery.compare.diff
    import surgery.compare.verify
    import surgery.formats.open_file
    import surgery.keras_bridge.save
    import surgery.view.plot
    import surgery.view.table
    import surgery.zoo.cards  # noqa: F401  imported once, before the forks

    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        files = seeds(folder)
        good = folder / "g.keras"
        for number in range(asked.first, asked.first + asked.count):
            if time.perf_counter() - start > asked.seconds:
                break
            name, content = mutant(files, number)
            path = folder / f"{number}-{name}"
            path.write_bytes(content)
            failure = tried(path, good, asked.build)
            if failure:
                failed[failure] += 1
                kept = pathlib.Path(tempfile.gettempdir()) / path.name
                kept.write_bytes(content)
                print(f"FAILED {number} ({kept}): {failure}", flush=True)
            for one in folder.glob(f"{number}-*"):
                one.unlink()
            done += 1
    print(f"{done:,} mutants, {failed.total()} failures, {time.perf_counter() - start:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
