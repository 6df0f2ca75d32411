"""Writes docs/api.md: every public name, with its signature and its docstring as Markdown.

Usage: python scripts/api_reference.py
"""

import ast
import inspect
import itertools
import pathlib
import re
import sys
import types
from typing import Any

import surgery as sg

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"
SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes|Example|Examples):\n", re.MULTILINE)
HEAD = """# The public API

Written by `scripts/api_reference.py` from the docstrings; `help(sg.cut)` shows the same. [Verbs](verbs.md) lists the
verbs by what you want to do.
"""
GROUPS = {  # heading -> the packages whose names are below it
    "Open, build, save": ("io", "keras_bridge"),
    "Edit": ("edits",),
    "Look and compare": ("view", "compare"),
    "Train": ("training",),
    "Predict": ("data",),
    "Values": ("graph", "core"),
}
MODULES = ("parts", "losses", "data", "tasks")  # sg.samples is sg.data


def markdown(docstring: str) -> str:
    """Returns a docstring in Keras' dialect as Markdown: arguments as lists, examples as code."""
    first, *rest = SECTION.split(docstring)
    parts = [first.strip()]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        body = inspect.cleandoc(f"\n{body}").strip()
        if title.startswith("Example"):
            parts.append(f"```text\n{body}\n```")
        elif title == "Returns":
            parts.append(f"**Returns** {body}")
        else:
            items = re.sub(r"^(?! )([\w*, ]+): ", r"- `\1`: ", body, flags=re.MULTILINE)
            title = title.replace("Args", "Arguments")
            parts.append(f"**{title}**\n\n" + re.sub(r"^ {4}", "  ", items, flags=re.MULTILINE))
    return "\n\n".join(part for part in parts if part)


def signature(value: Any) -> str:
    """Returns the parameters without annotations, as they are typed."""
    if not callable(value):
        return ""
    found = inspect.signature(value)
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in found.parameters.values()]
    text = str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return re.sub(r"=<factory>", "=...", re.sub(r"<function (\w+) at 0x\w+>", r"\1", text))


def constants_of(module: types.ModuleType) -> dict[str, str]:
    """Returns the docstrings that follow assignments in a module."""
    body = ast.parse(pathlib.Path(str(module.__file__)).read_text("utf-8")).body
    return {
        one.targets[0].id: inspect.cleandoc(after.value.value)
        for one, after in itertools.pairwise(body)
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str)
    }


def public_members(kind: type) -> str:
    """Returns a list of the documented methods and properties of a class of surgery."""
    lines = []
    for name, member in vars(kind).items():
        text = inspect.cleandoc(member.__doc__ or "")  # not one that is inherited from Keras
        if name.startswith("_") or not text or not isinstance(member, (property, types.FunctionType)):
            continue
        called = signature(member).replace("(self, ", "(").replace("(self)", "()") if callable(member) else ""
        lines.append(f"- `.{name}{called}`: {text.split(f'{chr(10)}{chr(10)}')[0]}".replace("\n", "\n  "))
    return "\n".join(lines)


def entry(name: str, value: Any, text: str) -> str:
    members = public_members(value) if inspect.isclass(value) else ""
    called = "" if inspect.isclass(value) and issubclass(value, BaseException) else signature(value)
    return "\n\n".join(part for part in (f"### `{name}{called}`", markdown(text), members) if part)


def entries_of(module: types.ModuleType) -> list[str]:
    """Returns the entries of a module: the names that it lists, else those that it defines and documents."""
    constants = constants_of(module)
    listed = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and (name in constants or getattr(value, "__module__", "") == module.__name__)
    ]
    called = module.__name__.rpartition(".")[2]
    called = next((name for name in MODULES if getattr(sg, name) is module), called)
    return [
        entry(
            f"sg.{called}.{name}",
            getattr(module, name),
            constants.get(name) or inspect.getdoc(getattr(module, name)) or "",
        )
        for name in sorted(listed)
        if name in constants or callable(getattr(module, name))
    ]


def page() -> str:
    names = [name for name in sg.__all__ if not isinstance(getattr(sg, name), types.ModuleType)]
    homes = {name: getattr(sg, name).__module__.split(".")[1] for name in names}
    parts = [HEAD.strip()]
    for heading, packages in GROUPS.items():
        parts.append(f"## {heading}")
        parts += [
            entry(f"sg.{name}", getattr(sg, name), inspect.getdoc(getattr(sg, name)) or "")
            for name in names
            if homes[name] in packages
        ]
    for name in MODULES:
        module = getattr(sg, name)
        about = (inspect.getdoc(module) or "").split("\n\n")[0].replace("\n", " ")
        parts += [f"## `sg.{name}`", about, *entries_of(module)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    text = page()
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}: {text.count(chr(10) + '### ')} names", file=sys.stderr)
