"""Keeps TensorFlow's start-up chatter and Keras' prints away: results alone go to stdout, ours alone to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from surgery.formats.caches import keep_fonts


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Runs the block, which may use Keras, without the noise; what it prints goes to stderr."""
    _import_keras()
    with _native_stdout_to_stderr(), contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def _native_stdout_to_stderr() -> Iterator[None]:
    """Sends file descriptor 1 where 2 goes: subprocesses and native libraries write to it as they please."""
    sys.stdout.flush()
    try:
        results = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # one of them is closed
        yield
        return
    try:
        yield
    finally:
        os.dup2(results, 1)
        os.close(results)


def _import_keras() -> None:
    """Imports Keras with file descriptor 2, to which native libraries write, set aside."""
    if "keras" in sys.modules:
        return
    import logging

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keep_fonts()
    with _native_stderr_aside():
        import keras

        keras.backend.backend()
    for name in ("tensorflow", "absl", "jax"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextlib.contextmanager
def _native_stderr_aside() -> Iterator[None]:
    try:
        terminal = os.dup(2)
    except OSError:  # no stderr at all
        yield
        return
    import tempfile

    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
