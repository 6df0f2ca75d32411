"""What saved files may name of surgery is registered with Keras as soon as Keras is imported, before surgery or after.

Importing surgery imports no Keras: a hook waits for it. Two small modules are then imported; of larger classes a
stand-in is registered, which imports the class when a file asks for it.
"""

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

_AT_ONCE = ("surgery.keras_bridge.activations", "surgery.keras_bridge.trainable_flags")
_WHEN_ASKED = {
    "LayerwiseOptimizer": "surgery.training.learning_rates",
    "ScaledSchedule": "surgery.training.learning_rates",
    "Players": "surgery.training.players",
    "AdversarialLoss": "surgery.training.gan_losses",
}


def register_with_keras() -> None:
    """Registers the classes and functions of surgery, now or when Keras is imported."""
    if hasattr(sys.modules.get("keras"), "saving"):
        _register()
    elif not any(isinstance(one, _Hook) for one in sys.meta_path):
        sys.meta_path.insert(0, _Hook())


def _register() -> None:
    for name in _AT_ONCE:
        importlib.import_module(name)
    known = importlib.import_module("keras").saving.get_custom_objects()
    for name, home in _WHEN_ASKED.items():
        known.setdefault(f"surgery>{name}", _stand_in(name, home))


def _stand_in(name: str, home: str) -> type:
    """Returns a class that makes another one's objects from their configurations."""

    def from_config(cls: type, config: dict[str, Any], **further: Any) -> Any:
        return getattr(importlib.import_module(home), name).from_config(config, **further)

    return type(name, (), {"from_config": classmethod(from_config), "__doc__": f"Stands for `{home}.{name}`."})


class _Hook:
    """A finder of modules that registers at the end of the import of Keras."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> "ModuleSpec | None":
        if fullname != "keras":
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        run = getattr(spec and spec.loader, "exec_module", None)
        if spec is not None and run is not None:

            def exec_module(module: ModuleType) -> None:
                run(module)
                _register()

            setattr(spec.loader, "exec_module", exec_module)  # noqa: B010  of this one loader, for this one import
        return spec
