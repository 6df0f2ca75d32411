"""The public API holds what it promised: each name, and each parameter with its place, keyword and default."""

import ast
import inspect
import operator
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from public_api import parameters, public_api, public_names

import surgery as sg

PROMISED = {
    name: said
    for name, *said in (
        line.split(" | ") for line in Path(__file__).with_name("public_api.txt").read_text("utf-8").splitlines()
    )
}
MODULES = {"sg": sg, "sg.parts": sg.parts, "sg.samples": sg.samples, "sg.tasks": sg.tasks}
FORMER = {  # module, former name -> present name
    ("sg", "contract"): "FreezeCheck",
    ("sg", "crossing"): "crossing_tensors",
    ("sg", "digits"): "samples.digits",
    ("sg", "extract"): "extract_features",
    ("sg", "groups"): "layer_groups",
    ("sg", "layerwise_rates"): "layerwise_learning_rates",
    ("sg", "objectives"): "losses",
    ("sg", "pyramid"): "feature_levels",
    ("sg", "thaw"): "unfreeze",
    ("sg", "wiring"): "parts",
    ("sg.parts", "adversaries"): "gan_players",
    ("sg.parts", "aligned"): "crop_or_pad_to",
    ("sg.parts", "box_overlap"): "box_iou",
    ("sg.parts", "content_distance"): "content_loss",
    ("sg.parts", "decoded"): "decode_detections",
    ("sg.parts", "gram"): "gram_matrix",
    ("sg.parts", "places"): "anchor_points",
    ("sg.parts", "roughness"): "total_variation",
    ("sg.parts", "starting_at_zero"): "zero_init_residual",
    ("sg.parts", "style_distance"): "style_loss",
    ("sg.parts", "super_resolver"): "super_resolution_generator",
    ("sg.parts", "translator"): "image_translation_generator",
    ("sg.parts", "zero_skip"): "zero_init_skip",
    ("sg.samples", "digits_on_photographs"): "digit_segmentation",
    ("sg.samples", "few_of_each"): "few_shot_subset",
    ("sg.samples", "framed_digits"): "digit_detection",
    ("sg.tasks", "Judge"): "DigitScorer",
    ("sg.tasks", "chart"): "bar_chart",
    ("sg.tasks", "fresh"): "reinitialized",
    ("sg.tasks", "judge"): "digit_scorer",
    ("sg.tasks", "judged"): "score_samples",
    ("sg.tasks", "overlap"): "mask_iou",
    ("sg.tasks", "tiles"): "image_grid",
}
FORMER_ARGUMENTS = {
    ("sg.extract_features", "out"),
    ("sg.join", "wires"),
    ("sg.save", "prove"),
    ("sg.tasks.mask_iou", "wanted"),
    ("sg.tasks.psnr", "wanted_bhwc"),
    ("sg.tasks.segment", "pictures"),
}
NEW_NAMES = {f"sg.FreezeCheck.{name}" for name in ("check", "on_epoch_end", "on_train_batch_end", "on_train_begin")}
NEW_NAMES |= {"sg.About", "sg.Graph.about", "sg.predict"}
NEW_NAMES |= {f"sg.About.{name}" for name in ("classes", "command", "described", "donor", "task")}
NEW_PARAMETERS = {"sg.Graph(_about=None)", "sg.save(about=None)"}
NEW_NAMES |= {
    f"sg.{module}.ImageData{member}"
    for module in ("data", "samples")
    for member in ("", ".files", ".labels", ".problems", ".test", ".train", ".validation")
}


def present(path):
    """Returns the present name of a dotted one."""
    found = "sg"
    for part in path.split(".")[1:]:
        found = f"{found}.{FORMER.get((found, part), part)}"
    return found


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


def test_what_is_new_is_listed_and_what_has_a_former_name_is_promised_under_it():
    renamed = {present(name) for name in PROMISED}
    assert {*public_api()} - {*PROMISED} - renamed == NEW_NAMES
    assert {f"{prefix}.{name}" for (prefix, _), name in FORMER.items()} <= renamed


# ---- former names ----


@pytest.mark.parametrize(("prefix", "name"), FORMER)
def test_a_former_name_is_the_same_object_and_says_the_present_name_once(prefix, name):
    module, new = MODULES[prefix], FORMER[prefix, name]
    with pytest.warns(
        DeprecationWarning, match=f"^{prefix}.{name} is deprecated. Use {prefix}.{new} instead.$"
    ) as said:
        value = getattr(module, name)
    assert value is operator.attrgetter(new)(module)
    assert [one.filename for one in said] == [__file__]
    assert name not in dir(module) and name not in module.__all__


def test_a_former_name_is_imported_with_one_warning():
    with pytest.warns(DeprecationWarning) as said:
        from surgery import thaw
    assert thaw is sg.unfreeze and [one.filename for one in said] == [__file__]


def renamed_arguments():
    for name, value in public_names():
        for former, new in getattr(value, "renamed_arguments", {}).items():
            yield name, former, new


def test_arguments_have_former_names():
    assert {(name, former) for name, former, _ in renamed_arguments()} == FORMER_ARGUMENTS


def test_an_argument_under_its_former_name_goes_where_it_went(tmp_path):
    a, b = sg.open("tinyvgg"), sg.open("tinyvgg")
    with pytest.warns(DeprecationWarning, match=r"wires= of join\(\) is deprecated. Use connections= instead") as said:
        joined = sg.join(a, b, wires={}, prefix="b_")
    assert [one.filename for one in said] == [__file__]
    assert joined == sg.join(a, b, connections={}, prefix="b_")
    with pytest.raises(TypeError, match="got wires= and connections="):
        sg.join(a, b, wires={}, connections={})


# ---- where names live ----


def test_each_public_name_is_taken_from_where_the_type_checker_sees_it():
    tree = ast.parse(Path(sg.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname: f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    for node in (node for node in block.body if isinstance(node, ast.Assign)):
        seen[node.targets[0].id] = seen.pop(node.value.id)
    homes = {name: f"surgery.{home}.{name}" for home, names in sg._HOMES.items() for name in names}
    assert seen == homes | {name: f"surgery.{module}" for name, module in sg._MODULES.items()}


def test_public_names_are_listed_in_order():
    assert sg.__all__ == sorted(sg.__all__) == dir(sg)


@pytest.mark.parametrize("name", ["data", "samples", "tasks", "losses", "parts"])
def test_a_public_module_can_be_imported_by_the_name_that_users_type(name):
    code = f"import surgery.{name}\nimport surgery as sg\nprint(surgery.{name} is sg.{name}, bool(dir(sg.{name})))"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert run.stdout == "True True\n", run.stderr


def test_a_former_module_is_imported_with_a_warning():
    code = "from surgery.wiring import unet_decoder\nprint(unet_decoder.__module__)"
    run = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True)
    assert run.stdout == "surgery.parts.unet\n"
    assert "<string>:1: DeprecationWarning: surgery.wiring is deprecated. Use surgery.parts instead." in run.stderr
