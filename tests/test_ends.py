"""`tap`, `cut`, `split`, `crossing`, `inline`: by example, and what they refuse."""

import keras
import numpy as np
import pytest
from networks import arrays_for, assert_same, assert_unchanged, fingerprint, outputs_of, siamese_network

import surgery as sg
from surgery.core.nested import packed
from surgery.core.specs import Ref


def residual():
    """input -> a -> b -> add(a, b) -> head, with a side output on b."""
    x = keras.Input((4,), name="x")
    a = keras.layers.Dense(4, name="a")(x)
    b = keras.layers.Dense(4, name="b")(a)
    total = keras.layers.Add(name="total")([a, b])
    return keras.Model(x, keras.layers.Dense(2, name="head")(total), name="residual")


def test_a_cut_that_misses_a_skip_edge_names_it_and_the_repair():
    model = residual()
    before = fingerprint(model)
    with pytest.raises(sg.SurgeryError) as caught:
        sg.cut(model, inputs="b")
    text = str(caught.value)
    assert "a  (None, 4)  needed by total" in text
    assert "inputs='a, b'" in text
    assert sg.crossing_tensors(model, "b") == [Ref("a"), Ref("b")]
    back = sg.cut(model, inputs="a, b")
    arrays = arrays_for(model)
    middle = sg.build(sg.cut(sg.open(model), outputs="a, b"))(arrays)
    assert_same(outputs_of(back, middle), outputs_of(model, arrays))
    assert_unchanged(model, before)


def test_an_output_before_the_cut_crosses_it_too():
    two = sg.cut(sg.open(residual()), outputs=["head", "a"])
    with pytest.raises(sg.SurgeryError, match="an output of the network"):
        sg.cut(two, inputs="total")


def test_the_cut_of_a_real_network_says_what_the_manual_says():
    graph = sg.open("resnet50")
    with pytest.raises(sg.SurgeryError) as caught:
        sg.cut(graph, inputs="conv3_block1_1_relu")
    assert str(caught.value).splitlines()[1] == "  conv2_block3_out  (None, 56, 56, 256)  needed by conv3_block1_0_conv"


def test_an_input_of_a_cut_takes_the_address_of_its_tensor():
    back = sg.cut(sg.open("tinyvgg"), inputs="block4_pool", outputs="fc2")
    assert back["block4_pool"].op is None
    assert sg.build(back).input_shape == (None, 2, 2, 40)
    named = sg.cut(sg.open("tinyvgg"), inputs={"features": "block4_pool"}, outputs={"code": "fc2"})
    assert named.inputs == {"features": Ref("features")}
    assert set(sg.build(named)({"features": np.zeros((1, 2, 2, 40))})) == {"code"}


def test_inputs_beside_the_cut_stay():
    graph = sg.open(siamese_network())
    back = sg.cut(graph, inputs="trunk@0")
    assert [str(ref) for ref in back.inputs] == ["trunk_input", "right"]
    with pytest.raises(sg.SurgeryError, match="also needs right"):
        sg.split(graph, "trunk@0")


def seq2seq(structure=list):
    """An encoder and a decoder that starts in its states; the inputs in a list or a dict."""
    words, answer = keras.Input((5,), dtype="int32", name="words"), keras.Input((4,), dtype="int32", name="answer")
    embedded = keras.layers.Embedding(9, 3, name="embedded")
    _, *states = keras.layers.LSTM(4, return_state=True, name="encoder")(embedded(words))
    decoded = keras.layers.LSTM(4, return_sequences=True, name="decoder")(embedded(answer), initial_state=states)
    inputs = {"words": words, "answer": answer} if structure is dict else structure([words, answer])
    return keras.Model(inputs, keras.layers.Dense(9, name="scores")(decoded), name="seq2seq")


@pytest.mark.parametrize("form", ["live", ".keras", ".h5"])
def test_a_cut_drops_the_inputs_that_nothing_needs(form, tmp_path):
    model = seq2seq()
    graph = sg.open(model)
    if form != "live":
        model.save(tmp_path / f"seq2seq{form}")
        graph = sg.open(tmp_path / f"seq2seq{form}")
    encoder = sg.cut(graph, outputs=["encoder#1", "encoder#2"])
    assert encoder.inputs == Ref("words") and "answer" not in encoder
    assert encoder.notes[-1] == "answer: no longer an input, as nothing that is left needs it"
    words = np.array([[1, 2, 3, 0, 8]], "int32")
    answer = np.zeros((1, 4), "int32")
    stock = keras.Model(model.input, model.get_layer("encoder").output)
    built = sg.build(encoder)
    assert_same(outputs_of(built, words), outputs_of(stock, [words, answer])[1:])
    assert [tensor.name for tensor in built.inputs] == ["words"]
    assert_same(built.predict(words, verbose=0), outputs_of(built, words))
    tapped = sg.tap(graph, "encoder")
    assert tapped.inputs == graph.inputs and not tapped.notes


def test_a_dict_of_inputs_loses_what_nothing_needs():
    graph = sg.open(seq2seq(dict))
    assert sg.cut(graph, outputs="encoder#1").inputs == {"words": Ref("words")}
    assert sg.cut(graph, outputs="decoder").inputs == graph.inputs
    assert sg.build(sg.cut(graph, outputs="encoder#1"))({"words": np.ones((1, 5), "int32")}).shape == (1, 4)


def test_an_input_that_is_named_stays_or_is_refused():
    graph = sg.open(seq2seq())
    assert sg.cut(graph, inputs="words", outputs="encoder#1").inputs == Ref("words")
    with pytest.raises(sg.SurgeryError, match="nothing beyond the cut needs answer: leave it out"):
        sg.cut(graph, inputs="words, answer", outputs="encoder#1")
    back = sg.cut(graph, inputs="encoder#1, encoder#2", outputs="decoder")
    assert [str(ref) for ref in back.inputs] == ["encoder_1", "encoder_2", "answer"] and not back.notes
    taken = graph.address(graph["encoder"].parents[0])
    beyond = sg.cut(graph, inputs={"states": taken}, outputs="encoder#1")
    assert list(beyond.inputs) == ["states"] and beyond.notes == (
        "answer: no longer an input, as nothing that is left needs it",
    )


def test_an_input_that_is_an_output_is_needed():
    model = siamese_network()
    both = sg.cut(model, outputs=["trunk@0", "right"])
    assert [tensor.name for tensor in both.inputs] == ["left", "right"]
    assert sg.cut(model, outputs="trunk@1").input.name == "right"


def test_a_tensor_that_nothing_beyond_the_cut_needs_is_refused():
    with pytest.raises(sg.SurgeryError, match="nothing beyond the cut needs block1_pool"):
        sg.cut(sg.open("tinyvgg"), inputs="block1_pool, block3_pool")
    with pytest.raises(sg.SurgeryError, match="needs inputs=, outputs= or both"):
        sg.cut(sg.open("tinyvgg"))


def test_split_of_a_model_is_two_models(tinyvgg):
    front, back = sg.split(tinyvgg, "block3_pool")
    arrays = arrays_for(tinyvgg)
    assert_same(outputs_of(back, front(arrays)), outputs_of(tinyvgg, arrays))


def test_a_tap_inside_a_wrapped_backbone_called_twice():
    """Trap 3: stock Keras says that the output is not connected."""
    model = siamese_network()
    arrays = arrays_for(model)
    tapped = sg.tap(model, "trunk/relu")
    values = tapped(arrays, training=False)
    assert set(values) == {"trunk/relu", "trunk@1/relu"}
    inner = keras.Model(model.get_layer("trunk").input, model.get_layer("trunk").get_layer("relu").output)
    for side, address in zip(arrays, values, strict=True):
        np.testing.assert_array_equal(np.asarray(values[address]), np.asarray(inner(side, training=False)))


def test_inline_of_models_in_models():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="d")], name="inner")
    middle_in = keras.Input((4,))
    middle = keras.Model(middle_in, keras.layers.ReLU(name="r")(inner(middle_in)), name="middle")
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(4, name="d")(middle(middle(x))), name="outer")
    arrays = arrays_for(model)
    flat = sg.inline(sg.open(model))
    assert [call.name for call in flat if call.op is not None] == ["inner_d", "r", "inner_d@1", "r@1", "d"]
    assert_same(outputs_of(sg.build(flat), arrays), outputs_of(model, arrays))
    with pytest.raises(sg.SurgeryError, match="no nested model matches; those of 'outer': middle"):
        sg.inline(model, "d")


def test_inline_keeps_the_training_argument_of_the_nested_call():
    """`base(x, training=False)` is what the transfer guides write; the calls inside must hear of it."""
    base = keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization(name="norm"), keras.layers.Dense(4, name="dense")],
        name="base",
    )
    x = keras.Input((4,))
    model = keras.Model(x, base(x, training=False))
    flat = sg.inline(sg.open(model))
    assert flat["norm"].kwargs.get("training") is False
    arrays = arrays_for(model)
    assert_same(outputs_of(sg.build(flat), arrays), outputs_of(model, arrays))


def test_taps_are_one_model_and_calls_that_nothing_needs_are_gone(tinyvgg):
    tapped = sg.tap(tinyvgg, {"low": "block2_pool", "high": "block4_pool"})
    assert set(tapped.output) == {"low", "high"}
    assert not [layer.name for layer in tapped.layers if layer.name.startswith(("block5", "fc"))]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (keras.Sequential([keras.layers.Dense(2)], name="unbuilt"), "has not been built"),
        (type("Own", (keras.Model,), {"call": lambda self, x: x})(name="own"), "not a graph of layers"),
        (3, "a keras.Model, a path or a name was expected"),
    ],
)
def test_what_is_no_graph_is_refused(model, message):
    with pytest.raises(sg.SurgeryError, match=message):
        sg.tap(model, "*")


def test_a_functional_model_with_its_own_training_is_opened():
    class Trainer(keras.Model):
        def train_step(self, data):
            raise NotImplementedError

    x = keras.Input((4,))
    model = Trainer(x, keras.layers.Dense(2)(x))
    arrays = arrays_for(model)
    assert_same(outputs_of(sg.build(sg.open(model)), arrays), outputs_of(model, arrays))


def test_a_path_in_the_place_of_a_network_says_open_it():
    with pytest.raises(sg.SurgeryError, match="open it first"):
        sg.tap("vgg16", "block1_pool")


def with_a_mask(layer):
    """A network in which a layer is given masked words, and an LSTM the mask of the same by name."""
    tokens = keras.Input((5,), dtype="int32", name="tokens")
    words = keras.layers.Embedding(9, 4, mask_zero=True, name="words")(tokens)
    return keras.Model(tokens, layer(words), name="masked")


UNNAMED = {
    "attention by keyword": lambda x: keras.layers.MultiHeadAttention(2, 3, name="taker")(query=x, value=x),
    "attention by position": lambda x: keras.layers.GroupQueryAttention(2, 2, 1, name="taker")(x, x),
    "a list": lambda x: keras.layers.Attention(name="taker")([x, x]),
    "behind a merge": lambda x: keras.layers.Attention(name="taker")([keras.layers.Add(name="sum")([x, x]), x]),
    "in another precision": lambda x: keras.layers.LSTM(3, dtype="mixed_bfloat16", name="taker")(x),
}
FREE = {
    "a mask by name": (lambda x: keras.layers.LSTM(3)(x), 2),
    "no mask is taken": (lambda x: keras.layers.Dense(3)(x), 1),
    "a mask that Keras drops": (lambda x: keras.layers.GRU(4)(x, initial_state=x[:, 0]), 1),
}


@pytest.mark.parametrize("kind", UNNAMED)
def test_a_cut_that_would_lose_a_mask_is_refused(kind):
    model = with_a_mask(UNNAMED[kind])
    with pytest.raises(sg.SurgeryError, match=r"'words' carries a mask that 'taker' .* takes without naming it"):
        sg.cut(model, inputs="words")


@pytest.mark.parametrize("kind", FREE)
def test_a_cut_behind_a_mask_computes_the_same(kind):
    layer, crossing = FREE[kind]
    graph = sg.open(with_a_mask(layer))
    tokens = np.array([[1, 2, 0, 0, 3], [4, 5, 6, 0, 0]])
    at = sg.crossing_tensors(graph, "words")
    assert len(at) == crossing
    back = sg.cut(graph, inputs=at)
    middle = outputs_of(sg.build(sg.cut(graph, outputs=at)), tokens)
    assert_same(outputs_of(sg.build(back), packed(back.inputs, middle)), outputs_of(sg.build(graph), tokens))
