"""What the source text of a recipe says: its summary, its parameters, what it imports. No code of it is run."""

from __future__ import annotations

import ast
from pathlib import Path

from surgery.core.errors import SurgeryError, first_line, printable


def text_of(path: Path) -> str:
    """Returns the text of a recipe.

    Raises:
        SurgeryError: the file is none.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SurgeryError(f"{printable(path.name)!r} is not a Python file: {first_line(error)}.") from error


def _tree(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


def summary(path: Path) -> str:
    """Returns the first line of a recipe's docstring, without running it."""
    return (ast.get_docstring(_tree(path)) or "").partition("\n")[0]


def parameter_names(path: Path) -> list[str]:
    """Returns the names of the parameters of a recipe's `recipe()` and `fit()`, without running it."""
    found: dict[str, None] = {}
    for node in _tree(path).body:
        if isinstance(node, ast.FunctionDef) and node.name in ("recipe", "fit"):
            found.update((one.arg, None) for one in node.args.args[node.name == "fit" :])
    return list(found)


def imported_modules(path: Path) -> set[str]:
    """Returns the names of the modules that a file imports, up to their first dot."""
    try:
        found = list(ast.walk(_tree(path)))
    except (SurgeryError, SyntaxError, ValueError):
        return set()  # whoever runs it says what is wrong with it
    names = [alias.name for node in found if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in found if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.partition(".")[0] for name in names}
