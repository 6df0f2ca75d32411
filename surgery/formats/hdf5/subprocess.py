"""The process apart: started when the first HDF5 file is opened, asked over a socket, begun anew when it has died.

It gets the open file, a limit on memory and one on time for each request. Where a system cannot hand over an open file
(Windows), the file is read in this process.
"""

from __future__ import annotations

import atexit
import dataclasses
import io
import json
import os
import socket
import struct
import subprocess
import threading
import time
from typing import Any

from surgery.core.errors import SurgeryError
from surgery.core.isolation import isolated
from surgery.formats.budget import Budget
from surgery.formats.hdf5 import index
from surgery.formats.hdf5.datatypes import Unusual

SECONDS = 60  # for one request
MEMORY = 6 * 2**30
_LENGTH = 8
_TOO_LONG = (-14, -27)  # SIGALRM, SIGPROF


@dataclasses.dataclass(frozen=True)
class Place:
    """A range of bytes of an open file: its descriptor, the first byte, and how many."""

    descriptor: int
    start: int
    size: int


def content_of(place: Place, what: str, budget: Budget) -> dict[str, Any]:
    """Returns what an HDF5 file holds; see `walking.content`. What Keras writes by default needs no library for it.

    Raises:
        SurgeryError: it is broken, holds what no Keras writes, or the library fell over it.
    """
    try:
        return index.content(Range(place).part, budget)
    except Unusual:
        text = bytes(_asked({"what": what}, place, budget))
    budget.read_json(text, f"the index of {what}")
    return json.loads(text)


def read_values(place: Place, what: str, path: str, buffer: memoryview, budget: Budget) -> None:
    """Fills a buffer with the bytes of one tensor.

    Raises:
        SurgeryError: they cannot be read, or are not as many.
    """
    answer = _asked({"what": what, "path": path}, place, budget)
    if len(answer) != len(buffer):
        raise SurgeryError(f"{what} is broken HDF5: a tensor has {len(answer):,} bytes, not {len(buffer):,}.")
    buffer[:] = answer


# ---- asking ----


class _Child:
    """The process, and the socket to it."""

    def __init__(self) -> None:
        self.socket, other = socket.socketpair()
        serving = isolated(f"from surgery.formats.hdf5.subprocess import serve; serve({other.fileno()})")
        self.process: subprocess.Popen[Any] = subprocess.Popen(
            **serving, pass_fds=[other.fileno()], stdin=subprocess.DEVNULL
        )
        other.close()
        self.owner = os.getpid()

    def ask(self, request: dict[str, Any], place: Place) -> bytearray:
        text = json.dumps({**request, "start": place.start, "size": place.size}).encode()
        socket.send_fds(self.socket, [len(text).to_bytes(_LENGTH, "little") + text], [place.descriptor])
        return _received(self.socket)

    def end(self) -> int:
        """Ends the process; returns how it ended."""
        self.socket.close()
        self.process.kill()
        return self.process.wait()


_lock = threading.Lock()
_child: _Child | None = None


def _asked(request: dict[str, Any], place: Place, budget: Budget) -> memoryview:
    global _child
    request |= {"size of the file": budget.size, "seconds": budget.seconds}
    if not hasattr(socket, "send_fds"):
        return memoryview(_answer(request, place))
    with _lock:
        if _child is None or _child.owner != os.getpid() or _child.process.poll() is not None:
            _child = _Child()
        try:
            answer = _child.ask(request, place)
        except OSError:
            child, _child = _child, None
            how = child.process.wait()
            child.socket.close()
            took = "took too long for it" if how in _TOO_LONG else f"fell over it ({how})"
            raise SurgeryError(f"{request['what']} is broken HDF5: the library that reads it {took}.") from None
    kind, (took,), body = answer[:1], struct.unpack("<d", answer[1:9]), memoryview(answer)[9:]
    budget.spend(took, f"the HDF5 of {request['what']}")
    if kind == b"!":
        raise SurgeryError(bytes(body).decode("utf-8", "replace"))
    return body


@atexit.register
def _end() -> None:
    if _child is not None and _child.owner == os.getpid():
        _child.end()


def _received(connection: socket.socket) -> bytearray:
    """Returns one message.

    Raises:
        ConnectionError: the other side is gone.
    """
    return _exactly(connection, int.from_bytes(_exactly(connection, _LENGTH), "little"))


def _exactly(connection: socket.socket, size: int) -> bytearray:
    found = bytearray(size)
    view = memoryview(found)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise ConnectionError("the process that reads HDF5 is gone")
        view = view[count:]
    return found


# ---- answering, in the process apart ----


def serve(descriptor: int) -> None:
    """Answers requests until the other side is gone."""
    import resource
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the keyboard interrupts the process that asked
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = socket.socket(fileno=descriptor)
    while True:
        head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH, 1)
        if not head:
            os._exit(0)  # without the library's own end, which a broken file may have made impossible
        size = int.from_bytes(head + _exactly(connection, _LENGTH - len(head)), "little")
        request = json.loads(_exactly(connection, size))
        place = Place(descriptors[0], request["start"], request["size"])
        signal.alarm(SECONDS)
        signal.setitimer(signal.ITIMER_PROF, max(request["seconds"], 0.01))
        start = time.process_time()
        try:
            kind, answer = b".", _answer(request, place)
        except SurgeryError as error:
            kind, answer = b"!", str(error).encode("utf-8", "replace")
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.close(place.descriptor)
        took = struct.pack("<d", time.process_time() - start)
        connection.sendall((1 + len(took) + len(answer)).to_bytes(_LENGTH, "little") + kind + took)
        connection.sendall(answer)


def _answer(request: dict[str, Any], place: Place) -> bytes:
    from surgery.formats.hdf5 import library as walking

    with Range(place) as stream:
        if "path" in request:
            return walking.values(stream, request["what"], request["path"])
        budget = Budget(request["size of the file"])
        return json.dumps(walking.content(stream, request["what"], budget), default=str).encode()


class Range(io.RawIOBase):
    """A range of bytes of an open file, as a stream."""

    def __init__(self, place: Place):
        super().__init__()
        self._place = place
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._place.size}[whence])
        return self._at

    def part(self, offset: int, size: int) -> bytes:
        """Returns so many bytes from an offset on, or those that there are."""
        count = max(0, min(size, self._place.size - offset)) if offset >= 0 else 0
        return os.pread(self._place.descriptor, count, self._place.start + offset) if count else b""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self._place.size - self._at))
        data = self.part(self._at, count)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
