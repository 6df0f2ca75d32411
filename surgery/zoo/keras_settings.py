"""The global settings of Keras that a named network follows when it is made; read without importing Keras."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError
from surgery.core.isolation import trusted_path


@dataclasses.dataclass(frozen=True)
class Settings:
    """What Keras lets a user set for all layers that are made from then on.

    Args:
        policy: name of the dtype policy.
        floatx: the dtype of inputs, and of a policy that nobody set.
        data_format: where images have their channels.
    """

    policy: str = "float32"
    floatx: str = "float32"
    data_format: str = "channels_last"


USUAL = Settings()


def settings(dtype: Any = None) -> Settings:
    """Returns the global settings of Keras: where it is not imported yet, what its configuration file says.

    Args:
        dtype: a policy or its name, which goes before the global one.

    Raises:
        SurgeryError: `dtype` is neither.
    """
    keras: Any = sys.modules.get("keras")
    if hasattr(keras, "config"):
        found = Settings(keras.config.dtype_policy().name, keras.config.floatx(), keras.config.image_data_format())
    else:
        found = _configured()
    if dtype is None:
        return found
    policy = getattr(dtype, "name", dtype)
    if not isinstance(policy, str):
        raise SurgeryError(f"dtype= is a dtype policy of Keras or its name, such as 'mixed_float16', not {dtype!r}.")
    return dataclasses.replace(found, policy=policy)


def _configured() -> Settings:
    found = _configuration()
    floatx, order = found.get("floatx", USUAL.floatx), found.get("image_data_format", USUAL.data_format)
    return Settings(floatx, floatx, order)


def _configuration() -> dict[str, Any]:
    """Returns what the user's `keras.json` says, from where Keras reads it; nothing where there is none."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(Path(home_of_keras(), "keras.json").expanduser().read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def home_of_keras() -> str:
    """Returns the folder in which Keras keeps its files; without a home that can be written, one in /tmp."""
    home = os.path.expanduser("~")
    return os.environ.get("KERAS_HOME") or os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")


def backend() -> str:
    """Returns the name of the backend that Keras computes with: the imported one, or the one that it would take."""
    keras: Any = sys.modules.get("keras")
    if hasattr(keras, "config"):
        return keras.config.backend()
    return os.environ.get("KERAS_BACKEND") or _configuration().get("backend") or "tensorflow"


def keras_version() -> str:
    """Returns the version of the Keras that this process imports, without importing it; `"unknown"` without any."""
    imported = getattr(sys.modules.get("keras"), "__version__", None)
    if imported is not None:
        return imported
    from importlib.machinery import PathFinder

    found = PathFinder.find_spec("keras", trusted_path())
    for folder in found.submodule_search_locations or () if found else ():
        with contextlib.suppress(OSError):
            _, _, rest = Path(folder, "src", "version.py").read_text("utf-8").partition('__version__ = "')
            if rest:
                return rest.partition('"')[0]
    return version_of("keras") or "unknown"


def version_of(distribution: str) -> str | None:
    """Returns the version of an installed distribution; `None` where there is none."""
    import importlib.metadata  # which takes as long as all else that a look at a network imports from Python

    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(distribution)
    return None


@contextlib.contextmanager
def under(policy: str) -> Iterator[None]:
    """Makes layers inside the block under a dtype policy; the global one is as it was afterwards.

    Raises:
        SurgeryError: Keras has no such policy.
    """
    import keras

    before: Any = keras.config.dtype_policy()
    try:
        if policy != before.name:
            keras.config.set_dtype_policy(policy)
    except (ValueError, TypeError) as error:
        raise SurgeryError(f"Keras has no dtype policy {policy!r}: 'float32', 'bfloat16', 'mixed_float16'.") from error
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
