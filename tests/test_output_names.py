"""The names of outputs: an edit that does not touch an output leaves its name, and losses by name still find it."""

import keras
import numpy as np
import pytest
from networks import arrays_for, assert_same, outputs_of, random_network
from test_other_outputs import FORMS, in_form

import surgery as sg
from surgery.core.nested import leaves

L = keras.layers


def two_outputs(structure):
    x = keras.Input((4,), name="x")
    y = L.Dense(5, activation="relu", name="hidden")(x)
    made = L.Dense(3, activation="softmax", name="kind")(y), L.Dense(1, activation="sigmoid", name="real")(y)
    return keras.Model(x, structure(made), name="two")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("structure", [list, lambda made: dict(zip(("kind", "real"), made, strict=True))])
def test_unfuse_keeps_the_names_of_outputs_and_losses_find_them(structure, form, tmp_path):
    model = two_outputs(structure)
    graph = sg.unfuse(in_form(model, form, tmp_path))
    assert [call.name for call in graph][1:] == [
        "hidden",
        "hidden_activation",
        "kind_logits",
        "kind",
        "real_logits",
        "real",
    ]
    unfused, x = sg.build(graph), arrays_for(model)
    assert unfused.output_names == model.output_names == ["kind", "real"]
    assert_same(outputs_of(unfused, x), outputs_of(model, x))
    unfused.compile("sgd", loss={"kind": "sparse_categorical_crossentropy", "real": "binary_crossentropy"})
    targets = {"kind": np.array([0, 1, 2]), "real": np.ones((3, 1), "float32")}
    losses = unfused.train_on_batch(x, targets if isinstance(model.output, dict) else list(targets.values()))
    assert np.isfinite(losses).all()
    sg.save(graph, tmp_path / "unfused.keras")
    assert keras.models.load_model(tmp_path / "unfused.keras").output_names == ["kind", "real"]


def test_unfuse_inside_a_nested_model_and_of_an_output_called_twice():
    x = keras.Input((4,), name="x")
    last = L.Dense(4, activation="tanh", name="last")
    twice = sg.unfuse(keras.Model(x, last(last(x))))
    assert twice.output_names == ["last"] and {layer.name for layer in twice.layers} >= {"last", "last_logits"}
    again = sg.open(two_outputs(list))
    with pytest.raises(sg.SurgeryError, match="already has a layer named 'kind_logits'"):
        sg.unfuse(sg.insert(again, L.ReLU(name="kind_logits"), after="hidden"), "kind")


def test_another_name_of_an_output_is_noted():
    graph = sg.open(two_outputs(list))
    assert sg.insert(graph, L.Dropout(0.1, name="drop"), after="real").notes == (
        "drop: the name of an output, which was real",
    )
    assert sg.replace(graph, "kind", L.Dense(7)).notes[-1].startswith("kind: the output of the network")
    named = sg.open(two_outputs(lambda made: dict(zip(("kind", "real"), made, strict=True))))
    assert not sg.insert(named, L.Dropout(0.1, name="drop"), after="real").notes


@pytest.mark.parametrize("seed", range(40))
def test_outputs_that_an_edit_does_not_touch_keep_their_names(seed):
    model = random_network(seed)
    graph = sg.open(model)
    ends = {ref.call for ref in leaves(graph.outputs)}
    random = np.random.default_rng(seed)
    inner = [
        call for call in graph if call.op is not None and graph[call.name].layer not in {graph[e].layer for e in ends}
    ]
    inner = [call for call in inner if call.refs[0] in graph.consumers and call.specs[0].dtype == "float32"]
    edits = {"built": lambda: graph, "frozen": lambda: sg.freeze(graph)}
    if inner:
        call = inner[random.integers(0, len(inner))]
        place = graph.address(call.refs[0])
        edits |= {
            "inserted": lambda: sg.insert(graph, L.ReLU(name="put_in"), after=place),
            "removed": lambda: sg.remove(graph, place.partition("#")[0]),
            "replaced": lambda: sg.replace(graph, place.partition("#")[0], lambda call: L.Identity()),
            "skipped": lambda: sg.rewire(graph, leaves(graph.inputs)[0], into=place),
            "grafted": lambda: sg.graft(graph, L.Dense(2, name="more"), at=place, keep=True),
        }
    if not any(graph[end].inner for end in ends):
        edits["inlined"] = lambda: sg.inline(graph) if any(call.inner for call in graph) else graph
    for what, edit in edits.items():
        try:
            new = sg.build(edit())
        except sg.SurgeryError:
            continue
        names = model.output_names
        assert [name for name in new.output_names if name != "more"] == names, what
