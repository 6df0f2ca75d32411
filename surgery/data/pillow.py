"""TIFF, WebP and BMP with a palette, of which TensorFlow decodes part or nothing: by Pillow where it is installed."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError

_FORMATS = ("TIFF", "WEBP", "BMP")
_GREY = ("1", "L", "LA", "I;16", "I;16L", "I;16B", "I;16N")
_WIDE = ("I", "F")


def kind_of(head: bytes) -> str:
    """Returns which of these formats a file has that begins so, or nothing."""
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    return "BMP with a palette" if head[:2] == b"BM" and int.from_bytes(head[28:30], "little") <= 8 else ""


def as_png(file: Path, kind: str, pixels: int) -> bytes:
    """Returns the first image in a file as a PNG, grey or in color, without transparency, 8 bits a channel.

    Args:
        file: the file.
        kind: what it is, for messages.
        pixels: how many it may have.

    Raises:
        SurgeryError: Pillow is not installed or cannot decode it, or it is too large.
    """
    with _opened(file, kind, _FORMATS) as image:
        _refuse_large(image, pixels)
        return _encoded(_of_bytes(image))


@contextlib.contextmanager
def _opened(file: Path, kind: str, formats: tuple[str, ...]) -> Iterator[Any]:
    """Opens an image, which is not decoded yet; what Pillow cannot do with it becomes a SurgeryError."""
    try:
        from PIL import Image
    except ImportError as error:
        raise SurgeryError(f"it is a {kind} image, which Pillow decodes: pip install pillow") from error
    try:
        with Image.open(file, formats=formats) as image:
            yield image
    except SurgeryError:
        raise
    except Exception as error:
        raise SurgeryError(f"Pillow cannot decode it as {kind}: {error}") from error


def _refuse_large(image: Any, pixels: int) -> None:
    width, height = image.size
    if width * height > pixels:
        raise SurgeryError(f"it claims {width:,} x {height:,} pixels; at most {pixels:,} are decoded")
    if image.mode in _WIDE:
        raise SurgeryError(f"its pixels are 32-bit numbers (mode {image.mode}); save it with 8 or 16 bits")


def size_of(file: Path, kind: str, pixels: int) -> tuple[int, int]:
    """Returns (width, height) in pixels of the first image in a file, which is not decoded.

    Raises:
        SurgeryError: as `as_png`.
    """
    with _opened(file, kind, _FORMATS) as image:
        _refuse_large(image, pixels)
        return image.size


def refuse_broken(file: Path) -> None:
    """Refuses a PNG, JPEG, GIF or BMP that cannot be decoded to its end; without Pillow it is not known.

    Raises:
        SurgeryError: it is cut off.
    """
    try:
        import PIL  # noqa: F401
    except ImportError:
        return
    with _opened(file, "image", ("PNG", "JPEG", "GIF", "BMP")) as image:
        image.load()


def _of_bytes(image: Any) -> Any:
    """Returns an image with 8 bits a channel; of 16 the upper ones, as TensorFlow does with PNG."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
    return image.convert("L" if image.mode in _GREY else "RGB")


def _encoded(image: Any) -> bytes:
    made = io.BytesIO()
    image.save(made, "PNG", compress_level=0)
    return made.getvalue()
