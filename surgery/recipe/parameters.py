"""The parameters of recipes: what they are for, of which type, and their values from `key=value` texts."""

from __future__ import annotations

import inspect
import re
import warnings
from typing import Any

from surgery.core.errors import SurgeryError, first_line, nearest
from surgery.recipe.files import Recipe
from surgery.recipe.settings import parse
from surgery.recipe.type_names import how, is_choice, type_name, value_text

COMMON = {
    "backbone": "the network: a name that `surgery zoo` lists, or a file",
    "classes": "number of classes",
    "epochs": "passes over the samples",
    "features": "length of the vectors",
    "filters": "channels of the new convolutions",
    "freeze": "whether the pretrained part stays as it is",
    "images": "how many images it learns from",
    "latent": "length of the noise that images are made of",
    "samples": "how many images are drawn and scored",
    "seed": "of the weights that train and of everything that is drawn",
    "shots": "labeled images of each class that it learns from",
    "stride": "the coarsest feature map that is used: its output stride, in pixels",
    "size": "side of the images, in pixels; none: the network's own",
    "units": "width of the new Dense layers",
    "weights": "pretrained, a file, or none for random ones (a file as backbone brings its own)",
}


_RENAMED = {"depth": "stride", "other_depth": "other_stride", "pictures": "images"}
_ANYWHERE = ("backbone", "classes", "epochs", "freeze", "seed", "weights")  # what these mean, others mean by them too


def describe_parameters(recipe: Recipe) -> dict[str, str]:
    """Returns what each parameter of a recipe is for: from `Args:` in the docstrings of its functions, and for names
    that many recipes share, where they say nothing, from here."""
    known = COMMON if recipe.is_shipped else {name: COMMON[name] for name in _ANYWHERE}
    found = {name: known[name] for name in recipe.parameters if name in known}
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
        key = present_name(recipe, key)
        if key not in recipe.parameters:
            known = ", ".join(recipe.parameters) or "none"
            raise SurgeryError(
                f"{recipe.path.stem} has no parameter {key!r}.{nearest(key, recipe.parameters)} Its parameters: "
                f"{known}."
            )
        found[key] = _value(recipe.parameters[key], value)
        if recipe.is_shipped:
            _refuse_out_of_range(recipe.parameters[key], found[key])
    return found


def present_name(recipe: Recipe, key: str) -> str:
    """Returns the name of a parameter of a shipped recipe of which the old one is given, with a warning."""
    new = _RENAMED.get(key, key) if recipe.is_shipped and key not in recipe.parameters else key
    if new != key and new in recipe.parameters:
        said = f"{key}= of {recipe.path.stem} is deprecated. Use {new}= instead."
        warnings.warn(said, category=FutureWarning, stacklevel=2)  # users of commands see it
        return new
    return key


def _refuse_out_of_range(parameter: inspect.Parameter, value: Any) -> None:
    """Refuses what no recipe that is shipped can mean: counts below 1, lists without an entry or with other ones."""
    default, said = parameter.default, f"--set {parameter.name}={value}: "
    counts = (type(default) is int and default > 0) or kind_of(parameter) == int | None
    if counts and type(value) is int and value < 1:
        raise SurgeryError(f"{said}{parameter.name} must be at least 1, not {value}.")
    if isinstance(default, tuple) and default and isinstance(value, tuple):
        kinds = {type(one) for one in default}
        if not value or any(type(one) not in kinds for one in value):
            raise SurgeryError(f"{said}{parameter.name} has entries like those of {value_text(default)}.")


def kind_of(parameter: inspect.Parameter) -> Any:
    """Returns the type of a parameter: its annotation, else the type of its default."""
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    default = parameter.default
    return Any if default is None or default is parameter.empty else type(default)


def _value(parameter: inspect.Parameter, text: str) -> Any:
    kind, default = kind_of(parameter), parameter.default
    free = parameter.annotation is parameter.empty and kind in (str, Any) and default != text
    try:
        return parse(kind, text, or_none=free or default is None)
    except ValueError as error:
        known = "" if default is parameter.empty else f" (default {value_text(default)})"
        why = f" {type(error.__cause__).__name__}: {first_line(error.__cause__)}" if error.__cause__ else ""
        verb = "must be" if is_choice(kind) else "is of type"
        raise SurgeryError(
            f"--set {parameter.name}={text}: {parameter.name} {verb} {type_name(kind)}{known}.{why}{how(kind)}"
        ) from None
