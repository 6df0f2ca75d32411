"""The content of one photograph in the style of another. Gatys, Ecker & Bethge 2015, arXiv:1508.06576, section 2.

The network is tapped before its activations, and stays as it is; what trains is the image, which is the weight of an
Embedding with one entry. `fit` starts from the content, and compares how far the style of the result is from the style
photograph, and its content from the content photograph, with where each of the two photographs stands itself.
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    style: tuple = ("block1_conv1", "block2_conv1", "block3_conv1"),
    content: str = "block2_conv2",
    height: int = 96,
    width: int = 128,
):
    """Taps a network before its activations.

    Args:
        style: the layers that tell the style.
        content: the layer that tells the content.
        height: of the image, in pixels.
        width: of the image, in pixels.
    """
    graph = sg.preprocess(sg.open(backbone, weights=weights))
    graph = sg.unfuse(graph, ", ".join(dict.fromkeys((*style, content))))
    graph = sg.tap(graph, {**{f"style{number}": tap for number, tap in enumerate(style, 1)}, "content": content})
    return sg.freeze(sg.resize(graph, (height, width, 3)), "**")


def fit(
    model: keras.Model, steps: int = 200, weight: float = 30.0, smooth: float = 8.0, rate: float = 0.02, seed: int = 0
):
    """Trains, and measures beside the baseline.

    Args:
        steps: of the optimizer on the image.
        weight: of the style, beside the content's 1.
        smooth: weight of smoothness, beside the content's 1.
        rate: learning rate of the image, whose values are 0 to 1.
    """
    keras.utils.set_random_seed(seed)
    _, height, width, _ = model.input_shape
    photographs = {"content": sg.samples.photograph("china", height, width)[None]}
    photographs["style"] = sg.samples.photograph("flower", height, width)[None]
    taps = {what: model.predict(image_bhwc, verbose=0) for what, image_bhwc in photographs.items()}
    styles = [name for name in taps["style"] if name != "content"]

    start = keras.initializers.Constant(photographs["content"].reshape(1, -1))
    only = keras.Input((), dtype="int32", name="only")
    pixels = keras.layers.Embedding(1, height * width * 3, embeddings_initializer=start, name="pixels")(only)
    picture = keras.layers.Reshape((height, width, 3), name="picture")(pixels)
    painter = keras.Model(only, {**model(picture), "smooth": picture})

    def distance(name):
        kind = sg.parts.content_loss if name == "content" else sg.parts.style_loss
        return lambda wanted, found: kind(found, wanted)

    wanted = {**{name: taps["style"][name] for name in styles}, "content": taps["content"]["content"]}
    weights = {**{name: weight / len(styles) for name in styles}, "content": 1.0}
    losses = {**{name: distance(name) for name in wanted}, "smooth": lambda _, found: sg.parts.total_variation(found)}
    painter.compile(keras.optimizers.Adam(rate), losses, loss_weights={**weights, "smooth": smooth})
    goal = {**wanted, "smooth": photographs["content"]}
    history = painter.fit(np.zeros(1, "int32"), goal, epochs=steps, callbacks=[sg.tasks.EpochBar()], verbose=0)
    painted_bhwc = np.asarray(keras.Model(only, picture)(np.zeros(1, "int32"))).clip(0, 1)
    made = model.predict(painted_bhwc, verbose=0)

    def far(one, what):
        names = styles if what == "style" else ["content"]
        return float(np.mean([float(distance(name)(wanted[name], one[name])) for name in names]))

    return {
        "distance to the style": far(made, "style"),
        "of the content photograph": far(taps["content"], "style"),
        "distance to the content": far(made, "content"),
        "of the style photograph": far(taps["style"], "content"),
        "loss": f"{history.history['loss'][0]:.3g} -> {history.history['loss'][-1]:.3g} in {steps} steps",
        "image": sg.tasks.image_grid([np.concatenate([*photographs.values(), painted_bhwc])]),
    }
