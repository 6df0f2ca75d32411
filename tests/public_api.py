"""The public API as text, one line per name; `python tests/public_api.py` prints it.

`public_api.txt` is this text of the names that are promised. A new name is added there; none is changed or taken away.
"""

import inspect
import re
import types

import surgery as sg

MODULES = ("data", "losses", "parts", "samples", "tasks")


def names_in(module):
    """Returns the public names of a module: those that it lists, or those that it defines."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    homes = {name: (value, type(value)) for name, value in vars(module).items() if not name.startswith("_")}
    return sorted(
        name for name, about in homes.items() if module.__name__ in [getattr(one, "__module__", None) for one in about]
    )


def members(kind):
    """Yields the public attributes of a class that surgery defines, and those of its bases in surgery."""
    names = {name for one in kind.__mro__ if one.__module__.startswith("surgery") for name in vars(one)}
    for name in sorted(names):
        if not name.startswith("_"):
            yield name, inspect.getattr_static(kind, name)


def parameters(value):
    """Returns the parameters of a callable as one writes them, `*` before those that are given by keyword alone."""
    value = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
    if isinstance(value, property) or not callable(value):
        return []
    try:
        signature = inspect.signature(value)
    except ValueError:  # of a class that has its constructor from C
        return []
    found = []
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not any(name.startswith("*") for name in found):
            found.append("*")
        found.append(re.sub(r" at 0x\w+", "", str(one.replace(annotation=one.empty))))
    return found


def public_names(modules=MODULES):
    """Yields each public name with its value, those of modules and classes after their own."""
    yield from ((f"sg.{name}", getattr(sg, name)) for name in sorted(sg.__all__))
    for module in modules:
        yield from (
            (f"sg.{module}.{name}", getattr(getattr(sg, module), name)) for name in names_in(getattr(sg, module))
        )


def public_api(modules=MODULES):
    """Returns dotted name -> parameters."""
    found = {}
    for name, value in public_names(modules):
        found[name] = [] if isinstance(value, types.ModuleType) else parameters(value)
        if isinstance(value, type):
            found |= {f"{name}.{member}": parameters(inside) for member, inside in members(value)}
    return found


if __name__ == "__main__":
    for name, said in public_api().items():
        print(" | ".join([name, *said]))
