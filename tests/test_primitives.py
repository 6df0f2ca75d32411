"""The ground floor: `check`, `ordered`, `prune`, `substitute`, on graphs made by hand, without Keras."""

import dataclasses
import json

import pytest

from surgery.core.errors import SurgeryError, listing, nearest, printable
from surgery.core.nested import leaves, packed, rebuilt
from surgery.core.specs import Ref, Spec, Weight, megabytes
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import StoredOp
from surgery.graph.primitives import check, extend, ordered, prune, rename, substitute
from surgery.zoo.graph_json import decode, encode

SPEC = Spec((None, 4))


def op(name):
    return StoredOp({"class_name": "Dense", "config": {"name": name}}, (Weight("kernel", (4, 4)),))


def call(name, *parents, layer=None):
    return Call(name, layer or op(name), tuple(Ref(parent) for parent in parents), {}, SPEC)


X = Call("x", None, (), {}, SPEC)
CHAIN = Graph("chain", (X, call("a", "x"), call("b", "a"), call("side", "a")), Ref("x"), Ref("b"))


def test_check_lets_a_well_formed_graph_pass():
    assert check(CHAIN) is CHAIN


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (dataclasses.replace(CHAIN, calls=(X, call("a", "x"), call("a", "x"))), "two calls named 'a'"),
        (dataclasses.replace(CHAIN, calls=(X, call("b", "nowhere"))), "takes nowhere, which does not exist"),
        (dataclasses.replace(CHAIN, calls=(X, call("b", "a"), call("a", "x"))), "takes a, which comes later"),
        (dataclasses.replace(CHAIN, calls=(X, call("b", "b"))), "takes b, which comes later"),
        (dataclasses.replace(CHAIN, calls=(X, Call("b", op("b"), (Ref("x", 1),), {}, SPEC))), "takes x#1"),
        (
            dataclasses.replace(CHAIN, calls=(X, call("b", "x"), call("b@1", "x", layer=op("b")))),
            "two different layers named 'b'",
        ),
        (dataclasses.replace(CHAIN, outputs=[]), "has no output"),
        (dataclasses.replace(CHAIN, outputs=Ref("gone")), "an end of 'chain' is gone"),
        (dataclasses.replace(CHAIN, inputs=[]), "inputs of 'chain' and its calls without op differ: x"),
        (dataclasses.replace(CHAIN, inputs=Ref("a")), "differ"),
    ],
)
def test_check_names_what_is_wrong(broken, message):
    with pytest.raises(SurgeryError, match=message):
        check(broken)


def test_prune_drops_what_no_output_needs_and_keeps_inputs():
    assert [one.name for one in prune(CHAIN)] == ["x", "a", "b"]
    assert [one.name for one in prune(dataclasses.replace(CHAIN, outputs=Ref("x")))] == ["x"]


def test_ordered_is_runnable_whatever_order_came_in_and_refuses_cycles():
    shuffled = dataclasses.replace(CHAIN, calls=CHAIN.calls[::-1], outputs=[Ref("b"), Ref("side")])
    assert [one.name for one in check(ordered(shuffled))] == ["x", "a", "b", "side"]
    looped = substitute(CHAIN, {Ref("x"): Ref("b")}, but=["side"])
    with pytest.raises(SurgeryError, match="cycle: b <- a <- b"):
        ordered(looped)


def test_ordered_needs_no_recursion():
    calls = (X, *(call(f"c{n}", f"c{n - 1}" if n else "x") for n in range(20_000)))
    deep = Graph("deep", calls[:1] + calls[:0:-1], Ref("x"), Ref("c19999"))
    assert len(ordered(deep)) == 20_001


def test_extend_refuses_a_name_that_is_taken():
    with pytest.raises(SurgeryError, match="already has calls named a"):
        extend(CHAIN, [call("a", "x")])


def test_rename_then_rename_back_is_the_identity():
    there = rename(CHAIN, lambda name: f"new_{name}")
    assert check(there)["new_b"].parents == [Ref("new_a")]
    assert rename(there, lambda name: name.removeprefix("new_")) == CHAIN


def test_a_graph_reads_like_a_value():
    assert CHAIN["a"].params == 16 and CHAIN.params == 48 and "a" in CHAIN and "z" not in CHAIN
    assert CHAIN.spec(Ref("a")) == SPEC
    with pytest.raises(SurgeryError, match=r"no call 'side_' in 'chain'\. Did you mean 'side'"):
        CHAIN["side_"]
    with pytest.raises(SurgeryError, match="there is no a#3"):
        CHAIN.spec(Ref("a", 3))
    with pytest.raises(TypeError):
        hash(CHAIN)


def test_a_graph_survives_json():
    odd = Call(
        "odd", op("odd"), ([Ref("b"), (1, None, slice(0, 2, None), Ellipsis)],), {"k": {"a": Ref("a")}}, (SPEC, SPEC)
    )
    graph = Graph("chain", (*CHAIN.calls, odd), [Ref("x")], {"out": (Ref("odd"), Ref("odd", 1))})
    again = decode(json.loads(json.dumps(encode(graph, lambda one: one.stored))))
    assert again == graph
    with pytest.raises(SurgeryError, match="has no JSON form"):
        encode(dataclasses.replace(CHAIN, calls=(X, Call("b", op("b"), (object(),), {}, SPEC))), lambda one: one.stored)


def test_structures_keep_their_shape():
    structure = {"b": [1, (2, 3)], "a": {"c": 4}}
    assert leaves(structure) == [4, 1, 2, 3]
    assert rebuilt(lambda leaf: leaf * 2, structure) == {"b": [2, (4, 6)], "a": {"c": 8}}
    assert packed(structure, [10, 20, 30, 40]) == {"b": [20, (30, 40)], "a": {"c": 10}}


def test_words():
    assert printable("a\x1b[31mb\n") == "a\\x1b[31mb\\n"
    assert listing("abcdefghij", 3) == "a, b, c and 7 more"
    assert nearest("vgg61", ["vgg16", "resnet50"]) == " Did you mean 'vgg16'?"
    assert nearest("zzz", ["vgg16"]) == ""
    assert [megabytes(size) for size in (2048, 2**20, 553 * 2**20)] == ["2.0 KB", "1.0 MB", "553 MB"]
    assert Weight("w", (3, 4), "bfloat16").bytes == 24 and Weight("s", (), "string").bytes == 1
