"""The parameters of recipes: what they are for, of which type, and their values from `key=value` texts."""

from __future__ import annotations

import ast
import inspect
import re
import typing
from typing import Any

from surgery.cookbook import Recipe
from surgery.errors import SurgeryError, nearest

COMMON = {
    "backbone": "the network: a name that `surgery zoo` lists, or a file",
    "classes": "how many classes are told apart",
    "depth": "the coarsest feature map that is used: its output stride, in pixels",
    "epochs": "passes over the samples",
    "features": "length of the vectors",
    "filters": "channels of the new convolutions",
    "freeze": "whether the pretrained part stays as it is",
    "latent": "length of the noise that pictures are made of",
    "pictures": "how many pictures it learns from",
    "samples": "how many pictures are drawn and judged",
    "seed": "of the weights that train and of everything that is drawn",
    "shots": "labelled pictures of each class that it learns from",
    "size": "side of the pictures, in pixels; none: the network's own",
    "units": "width of the new Dense layers",
    "weights": "pretrained, a file, or none for random ones",
}


def documented(recipe: Recipe) -> dict[str, str]:
    """Returns what each parameter of a recipe is for: from `Args:` in the docstrings of its functions, and for names
    that many recipes share, where they say nothing, from here."""
    found = {name: COMMON[name] for name in recipe.parameters if name in COMMON}
    for function in recipe.functions:
        _, _, section = (inspect.getdoc(function) or "").partition("\nArgs:\n")
        section = re.split(r"\n(?=\S)", section)[0]
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE):
            if name in recipe.parameters:
                found[name] = " ".join(text.split()).rstrip(".")
    return found


def settings(recipe: Recipe, given: list[str]) -> dict[str, Any]:
    """Turns `key=value` texts into settings, each of the type that its default or annotation says.

    Raises:
        SurgeryError: an unknown key (the message names the nearest), or a value of another type.
    """
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise SurgeryError(f"--set takes key=value, not {text!r}.")
        if key not in recipe.parameters:
            known = ", ".join(recipe.parameters) or "none"
            raise SurgeryError(
                f"{recipe.path.stem} has no parameter {key!r}.{nearest(key, recipe.parameters)} Its parameters: "
                f"{known}."
            )
        found[key] = _value(recipe.parameters[key], value)
    return found


def kind_of(parameter: inspect.Parameter) -> Any:
    """Returns the type of a parameter: its annotation, else the type of its default."""
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    return str if parameter.default in (None, parameter.empty) else type(parameter.default)


def type_name(parameter: inspect.Parameter) -> str:
    """Returns the type of a parameter as a user writes it."""
    kind = kind_of(parameter)
    return str(kind).replace(" | None", " or none") if typing.get_args(kind) else getattr(kind, "__name__", str(kind))


def _value(parameter: inspect.Parameter, text: str) -> Any:
    kind = kind_of(parameter)
    kinds = list(typing.get_args(kind) or (kind,))
    if text.lower() == "none" and (type(None) in kinds or parameter.default is None or kinds == [str]):
        return None
    for one in sorted((one for one in kinds if one is not type(None)), key=lambda one: one is str):
        try:
            return _parsed(one, text)
        except (ValueError, SyntaxError):
            continue
    name = getattr(kind, "__name__", str(kind))
    raise SurgeryError(
        f"--set {parameter.name}={text}: {parameter.name} is of type {name} (default {parameter.default!r})."
    )


def _parsed(kind: Any, text: str) -> Any:
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise ValueError(text)
        return words[text.lower()]
    if kind in (int, float, str):
        return kind(text)
    value = ast.literal_eval(text)
    if isinstance(kind, type) and not isinstance(value, kind):
        if isinstance(value, (list, tuple)) and kind in (list, tuple):
            return kind(value)
        raise ValueError(text)
    return value
