"""Random sequences of edits on random networks, each step checked against an eager interpreter of the graph.

`SURGERY_SEQUENCES=1000 pytest tests/test_sequences.py` is the long mode. Hypothesis prints the seed of a failure; an
`@example(seed=...)` above the test replays it.
"""

import os

import keras
import numpy as np
from hypothesis import Phase, given, settings
from hypothesis.strategies import integers
from networks import arrays_for, assert_unchanged, fingerprint, numpy_of, random_network

import surgery as sg
from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref
from surgery.graph.primitives import check
from surgery.keras_bridge.standins import Copies

COUNT = int(os.environ.get("SURGERY_SEQUENCES", "100"))


def interpreted(graph, arrays_by_name):
    """Runs a graph call by call, on the ops' own layers, without Keras' graph: the oracle."""
    tensors = {Ref(name): keras.ops.convert_to_tensor(value) for name, value in arrays_by_name.items()}
    copies = Copies()
    with copies.of(graph.calls):
        for call in graph:
            if call.op is None:
                continue
            args, kwargs = rebuilt(lambda x: tensors[x] if isinstance(x, Ref) else x, (call.args, dict(call.kwargs)))
            output = copies.layer_for(call)(*args, **kwargs)
            tensors.update(zip(call.refs, leaves(output), strict=True))
    return [numpy_of(tensors[ref]) for ref in leaves(graph.outputs)]


def edits(random, graph, number):
    """Returns one random edit, as a name and a function."""
    inner = [call.name for call in graph if call.op is not None and call.specs[0].dtype == "float32"]
    if not inner:
        return "nothing", lambda: graph
    place = inner[random.integers(0, len(inner))]
    ref = graph[place].refs[0]
    flat = [str(one) for one in leaves(graph.outputs)]
    used = ref in graph.consumers or place in flat
    found = [
        ("tap", lambda: sg.tap(graph, {f"tap{number}": ref})),
        ("graft", lambda: sg.graft(graph, lambda x: keras.ops.tanh(x) * 0.5, at=ref, keep=True)),
        ("inline", lambda: sg.inline(graph) if any(call.op and call.op.inner for call in graph) else graph),
    ]
    if used:
        found += [
            ("insert", lambda: sg.insert(graph, keras.layers.ReLU(name=f"new{number}"), after=ref)),
            (
                "replace",
                lambda: sg.replace(graph, place, lambda call: keras.layers.Identity() if _one(call, graph) else None),
            ),
            ("skip", lambda: sg.rewire(graph, leaves(graph.inputs)[0], into=ref)),
            ("remove", lambda: sg.remove(graph, place)),
            ("unshare", lambda: sg.unshare(graph, f"{place}@0" if "@" not in place else place)),
        ]
    return found[random.integers(0, len(found))]


def _one(call, graph):
    parents = set(call.parents)
    return len(parents) == 1 and graph.spec(parents.pop()) == call.specs[0]


@settings(max_examples=COUNT, deadline=None, derandomize=True, print_blob=True, phases=(Phase.explicit, Phase.generate))
@given(seed=integers(0, 2**31 - 1))
def test_a_sequence_of_edits_builds_what_the_graph_says(seed):
    random = np.random.default_rng(seed)
    donor = random_network(seed)
    before = fingerprint(donor)
    graph = sg.open(donor)
    arrays = arrays_for(donor)
    names = {str(ref): value for ref, value in zip(leaves(graph.inputs), leaves(arrays), strict=True)}
    done = []
    for number in range(6):
        name, edit = edits(random, graph, number)
        calls = graph.calls
        try:
            new = edit()
        except sg.SurgeryError as error:  # refused: with a message, and the graph as it was
            assert len(str(error)) > 20 and graph.calls is calls
            continue
        done.append(name)
        graph = check(new)
    model = sg.build(graph)
    given = rebuilt(lambda ref: names[str(ref)], graph.inputs)
    ours = [numpy_of(value) for value in leaves(model(given, training=False))]
    expected = interpreted(graph, names)
    assert len(ours) == len(expected), done
    for mine, other in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(mine, other, err_msg=f"seed {seed}: {done}")
    assert_unchanged(donor, before)
