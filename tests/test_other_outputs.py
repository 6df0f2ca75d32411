"""Edits that change the shape of a network's own output: another number of classes, a head that is taken off."""

import keras
import numpy as np
import pytest
from networks import arrays_for, assert_same, numpy_of, outputs_of

import surgery as sg

L = keras.layers
FORMS = ("live", ".keras", ".h5")


def in_form(model, form, folder):
    """Returns the graph of a model: live, or from a file of it."""
    if form == "live":
        return sg.open(model)
    model.save(folder / f"network{form}")
    return sg.open(folder / f"network{form}")


def classifier(*tail, name="classifier"):
    """Two Dense layers, and layers without weights behind the second."""
    x = inputs = keras.Input((4,), name="features")
    for layer in (L.Dense(5, activation="relu", name="hidden"), L.Dense(12, name="classes"), *tail):
        x = layer(x)
    return keras.Model(inputs, x, name=name)


@pytest.mark.parametrize("form", FORMS)
def test_the_last_layer_is_replaced_by_one_of_other_classes(form, tmp_path):
    model = classifier(L.Activation("softmax", name="probabilities"))
    new = sg.replace(in_form(model, form, tmp_path), "classes", L.Dense(7))
    assert new.notes[-2:] == (
        "classes: Dense -> Dense, nothing moved over of 2 weights; fresh: kernel, bias",
        "probabilities: the output of the network is (None, 7), and was (None, 12)",
    )
    assert new["probabilities"].output.shape == (None, 7)
    built, arrays = sg.build(new), arrays_for(model)
    hidden = model.get_layer("hidden")(arrays)
    assert_same(outputs_of(built, arrays), [numpy_of(keras.activations.softmax(built.get_layer("classes")(hidden)))])
    proof = sg.verify(new, model)
    assert proof.exact and [call.name for call in proof.kept] == ["hidden"]
    assert [call.name for call in proof.new] == [call.name for call in proof.dropped] == ["classes", "probabilities"]


@pytest.mark.parametrize("form", FORMS)
def test_a_function_makes_the_head_and_a_nested_model_may_hold_it(form, tmp_path):
    inner = classifier(L.Softmax(name="probabilities"))
    x = keras.Input((4,), name="x")
    outer = keras.Model(x, inner(x), name="outer")
    new = sg.replace(
        in_form(outer, form, tmp_path),
        "classifier/classes",
        lambda call: L.Dense(call.config["units"] - 9, name=call.layer),
    )
    assert sg.build(new).output_shape == (None, 3)
    array = arrays_for(outer)
    assert_same(outputs_of(sg.build(sg.tap(new, "hidden")), array), [numpy_of(inner.get_layer("hidden")(array))])


def test_a_note_says_that_the_activation_is_another():
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(3, activation="softmax", name="head")(x))
    assert sg.replace(sg.open(model), "head", L.Dense(2)).notes[0].endswith("activation: softmax -> linear")


@pytest.mark.parametrize("where", ["classes", "probabilities"])
def test_every_output_that_takes_the_tensor_is_noted(where):
    x = keras.Input((4,))
    logits = L.Dense(6, name="classes")(x)
    model = keras.Model(x, {"logits": logits, "probabilities": L.Softmax(name="probabilities")(logits)})
    new = sg.replace(sg.open(model), "classes", L.Dense(2))
    assert {key: tensor.shape for key, tensor in sg.build(new).output.items()} == {
        "logits": (None, 2),
        "probabilities": (None, 2),
    }
    assert any(note.startswith(f"{where}: the output") for note in new.notes)


@pytest.mark.parametrize(
    ("tail", "shape"),
    [
        ([L.Reshape((12,), name="rows"), L.Softmax()], (None, 6)),
        ([L.Reshape((1, 12), name="rows")], (None, 1, 6)),
        ([L.Reshape((-1, 3))], (None, 2, 3)),
        ([L.RepeatVector(2), L.Flatten()], (None, 12)),
        ([L.Lambda(lambda x: x * 2.0, output_shape=lambda shape: shape)], (None, 6)),
        ([keras.Sequential([keras.Input((12,)), L.Softmax()])], (None, 6)),
        ([keras.Sequential([keras.Input((None,)), L.Softmax()])], (None, 6)),
    ],
)
def test_what_follows_without_weights_takes_the_new_shape(tail, shape):
    model = classifier(*tail)
    new = sg.replace(sg.open(model), "classes", L.Dense(6))
    assert new.spec(new.outputs).shape == sg.build(new).output_shape == shape
    assert outputs_of(sg.build(new), arrays_for(model))[0].shape == (3, *shape[1:])


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ([L.Reshape((3, 4), name="grid")], r"'grid' \(Reshape\) does not take \(None, 6\)"),
        ([L.BatchNormalization(name="norm")], r"'norm' \(BatchNormalization\) has weights for \(None, 12\)"),
        ([L.ReLU(), L.Dense(2, name="last")], r"'last' \(Dense\) has weights for \(None, 12\), and would take re_lu"),
        ([keras.Sequential([keras.Input((12,)), L.Dense(2)], name="end")], r"'end' .* has weights for"),
    ],
)
def test_what_follows_and_does_not_take_it_is_named(tail, message):
    graph = sg.open(classifier(*tail))
    with pytest.raises(sg.SurgeryError, match=message):
        sg.replace(graph, "classes", L.Dense(6))
    assert sg.build(graph).count_params() == graph.params


def two_heads():
    x = keras.Input((4,), name="x")
    one, other = L.Dense(10, name="one")(x), L.Dense(10, name="other")(x)
    return keras.Model(x, L.Average(name="mean")([one, other]))


def test_heads_that_are_merged_change_together_or_not_at_all():
    graph = sg.open(two_heads())
    assert sg.build(sg.replace(graph, "one, other", lambda call: L.Dense(4))).output_shape == (None, 4)
    with pytest.raises(sg.SurgeryError, match=r"'mean' \(Average\) does not take \(None, 4\), \(None, 10\)"):
        sg.replace(graph, "one", L.Dense(4))
    with pytest.raises(sg.SurgeryError, match=r"'mean' \(Average\) would repeat one, now \(None, 1\), for .* of other"):
        sg.replace(graph, "one", L.Dense(1))


def test_two_layers_in_a_row_are_replaced_in_one_call():
    graph = sg.open(classifier(L.Softmax()))
    new = sg.replace(graph, ":Dense", lambda call: L.Dense(call.config["units"] + 2))
    assert [call.output.shape for call in new][1:] == [(None, 7), (None, 14), (None, 14)]
    assert sg.build(new).output_shape == (None, 14)


def test_a_shared_head_changes_in_both_its_calls():
    head = L.Dense(6, name="head")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    model = keras.Model([left, right], L.Subtract()([head(left), head(right)]))
    assert sg.build(sg.replace(sg.open(model), "head", L.Dense(2))).output_shape == (None, 2)
    with pytest.raises(sg.SurgeryError, match="does not take"):
        sg.replace(sg.open(model), "head@1", L.Dense(2, name="other"))


@pytest.mark.parametrize("name", ["vgg16", "mobilenet", "mobilenetv3small"])
def test_a_named_network_gets_another_number_of_classes(name):
    graph = sg.open(name)
    last = [call for call in graph if call.weights][-1]
    part = L.Conv2D(8, 1, name="new") if last.class_name == "Conv2D" else L.Dense(8, name="new")
    new = sg.replace(graph, last.name, part)
    assert "is (None, 8), and was (None, 1000)" in new.notes[-1]
    ends = sg.cut(new, inputs=graph.address(last.parents[0]))
    array = np.ones((2, *ends.spec(ends.inputs).shape[1:]), "float32")
    assert outputs_of(sg.build(ends), array)[0].shape == (2, 8)


def test_a_head_is_removed_and_one_is_put_behind_the_last_layer():
    graph = sg.open(classifier(L.Softmax(name="probabilities")))
    assert sg.remove(graph, "classes").notes == (
        "probabilities: the output of the network is (None, 5), and was (None, 12)",
    )
    assert sg.build(sg.remove(graph, "classes, probabilities")).output_shape == (None, 5)
    longer = sg.insert(graph, L.Dense(2, name="two"), after="classes")
    assert sg.build(longer).output_shape == (None, 2)
    assert longer.notes == ("probabilities: the output of the network is (None, 2), and was (None, 12)",)
    with pytest.raises(sg.SurgeryError, match="has weights for"):
        sg.insert(graph, L.Dense(2), after="hidden")


def test_what_took_the_tensor_already_is_left_alone_when_a_call_is_removed():
    x = keras.Input((4,))
    wide = L.Dense(6, name="wide")(x)
    model = keras.Model(x, [wide, L.Dense(2, name="two")(x)])
    assert [tensor.shape for tensor in sg.build(sg.remove(sg.open(model), "wide")).outputs] == [(None, 4), (None, 2)]
    both = keras.Model(x, L.Dense(1, name="last")(L.Concatenate(name="both")([x, wide])))
    with pytest.raises(sg.SurgeryError, match=r"'last' \(Dense\) has weights for \(None, 10\), and would take both"):
        sg.remove(sg.open(both), "wide")
    crossed = keras.Model(x, keras.ops.where(x > 0, x, L.Concatenate()([x[:, :2], wide])[:, :4]))
    assert sg.build(sg.remove(sg.open(crossed), "wide")).output_shape == (None, 4)
    chosen = keras.Model(x, keras.ops.where(x > 0, L.Concatenate()([L.Dense(2, name="half")(x), x[:, 2:]]), x))
    with pytest.raises(sg.SurgeryError, match=r"\(Where\) does not take \(None, 4\) bool, \(None, 6\), \(None, 4\)"):
        sg.remove(sg.open(chosen), "half")
