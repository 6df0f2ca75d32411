"""The public API holds what it promised: each name, and each parameter with its place, keyword and default."""

import inspect
import operator
import warnings
from pathlib import Path

import pytest
from public_api import parameters, public_api

import surgery as sg

PROMISED = {
    name: said
    for name, *said in (
        line.split(" | ") for line in Path(__file__).with_name("public_api.txt").read_text("utf-8").splitlines()
    )
}
NEW_NAMES = set()
NEW_PARAMETERS = set()


def named(path):
    """Returns what a dotted name stands for, and under which other names it takes its arguments."""
    owner, _, name = path.removeprefix("sg.").rpartition(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        kind = operator.attrgetter(owner)(sg) if owner else sg
        value = inspect.getattr_static(kind, name) if isinstance(kind, type) else getattr(kind, name)
    return value, getattr(value, "renamed_arguments", {})


def renamed(parameter, names):
    name, equals, default = parameter.partition("=")
    return names.get(name, name) + equals + default


def by_place(said):
    """Returns the parameters that have a place, and those that are given by keyword alone."""
    stars = [place for place, one in enumerate(said) if one.startswith("*")] + [len(said)]
    return said[: stars[0]], said[stars[0] :]


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_name_takes_what_it_took(name):
    value, names = named(name)
    before = [renamed(one, names) for one in PROMISED[name]]
    now = parameters(value)
    placed, by_keyword = by_place(before)
    assert now[: len(placed)] == placed
    assert {*by_keyword} <= {*now}
    added = [one for one in now if one not in before and one != "*"]
    assert all("=" in one for one in added), "what is new has a default"
    assert {f"{name}({one})" for one in added} <= NEW_PARAMETERS


def test_what_is_new_is_listed():
    assert {*public_api()} - {*PROMISED} == NEW_NAMES


def test_public_names_are_listed_in_order():
    assert sg.__all__ == sorted(sg.__all__) == dir(sg)
