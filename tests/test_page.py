"""The page of a network in a real browser: it opens from disk, is searched, folded, clicked and copied from."""

import shutil

import keras
import numpy as np
import pytest
from conftest import BROWSERS
from networks import encoder_network, siamese_network

import surgery as sg
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import StoredOp
from surgery.selectors.select import selected

BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
pytestmark = pytest.mark.needs_browser
WAIT = 60_000  # milliseconds, where another test shares the machine


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Draws a network, opens its page from disk; what goes wrong in it fails the test."""
    faults, pages = [], []

    def open_page(x, **options):
        path = sg.plot(x, tmp_path / "page.html", **options)
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: None if request.url.startswith("file:") else faults.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        pages.append(context)
        return page

    yield open_page
    for context in pages:
        context.close()
    assert faults == []


@pytest.fixture(scope="module")
def cut():
    """tinyvgg cut, frozen in part, with a new head; and its donor."""
    donor = sg.open("tinyvgg", weights="pretrained")
    graph = sg.freeze(sg.cut(donor, outputs="block3_pool"), "block1_*")
    return sg.graft(graph, [keras.layers.Flatten(name="flat"), keras.layers.Dense(5, name="digits")]), donor


def names(page, kind=".node"):
    return [
        label.split(",")[0]
        for label in page.locator(kind).evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    ]


def test_every_call_is_drawn_and_told_apart_by_its_origin(opened, cut):
    graph, donor = cut
    page = opened(graph, donor=donor)
    assert set(names(page)) == {*(call.name for call in graph), *(call.name for call in donor)}
    assert page.locator("#legend li").all_inner_texts() == ["kept from the donor", "kept and frozen", "new", "dropped"]
    fill = {
        name: page.locator(f'.node[aria-label^="{name},"] rect').get_attribute("fill")
        for name in ("block1_conv1", "block2_conv1", "digits", "fc1")
    }
    assert len(set(fill.values())) == 4
    assert page.locator(".node.dropped").count() == len(donor) - 11


SELECTORS = [
    *("block*_conv1", ":Conv2D", ":Max*", "..block3_pool", "block4_pool..", "block1_pool..block2_pool"),
    *("[stride=8]", ":Conv2D[filters=24]", "[params>5000] & !:Dense", "block1_*, fc1", "[macs>1e6]", "[field>=196]"),
    *(
        "[narrow] & :Conv2D",
        "[name=fc1]",
        ":Dense[activation=softmax]",
        "[kernel_size=3]",
        "'fc1', fc2",
        "!..block5_pool",
        ":Dense[units=64]",
    ),
]


def test_the_search_means_what_where_means(opened, cut):
    page = opened(cut[1])
    for where in SELECTORS:
        assert page.evaluate("text => network.select(text)", where) == [call.name for call in sg.select(cut[1], where)]


def test_the_search_means_what_where_means_in_nested_models(opened):
    model = siamese_network()
    page = opened(model)
    for where in ("trunk/*", "**/conv", "trunk@0/norm", "trunk@1", ":BatchNormalization", "left..trunk/pool", "..same"):
        theirs = {*page.evaluate("text => network.select(text)", where)}
        assert theirs == set(selected(sg.open(model), where)), where


def test_a_search_marks_counts_and_says_what_is_wrong(opened, cut):
    page = opened(cut[1])
    page.keyboard.press("/")
    page.keyboard.type(":Conv2D")
    assert page.locator("#found").inner_text() == "13 of 23 calls"
    assert len(names(page, ".node.match")) == 13
    page.keyboard.press("Enter")
    assert page.locator("#panel h2").inner_text() == "13 calls"
    assert 'sg.tap(graph, ":Conv2D")' in page.locator("#panel").inner_text()
    page.fill("#where", "blok1_conv1")
    assert page.locator("#found").inner_text() == "nothing matches blok1_conv1"


def test_a_click_shows_configuration_shapes_and_statistics(opened, cut):
    page = opened(cut[1])
    page.locator('.node[aria-label^="block1_conv2,"]').click()
    panel = page.locator("#panel").inner_text()
    for text in ("block1_conv2", "(None, 32, 32, 16)", "kernel_size", "[3,3]", "mean ", "std ", "2,320"):
        assert text in panel
    assert page.locator("#panel .bars").count() == 2


def test_hovering_lights_the_paths_to_and_from_a_call(opened):
    a = keras.Input((4,), name="a")
    b, c = (keras.layers.Dense(4, name=name)(a) for name in ("b", "c"))
    end = keras.layers.Dense(2, name="end")(keras.layers.Add(name="sum")([b, c]))
    page = opened(keras.Model(a, end))
    page.locator('.node[aria-label^="b,"]').hover()
    assert set(names(page, ".node.lit")) == {"a", "b", "sum", "end"}
    assert page.locator(".edge.lit").count() == 3


def test_two_calls_are_chosen_and_their_line_is_copied_and_runs(opened, cut):
    page = opened(cut[1])
    page.locator('.node[aria-label^="block2_pool,"]').click()
    page.locator('.node[aria-label^="block3_pool,"]').click(modifiers=["Shift"])
    assert page.locator("#panel h2").inner_text() == "2 calls"
    page.locator("#panel button").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line == 'graph = sg.tap(graph, "block2_pool, block3_pool")'
    space = {"sg": sg, "graph": cut[1]}
    exec(line, space)
    assert list(space["graph"].outputs) == ["block2_pool", "block3_pool"]


def test_the_line_means_what_was_chosen_and_no_more(opened):
    x = keras.Input((4,), name="x")
    shared = keras.layers.Dense(4, name="shared")
    y = shared(shared(x))
    for name in ("a*", "ab", "it's"):
        y = keras.layers.Dense(4, name=name)(y)
    graph = sg.open(keras.Model(x, y))
    page = opened(graph)
    for name in ("shared", "shared@1", "a*", "ab", "it's"):
        page.locator(f'.node[data-key="{[call.name for call in graph].index(name)}"]').click()
        line = page.locator("#panel pre").first.inner_text()
        assert list(eval(line.removeprefix("graph = "), {"sg": sg, "graph": graph}).calls)[-1].name == name


def test_a_changed_model_of_another_name_opens(opened):
    page = opened(sg.diff(encoder_network("enc", "pqr"), encoder_network("enc2", "pr"), weights=False))
    page.click("#models")
    assert {"p", "q", "r"} <= set(names(page))


def test_stages_fold_and_unfold(opened, cut):
    page = opened(cut[1])
    page.click("#stages")
    assert page.locator(".node").count() == 7  # strides 1 to 32, and the head
    assert page.locator(".edge").count() == 6
    page.locator(".node").nth(1).dblclick()
    assert "block2_conv1" in names(page)
    page.click("#stages")
    page.click("#stages")
    assert page.locator(".node").count() == 23


def test_nested_models_fold_and_unfold(opened):
    page = opened(siamese_network())
    assert {"trunk", "trunk@1", "difference", "left", "right", "same"} == set(names(page))
    page.click("#models")
    assert names(page).count("conv") == 2
    assert "trunk" not in names(page)
    assert page.locator(".box").count() == 2
    page.locator(".boxname").first.click()
    assert names(page).count("conv") == 1


def test_it_is_reached_from_the_keyboard(opened, cut):
    page = opened(cut[1])
    page.locator('.node[tabindex="0"]').focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("#panel h2").inner_text() == "block1_conv2"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    assert page.locator("#panel h2").inner_text() == "2 calls"
    page.keyboard.press("Escape")
    assert page.locator("#panel").inner_text() == ""
    labels = page.locator(".node").evaluate_all("all => all.every(one => one.getAttribute('role') === 'button')")
    assert labels and page.locator('.node[tabindex="0"]').count() == 1
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select')].filter(one => !(one.textContent.trim() || "
        "one.getAttribute('aria-label') || (one.labels && one.labels.length))).length"
    )
    assert unnamed == 0


def test_it_is_dark_where_people_want_it(opened, cut):
    page = opened(cut[1])
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.emulate_media(color_scheme="dark")
    page.reload()
    page.wait_for_selector("html[data-ready=yes]")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_colours_change_with_what_is_asked(opened, cut):
    page = opened(cut[1])
    seen = set()
    for way in ("trainable", "stage", "macs"):
        page.select_option("#colour", way)
        seen.add(tuple(page.locator(".node rect").evaluate_all("all => all.map(one => one.getAttribute('fill'))")))
    assert len(seen) == 3


def test_names_of_strangers_are_text(opened):
    """Names in a file can be anything; nothing of them runs, in the page or where its data end."""
    hostile = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(2)>",
        "a\"b'c",
        "\x1b[31mred",
        "&lt;b&gt;",
    ]
    x = Call("in", None, output=Spec((None, 4)))
    calls = [x]
    for name in hostile:
        op = StoredOp(
            {"class_name": "<b>Dense</b>", "config": {"name": name, "<i>key</i>": "<script>alert(3)</script>"}}
        )
        calls.append(Call(name, op, (Ref(calls[-1].name),), output=Spec((None, 4))))
    graph = Graph("<title>alert(4)", tuple(calls), [Ref("in")], [Ref(calls[-1].name)])
    page = opened(graph)
    assert page.locator(".node").count() == 6
    assert page.locator("img, b, i:not(#legend i)").count() == 0
    page.locator(".node").nth(2).click()
    assert page.locator("#panel h2").inner_text() == hostile[1]
    assert "<script>alert(3)</script>" in page.locator("#panel").inner_text()


MOVED = """async (moves) => {
  const canvas = document.getElementById('canvas'), sheet = canvas.querySelector('svg');
  const places = () => [...canvas.querySelectorAll('.node rect')].filter((one) => one.checkVisibility()).map((one) => {
    const box = one.getBoundingClientRect();
    return [box.left, box.top, box.right, box.bottom];
  });
  const found = [];
  for (const [deltaY, clientX, clientY] of moves) {
    canvas.dispatchEvent(new WheelEvent('wheel', { deltaY, clientX, clientY, cancelable: true }));
    const before = places(), glides = sheet.classList.contains('gliding');
    while (sheet.classList.contains('gliding')) await new Promise(requestAnimationFrame);
    const after = places();
    const seen = (box) => box[0] < innerWidth && box[1] < innerHeight && box[2] > 0 && box[3] > 0;
    found.push([glides, before.filter(seen), after.filter(seen)]);
  }
  return found;
}"""


@pytest.mark.parametrize("source", ["tinyvgg", "nasnetmobile"])  # the second is drawn only where it is in sight
def test_what_slides_under_the_hand_lies_where_it_is_drawn_at_rest(opened, source):
    page = opened(sg.open(source))
    rng = np.random.default_rng(0)
    moves = [
        [float(rng.uniform(-500, 500)), float(rng.uniform(0, 1280)), float(rng.uniform(120, 800))] for _ in range(20)
    ]
    found = page.evaluate(MOVED, moves)
    assert sum(glides for glides, *_ in found) > 10
    assert any(len(before) > 3 for _, before, _ in found)
    for _, before, after in found:
        assert len(before) == len(after)
        np.testing.assert_allclose(before, after, atol=1)


def test_a_call_is_clicked_while_the_picture_slides(opened, cut):
    page = opened(cut[1])
    page.mouse.move(640, 400)
    page.mouse.wheel(0, -200)
    page.locator(".node").nth(3).click()
    assert page.locator("#panel h2").inner_text() == names(page)[3]


def test_a_large_network_opens(opened):
    """NASNetLarge, in how many seconds: scripts/bench_looking.py."""
    page = opened(sg.open("nasnetlarge"))
    assert page.locator(".node").count() == 1041


def test_ten_thousand_calls_open_with_their_stages_folded(opened):
    calls = [Call("in", None, output=Spec((None, 4)))]
    for number in range(10_000):
        op = StoredOp({"class_name": "ReLU", "config": {"name": f"r{number}"}})
        calls.append(Call(f"r{number}", op, (Ref(calls[-1].name),), output=Spec((None, 4))))
    page = opened(Graph("long", tuple(calls), [Ref("in")], [Ref("r9999")]))
    assert page.locator(".node").count() == 1
    page.fill("#where", "..r9998")
    assert page.locator("#found").inner_text() == "10000 of 10001 calls"
