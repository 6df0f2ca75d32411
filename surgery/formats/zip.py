"""The zip around a `.keras` file: its members, checked before they are read. Nothing is unpacked to disk by name."""

from __future__ import annotations

import collections
import io
import stat
import tempfile
import zipfile
import zlib
from typing import Any

from surgery.core.errors import SurgeryError, listing, printable
from surgery.formats.byte_ranges import Descriptor, Unpacked, Window

MEMBERS = 10_000  # more than any model has assets
RATIO = 1_100  # deflate packs at most 1,032 : 1
CHUNK = 4 * 2**20


class Archive:
    """The members of a zip file.

    Args:
        source: the open file.

    Raises:
        SurgeryError: it is no zip, or one that no Keras writes: duplicate members, paths out of it, links, encryption,
            more content than its bytes can hold.
    """

    def __init__(self, source: Descriptor):
        self._source = source
        self.budget = source.budget
        self._what = repr(printable(source.path))
        try:
            self._zip = zipfile.ZipFile(io.BufferedReader(Window(source)))
            members = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, OverflowError) as error:
            why = "its end is missing" if "not a zip" in str(error) else error  # its beginning is that of one
            raise SurgeryError(f"{self._what} is a broken or truncated .keras file: {why}.") from error
        self._members = {member.filename: member for member in members}
        self._refuse(members)

    def _refuse(self, members: list[zipfile.ZipInfo]) -> None:
        if len(members) > MEMBERS:
            raise SurgeryError(f"{self._what} holds {len(members):,} members; a model has fewer.")
        if len(self._members) < len(members):
            counts = collections.Counter(member.filename for member in members)
            twice = sorted(printable(name) for name, count in counts.items() if count > 1)
            raise SurgeryError(f"{self._what} holds {listing(twice)} twice: it has been tampered with.")
        for member in members:
            name = member.filename
            parts = name.replace("\\", "/").split("/")
            if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
                raise SurgeryError(f"{self._what} holds {printable(name)!r}, a path out of the archive.")
            if stat.S_ISLNK(member.external_attr >> 16):
                raise SurgeryError(f"{self._what} holds {printable(name)!r}, a link.")
            if member.flag_bits & 1:
                raise SurgeryError(f"{self._what} holds {printable(name)!r}, which is encrypted.")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise SurgeryError(f"{self._what} holds {printable(name)!r}, packed in a way no Keras uses.")
            if member.header_offset < 0 or member.header_offset + member.compress_size > self._source.size:
                raise SurgeryError(f"{self._what} says that {printable(name)!r} lies beyond its end.")
            if member.file_size > RATIO * member.compress_size + 1024:
                raise SurgeryError(
                    f"{self._what} says that {printable(name)!r} unpacks to {member.file_size:,} bytes from "
                    f"{member.compress_size:,}: a zip bomb."
                )

    def names(self) -> list[str]:
        """Returns the names of the members."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str, limit: int) -> bytes:
        """Returns the content of a small member.

        Raises:
            SurgeryError: there is none of that name, it is larger than `limit` bytes, or broken.
        """
        if name not in self._members:
            raise SurgeryError(f"{self._what} is a zip without {name!r}: no .keras file.")
        if self._members[name].file_size > limit:
            size = self._members[name].file_size
            raise SurgeryError(f"{name!r} in {self._what} has {size:,} bytes; at most {limit:,} are read.")
        self.budget.take(self._members[name].file_size, f"{name!r} in {self._what}")
        with self._unpacking(name), self._zip.open(name) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise SurgeryError(f"{name!r} in {self._what} unpacks to more than {limit:,} bytes.")
        return content

    def open(self, name: str) -> Any:
        """Returns a member as a seekable stream: a window on the file where it is stored as it is, else unpacked."""
        member = self._members[name]
        if member.compress_type == zipfile.ZIP_STORED:
            if member.file_size != member.compress_size:
                raise SurgeryError(f"{name!r} in {self._what} is broken: its two sizes differ.")
            return Window(self._source, self._content_of(member), member.file_size)
        self.budget.unpack(member.file_size, f"{name!r} in {self._what}")
        size = 0
        with tempfile.TemporaryFile() as unpacked, self._unpacking(name), self._zip.open(name) as file:
            while chunk := file.read(2**20):
                size += len(chunk)
                if size > member.file_size:
                    raise SurgeryError(f"{name!r} in {self._what} unpacks to more than it says.")
                unpacked.write(chunk)
            return Window(Unpacked(unpacked, self._source))

    def verify(self, name: str) -> None:
        """Compares all bytes of a member that is stored as it is with the checksum that the archive has for it.

        Raises:
            SurgeryError: they differ.
        """
        window, found = self.open(name), 0
        while chunk := window.read(CHUNK):
            found = zlib.crc32(chunk, found)
        if found != self._members[name].CRC:
            raise SurgeryError(f"{name!r} in {self._what} is damaged: its bytes do not have the checksum it came with.")

    def is_window(self, name: str) -> bool:
        """Whether a member is stored as it is, hence read in place; unpacking verifies its checksum on the way."""
        return self._members[name].compress_type == zipfile.ZIP_STORED

    def _content_of(self, member: zipfile.ZipInfo) -> int:
        """Returns the offset of a member's bytes: its own header comes before them, with names of its own length."""
        header = bytearray(30)
        Window(self._source).read_into(memoryview(header), member.header_offset)
        if header[:4] != b"PK\x03\x04":
            raise SurgeryError(f"{self._what} is broken: no member where its directory says one is.")
        name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        return member.header_offset + 30 + name + extra

    def _unpacking(self, name: str) -> Any:
        return _Unpacking(f"{name!r} in {self._what}")


class _Unpacking:
    """Turns what unpacking raises into a SurgeryError."""

    def __init__(self, what: str):
        self._what = what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, SurgeryError) or error is None:
            return
        if isinstance(error, (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError)):
            raise SurgeryError(f"{self._what} is broken: {error}.") from error


def is_zip(head: bytes) -> bool:
    """Whether a file that begins so is a zip."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))
