"""Images from files, decoded in parallel: unreadable ones are named, not fatal, and none larger than it may be.

The size in a file's header is looked at before anything is decoded: a small file can claim billions of pixels.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError, first_line, printable
from surgery.data import pillow
from surgery.formats.paths import refuse_url

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
_NOT_DECODED = (
    *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".psd", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
    *(".ico", ".exr", ".hdr", ".dds", ".pcx", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"),
)  # images all the same: they are named, not passed over in silence
PIXELS = 100_000_000
BYTES = 256 * 2**20
HEAD = 2**14  # of a file, where its size in pixels is looked for first


def files_in(images: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Returns the image files of a folder, at every depth, sorted; or those that are listed.

    An image has the suffix of one, also of a format that is not decoded, or begins as one does.

    Raises:
        SurgeryError: there is no such folder, it cannot be read, or there is no image.
    """
    if not isinstance(images, (str, os.PathLike)):
        return list(map(Path, images))
    folder = Path(images)
    refuse_url(images)
    if not folder.is_dir():
        raise SurgeryError(f"{printable(folder)!r} is not a folder.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise SurgeryError(f"{printable(folder)!r} cannot be read.")
    found = sorted(file for file in folder.rglob("*") if file.is_file() and is_image(file))
    if not found:
        raise SurgeryError(f"{printable(folder)!r} holds no images ({', '.join(SUFFIXES)}).")
    return found


def is_image(file: Path) -> bool:
    """Whether a file has the suffix of an image, also of a format that is not decoded, or begins as one does."""
    if file.suffix.lower() in (*SUFFIXES, *_NOT_DECODED):
        return True
    try:
        with file.open("rb") as opened:
            head = opened.read(32)
    except OSError:
        return False
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")) or pillow.kind_of(head) in (
        "TIFF",
        "WebP",
    )


@dataclasses.dataclass(frozen=True)
class ImageFiles:
    """Images in batches.

    Args:
        files: the files, in order.
        size: `(height, width)` in pixels to which they are enlarged or shrunk, bilinearly.
        channels: 1 or 3. A rotation that a camera noted (EXIF) is not applied.
    """

    files: Sequence[Path]
    size: tuple[int, int]
    channels: int = 3

    def batches(self, count: int, start: int, problems: dict[str, str]) -> Iterator[tuple[Any, Any]]:
        """Yields (images_bhwc, rows) from image `start` on: float32 of 0 to 255, and the number of each in `files`.

        Args:
            count: images in a batch.
            start: the first image.
            problems: gets the name of each file that cannot be read, and why. Its number is left out.
        """
        import tensorflow as tf

        def screened() -> Iterator[tuple[int, bytes, bytes]]:
            for row in range(start, len(self.files)):
                try:
                    content = screen(self.files[row])
                except (OSError, SurgeryError) as error:
                    problems[str(self.files[row])] = first_line(error, 300)
                    continue
                yield row, os.fsencode(self.files[row]), content

        def load(row: Any, file: Any, content: Any) -> tuple[Any, Any]:
            whole = tf.cond(tf.equal(content, ""), lambda: tf.io.read_file(file), lambda: content)
            return self.decoded(whole), row

        text = tf.TensorSpec((), tf.string)
        entries = tf.data.Dataset.from_generator(screened, output_signature=(tf.TensorSpec((), tf.int64), text, text))
        loaded = entries.map(load, num_parallel_calls=os.cpu_count() or 1).ignore_errors()
        fixed = tf.data.Options()
        fixed.autotune.enabled = False  # the thread that tunes holds up the end of the last batch, for seconds
        due = start
        for images_bhwc, rows in loaded.batch(count).prefetch(2).with_options(fixed):
            self._say_why(range(due, int(rows[-1])), set(rows.numpy().tolist()), problems)
            due = int(rows[-1]) + 1
            yield images_bhwc, rows.numpy()
        self._say_why(range(due, len(self.files)), set(), problems)

    def decoded(self, content: Any) -> Any:
        """Returns the image in the content of a file, float32 of 0 to 255, enlarged or shrunk."""
        import tensorflow as tf

        def decoded(channels: int) -> Any:
            return tf.io.decode_image(content, channels=channels, expand_animations=False)

        if self.channels == 1:  # a GIF and most of BMP are decoded in color alone
            coloured = tf.reduce_any(tf.equal(tf.strings.substr(content, 0, 2), ["GI", "BM"]))
            image = tf.cond(coloured, lambda: tf.image.rgb_to_grayscale(decoded(3)), lambda: decoded(1))
        else:
            image = decoded(self.channels)
        resized = tf.image.resize(image, self.size)
        return tf.ensure_shape(resized, (*self.size, self.channels))

    def _say_why(self, due: Iterable[int], found: set[int], problems: dict[str, str]) -> None:
        """Decodes once more what was left out, for the reason."""
        import tensorflow as tf

        for row in due:
            file = self.files[row]
            if row in found or str(file) in problems:
                continue
            try:
                self.decoded(file.read_bytes())
                problems[str(file)] = "it could not be read a moment ago"
            except (OSError, ValueError, tf.errors.OpError) as error:
                problems[str(file)] = first_line(error, 300)


def screen(file: Path) -> bytes:
    """Refuses a file that is too large, or claims to be: before it is read, and before it is decoded.

    Returns:
        The image as a PNG where TensorFlow does not decode it, else nothing.

    Raises:
        OSError: it cannot be read.
        SurgeryError: it is too large, or not an image that can be decoded.
    """
    kind = _header(file)[0]
    return pillow.as_png(file, kind, PIXELS) if kind else b""


def measured(file: Path) -> tuple[int, int, bool]:
    """Returns width and height in pixels by the header of a file, and whether Pillow has to decode it.

    One that seems cut off is decoded, to see whether it is.

    Raises:
        OSError: it cannot be read.
        SurgeryError: it is too large, cut off, or not an image that can be decoded.
    """
    kind, sides, whole = _header(file)
    if sides is None:
        sides = pillow.size_of(file, kind, PIXELS)
    elif not whole:
        pillow.refuse_broken(file)
    return (*sides, bool(kind))


def _header(file: Path) -> tuple[str, tuple[int, int] | None, bool]:
    """Returns what Pillow has to decode, (width, height) but of TIFF and WebP, and whether the end is there."""
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        if size > BYTES:
            raise SurgeryError(f"it has more than {BYTES:,} bytes")
        content = opened.read(HEAD)
        kind, suffix = pillow.kind_of(content), file.suffix.lower()
        if kind in ("TIFF", "WebP") and suffix not in _NOT_DECODED:  # many raw images are a TIFF with a small preview
            return kind, None, True
        try:
            sides = header_size(content)
        except SurgeryError:
            if suffix in _NOT_DECODED:
                raise SurgeryError(f"{suffix} files are not decoded; convert it to PNG, JPEG or TIFF") from None
            if size <= HEAD:
                raise
            sides = header_size(content + opened.read())
        opened.seek(max(0, size - 16))
        end = opened.read(16)
    if sides[0] * sides[1] > PIXELS:
        raise SurgeryError(f"it claims {sides[0]:,} x {sides[1]:,} pixels; at most {PIXELS:,} are decoded")
    if min(sides) < 1:
        raise SurgeryError(f"it claims {sides[0]:,} x {sides[1]:,} pixels")
    return kind, sides, _ends(content, end, size)


def _ends(head: bytes, end: bytes, size: int) -> bool:
    """Whether a file ends as its format does. One with bytes after its end seems cut off too: it has to be decoded."""
    if head[:2] == b"BM":
        return size >= int.from_bytes(head[2:6], "little")
    return end.endswith({b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND\xaeB`\x82"}.get(head[:2], b";"))


def why(error: Exception) -> str:
    """Returns why a file cannot be read, without its name."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return first_line(error)


def header_size(content: bytes) -> tuple[int, int]:
    """Returns (width, height) in pixels, as the header of a PNG, GIF, BMP or JPEG says it.

    Raises:
        SurgeryError: it is none of these, or cut off.
    """
    if content[:8] == b"\x89PNG\r\n\x1a\n" and len(content) > 24:
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    if content[:6] in (b"GIF87a", b"GIF89a") and len(content) > 10:
        return int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")
    if content[:2] == b"BM" and len(content) > 26:
        sides = np.frombuffer(content[18:26], "<i4")
        return int(abs(sides[0])), int(abs(sides[1]))
    if content[:2] == b"\xff\xd8":
        return _jpeg_size(content)
    raise SurgeryError("it is not a PNG, JPEG, GIF, BMP, WebP or TIFF image")


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Walks the markers of a JPEG up to the start of its frame (ITU-T T.81, section B.2.2)."""
    at = 2
    while at + 9 < len(content):
        if content[at] != 0xFF:
            break
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(content[at + 7 : at + 9], "big"), int.from_bytes(content[at + 5 : at + 7], "big")
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    raise SurgeryError("it is a JPEG without a frame")
