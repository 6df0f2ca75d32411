"""Recipes: plain Python files with a `recipe()` and, if they can be trained, a `fit()`. Found by path or by shipped
name."""

from __future__ import annotations

import dataclasses
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from surgery.core.errors import SurgeryError, first_line, nearest, printable, reason
from surgery.formats.paths import exists, refuse_url
from surgery.recipe.source import imported_modules


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A loaded recipe.

    Args:
        path: its file.
        module: the file, imported.
    """

    path: Path
    module: ModuleType

    @property
    def title(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.module) or self.path.stem).splitlines()[0]

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """`recipe()`, and `fit()` if there is one."""
        return [self.module.recipe, *([self.module.fit] if self.can_fit else [])]

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The parameters of `recipe()` and `fit()`, by name; a name that both have is one parameter."""
        found: dict[str, inspect.Parameter] = {}
        for function in self.functions:
            skip_model = function is not self.module.recipe
            for parameter in list(self._signature(function).parameters.values())[skip_model:]:
                if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                    found.setdefault(parameter.name, parameter)
        return found

    def _signature(self, function: Callable[..., Any]) -> inspect.Signature:
        try:
            return inspect.signature(function, eval_str=True)
        except Exception as error:  # an annotation is code, and may fail
            raise SurgeryError(
                f"{self.path.name}: an annotation of {function.__name__}() cannot be read: {first_line(error)}"
            ) from error

    @property
    def is_shipped(self) -> bool:
        return self.path in shipped().values()

    @property
    def can_fit(self) -> bool:
        return callable(getattr(self.module, "fit", None))

    def wire(self, settings: Mapping[str, Any]) -> Any:
        """Runs `recipe()` with those of the settings that it takes."""
        return self._run(self.module.recipe, settings)

    def fit(self, model: Any, settings: Mapping[str, Any]) -> Any:
        """Runs `fit(model)` with those of the settings that it takes."""
        return self._run(self.module.fit, settings, model)

    def _run(self, function: Callable[..., Any], settings: Mapping[str, Any], *args: Any) -> Any:
        taken = list(self._signature(function).parameters.values())[len(args) :]
        given = {one.name: settings[one.name] for one in taken if one.name in settings}
        wanted = [one.name for one in taken if one.default is one.empty and one.kind in _NAMED]
        if missing := [name for name in wanted if name not in given]:
            raise SurgeryError(
                f"{self.path.name}: {function.__name__}() requires {missing[0]}: --set {missing[0]}=VALUE"
            )
        folder = os.getcwd()
        try:
            return function(*args, **given)
        except KeyboardInterrupt:
            raise
        except SurgeryError as error:
            raise SurgeryError(f"{self._place(error)}\n  {error}") from error
        except BaseException as error:  # sys.exit() too: a recipe does not end the command
            raise SurgeryError(f"{self._place(error)}\n  {_said(error)}") from error
        finally:
            os.chdir(folder)  # paths that the user gave are meant from there

    def _place(self, error: BaseException) -> str:
        """Returns `my_recipe.py, line 14, in recipe: <the line>` for the deepest frame in the recipe's own file."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self.path)]
        if not frames:
            return self.path.name
        return f"{self.path.name}, line {frames[-1].lineno}, in {frames[-1].name}: {frames[-1].line}"


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _said(error: BaseException) -> str:
    lines = [printable(line) for line in reason(error).splitlines()]
    return f"{type(error).__name__}: {chr(10).join(lines)[:600]}".replace("\n", "\n  ")


def shipped() -> dict[str, Path]:
    """Returns the recipes that come with the package, name -> file, without running them."""
    spec = importlib.util.find_spec("surgery.recipes")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    folders.append(Path(__file__).resolve().parents[2] / "recipes")  # a checkout that is not installed
    files = [file for folder in reversed(folders) if folder.is_dir() for file in sorted(folder.rglob("[a-z]*.py"))]
    return {file.stem: file for file in files}


def parts(made: Any) -> dict[str, Any]:
    """Returns what a `recipe()` made by name; one model alone has no name."""
    return made if isinstance(made, dict) else {"": made}


def whole(models: dict[str, Any]) -> Any:
    """Returns what a `fit()` is given of the parts: the dict, or the one model."""
    return models.get("", models)


def find(name: str) -> Path:
    """Returns the file of a recipe: a path, or the name of a shipped one."""
    path = Path(name)
    refuse_url(name)
    if exists(path) and path.is_file() and (path.suffix == ".py" or name not in shipped()):
        return path.resolve()
    if name in shipped():
        return shipped()[name]
    if exists(path) and path.is_dir():
        raise SurgeryError(f"{printable(name)!r} is a folder; a recipe is one Python file.")
    beside = path.parent / f"{path.name}.py"
    near = f" Did you mean {str(beside)!r}?" if exists(beside) else nearest(path.stem, shipped())
    raise SurgeryError(
        f"no recipe {printable(name)!r}: there is no such file, and no shipped recipe of that name.{near}"
    )


class _Beside(importlib.abc.MetaPathFinder):
    """Finds modules that lie beside a recipe, as beside a script: those that it imports, and what these import.

    What others look for, and do without if it is not there, is not imported from the folder.

    Args:
        path: the recipe.
    """

    def __init__(self, path: Path):
        self._folder = str(path.parent)
        self._names = imported_modules(path)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if path is not None or fullname not in self._names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, [self._folder])
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            inside = Path(spec.origin).parent if spec.submodule_search_locations else None
            for file in inside.rglob("*.py") if inside else [Path(spec.origin)]:
                self._names |= imported_modules(file)
        return spec


def load(name: str) -> Recipe:
    """Imports a recipe by path or by shipped name. Recipes are the user's own code, and run as such.

    Raises:
        SurgeryError: no such recipe, it does not import, or it has no `recipe()`.
    """
    path = find(name)
    spec = importlib.util.spec_from_file_location(f"surgery_recipe_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SurgeryError(f"{printable(path.name)!r} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    if path not in shipped().values():
        sys.meta_path.append(_Beside(path))  # after all else
    folder, writes_none = os.getcwd(), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # the folder of a recipe is the user's: no __pycache__ is left in it
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = frames[-1].lineno if frames else getattr(error, "lineno", None)
        place = f"{path.name}, line {line}" if line else path.name
        said = f"SyntaxError: {error.msg}" if isinstance(error, SyntaxError) else _said(error)
        raise SurgeryError(f"{place}: {said}") from error
    finally:
        sys.dont_write_bytecode = writes_none
        os.chdir(folder)  # paths that the user gave are meant from there
    if not callable(getattr(module, "recipe", None)):
        raise SurgeryError(
            f"{path.name} has no recipe(): define def recipe(...) that returns a Graph or a keras.Model."
        )
    return Recipe(path, module)
