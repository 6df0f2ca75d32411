"""What reading one file may cost: memory, room for tensors and time, each a fixed amount and a multiple of its size.

A file can describe far more than it holds: texts that are packed or referred to again and again, models that are called
inside models, tensors of which no byte is there. So all that is made of a file is counted in one place, and a file that
asks for more is refused before it is made. For a file of `size` bytes:

    memory    320 MB + 8 size     what its texts, lists, tensors and layers take as Python objects, half of it JSON
    tensors    64 MB + 16 size    what packed tensors and members of an archive unpack to, in memory or on disk
    seconds    10 s + size / 20 MB    of the HDF5 library, in the process apart
    calls      65,536    of layers at every depth, whatever the size; Keras itself wires at most 20,000

Tensors that lie in the file as they are take what they have there. Sizes are those of the file that was opened: what is
packed twice is counted once.
"""

from __future__ import annotations

from surgery.core.errors import SurgeryError
from surgery.core.specs import megabytes

_CALL = 1_500  # bytes of memory of one call of a layer; measured on chains of 60,000
_CALLS = 65_536
_MEMORY = (320 * 2**20, 8)
_TENSORS = (64 * 2**20, 16)
_SECONDS = (10.0, 1 / (20 * 2**20))
_OBJECT, _LIST, _TEXT, _NUMBER, _KEY, _PLACE = 130, 72, 50, 28, 24, 8  # bytes of the values of JSON, without characters


class Budget:
    """What is left of what reading a file may cost.

    Args:
        size: bytes of the file.
    """

    def __init__(self, size: int):
        self.size = size
        self.memory = _MEMORY[0] + _MEMORY[1] * size
        self.tensors = _TENSORS[0] + _TENSORS[1] * size
        self.seconds = _SECONDS[0] + _SECONDS[1] * size
        self.calls = _CALLS

    def take(self, count: int, what: str) -> None:
        """Counts bytes of memory.

        Args:
            count: how many; more than will be taken, rather than fewer.
            what: what they are for.

        Raises:
            SurgeryError: there are not as many left.
        """
        self.memory -= count
        if self.memory < 0:
            raise SurgeryError(self._refusal(f"{what} would take more memory", _MEMORY))

    def call(self, count: int) -> None:
        """Counts calls of layers; likewise."""
        self.take(_CALL * count, "the calls of its layers")
        self.calls -= count
        if self.calls < 0:
            raise SurgeryError(f"it calls layers more than {_CALLS:,} times, as no network does. It is a bomb.")

    def unpack(self, count: int, what: str) -> None:
        """Counts bytes of tensors that do not lie in the file as they are; likewise."""
        self.tensors -= count
        if self.tensors < 0:
            raise SurgeryError(self._refusal(f"{what} would unpack to more", _TENSORS))

    def spend(self, seconds: float, what: str) -> None:
        """Counts seconds; likewise."""
        self.seconds -= seconds
        if self.seconds < 0:
            raise SurgeryError(f"{what} takes longer than a file of {megabytes(self.size)} should.")

    def read_json(self, text: bytes, what: str) -> None:
        """Counts what a text will take as Python values, before it is parsed."""
        objects, lists, quotes, commas, keys = (text.count(mark) for mark in (b"{", b"[", b'"', b",", b":"))
        texts = max(quotes // 2 - keys, 0)
        values = _TEXT * texts + _NUMBER * max(commas - texts, 0) + _PLACE * commas + _KEY * keys
        count = len(text) + _OBJECT * objects + _LIST * lists + values
        if 2 * count > _MEMORY[0] + _MEMORY[1] * self.size:
            raise SurgeryError(self._refusal(f"{what} would take more than half the memory", _MEMORY))
        self.take(count, what)

    def _refusal(self, what: str, limit: tuple[int, int]) -> str:
        base, factor = limit
        size = megabytes(self.size)
        return f"{what} than a file of {size} may: {megabytes(base)} and {factor} times its size. It is a bomb."
