"""Ctrl-C: a command ends with one line and exit status 130; a training stops between two steps."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

INTERRUPTED = 130  # the exit status of a program that SIGINT ended, as shells count it


@contextlib.contextmanager
def ended_by_interrupt(ctx: click.Context) -> Iterator[None]:
    """Ends the command where the user interrupts it, also where a library makes another error of it."""
    interrupted = False

    def interrupt(*_: Any) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    with _handling(interrupt):
        try:
            yield
        except click.exceptions.Exit:
            raise
        except BaseException as error:
            is_interrupt = isinstance(error, KeyboardInterrupt)
            if not is_interrupt and not interrupted:
                raise
            said = f": {error}" if is_interrupt and str(error) else ""
            click.echo(f"interrupted{said}", err=True)
            ctx.exit(INTERRUPTED)


@contextlib.contextmanager
def _handling(handler: Callable[..., None]) -> Iterator[None]:
    """Calls a function on Ctrl-C; not in a thread, and not where the shell lets the process ignore it."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (None, signal.SIG_IGN):
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@dataclasses.dataclass
class Training:
    """A training as it runs.

    Args:
        steps: steps that are done, in all calls of `fit`.
        running: whether a step is being taken.
        interrupts: how often the user has interrupted it.
    """

    steps: int = 0
    running: bool = False
    interrupts: int = 0

    def interrupt(self, *_: Any) -> None:
        """Raises `KeyboardInterrupt`, while a step is taken at its end; the second time at once."""
        self.interrupts += 1
        if self.running and self.interrupts == 1:
            with contextlib.suppress(OSError):  # not through a stream, in the middle of whose writing this may come
                os.write(2, b"\nstopping after this training step; Ctrl-C again stops at once\n")
            return
        raise KeyboardInterrupt


@contextlib.contextmanager
def stopped_between_steps() -> Iterator[Training]:
    """Lets Ctrl-C end the block with `KeyboardInterrupt` when the running step of any `fit` of Keras is done."""
    import keras

    callbacks: Any = keras.callbacks.CallbackList
    begin, end, training = callbacks.on_train_batch_begin, callbacks.on_train_batch_end, Training()

    def begun(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        training.running = True

    def done(self: Any, *args: Any, **kwargs: Any) -> None:
        training.running = False
        training.steps += 1
        end(self, *args, **kwargs)
        if training.interrupts:
            raise KeyboardInterrupt

    callbacks.on_train_batch_begin, callbacks.on_train_batch_end = begun, done
    try:
        with _handling(training.interrupt):
            yield training
    finally:
        callbacks.on_train_batch_begin, callbacks.on_train_batch_end = begin, end


def checksums(models: Iterable[Any]) -> list[int]:
    """Returns a checksum of each weight of live models, in order."""
    import numpy as np

    return [zlib.crc32(np.asarray(weight).tobytes()) for model in models for weight in model.weights]
