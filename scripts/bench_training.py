"""Training and feature extraction against stock Keras, as ratios in one run, with the accuracy beside.

Usage: python scripts/bench_training.py [--quick]

1. A head on a frozen VGG16 trunk (random weights, 96 px, 400 images), 10 epochs: fit_cached against fit.
2. Features of VGG16 at 224 px: extract against model.predict on decoded images, a new model each time, medians of
   three rounds; three taps against one; bfloat16.
3. What a FreezeCheck costs, as a part of an epoch.
4. A short fit of a deep network (linknet on tinyvgg, 4 steps) with EpochBar and without; one fit of many epochs against
   many fits of one.
"""

import pathlib
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

import surgery as sg
from surgery.recipe import files as cookbook


def seconds(work, times: int = 1) -> float:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def headed(pixels: int, trunk) -> keras.Model:
    """A head on a frozen trunk; the same head each time."""
    keras.utils.set_random_seed(1)
    x = keras.Input((pixels, pixels, 3))
    y = keras.layers.GlobalAveragePooling2D(name="gap")(trunk(x))
    model = keras.Model(x, keras.layers.Dense(5, name="head")(y))
    sg.freeze(model, trunk.name)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
    return model


def cached(count: int, epochs: int) -> None:
    keras.utils.set_random_seed(0)
    trunk = keras.applications.VGG16(weights=None, include_top=False, input_shape=(96, 96, 3))
    random = np.random.default_rng(0)
    images_bhwc, labels = random.random((count, 96, 96, 3), "float32"), random.integers(0, 5, count)
    images_bhwc += labels[:, None, None, None] / 5
    options = {"batch_size": 32, "shuffle": False, "verbose": 0}
    for model in (headed(96, trunk), headed(96, trunk)):  # tracing is not what is measured
        model.fit(images_bhwc[:64], labels[:64], **options)
    plain, ours = headed(96, trunk), headed(96, trunk)
    start = time.perf_counter()
    history = plain.fit(images_bhwc, labels, epochs=epochs, **options)
    stock = time.perf_counter() - start
    start = time.perf_counter()
    found = sg.fit_cached(ours, images_bhwc, labels, epochs=epochs, **options)
    taken = time.perf_counter() - start
    ends = history.history["loss"][-1], found.history["loss"][-1]
    print(f"{epochs} epochs of a head on VGG16, {count} pictures: fit {stock:.1f} s, fit_cached {taken:.1f} s")
    print(
        f"  ratio {stock / taken:.1f} x; final loss {ends[0]:.6f} and {ends[1]:.6f}, "
        f"{abs(ends[0] / ends[1] - 1):.1e} apart"
    )
    print(f"  accuracy {history.history['accuracy'][-1]:.4f} and {found.history['accuracy'][-1]:.4f}; {found.cached}")
    freeze_check(plain, images_bhwc, labels, options)


def freeze_check(model, images_bhwc, labels, options) -> None:
    model.fit(images_bhwc, labels, epochs=1, **options)
    epoch = seconds(lambda: model.fit(images_bhwc, labels, epochs=1, **options))
    check = sg.FreezeCheck(model, "vgg16")
    check.on_train_begin()
    model.train_on_batch(images_bhwc[:32], labels[:32])
    check.check()
    cost = seconds(check.check, 3)
    print(f"a FreezeCheck of 14.7 million parameters: {cost:.3f} s, {cost / epoch:.1%} of an epoch of {epoch:.1f} s")


def short_fits(rounds: int) -> None:
    """A fit of four steps spends its time on tracing: twice, where the slots of the optimizer are made in a step."""
    random = np.random.default_rng(0)
    images_bhwc = random.random((64, 32, 32, 3), "float32")
    recipe = cookbook.load("linknet").wire({})
    wanted = random.random((64, *sg.build(recipe).output_shape[1:]), "float32")

    def fitted(callbacks):
        keras.utils.set_random_seed(0)
        model = sg.unfreeze(sg.build(recipe, copy=True))
        model.compile(keras.optimizers.Adam(1e-3), "mse")
        start = time.perf_counter()
        model.fit(images_bhwc, wanted, batch_size=16, shuffle=False, callbacks=callbacks, verbose=0)
        return time.perf_counter() - start, model.get_weights()

    fitted([])  # what the first fit of a process takes beside
    runs = [(fitted([]), fitted([sg.tasks.EpochBar()])) for _ in range(rounds)]
    stock, ours = (min(run[side][0] for run in runs) for side in (0, 1))
    apart = max(float(np.abs(a - b).max()) for a, b in zip(runs[0][0][1], runs[0][1][1], strict=True))
    print(f"4 steps of linknet: fit {stock:.1f} s, with EpochBar {ours:.1f} s, {stock / ours:.2f} x")
    print(f"  weights {apart} apart after them")

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = random.random((200, 8), "float32")
    model.fit(x, x[:, :1], verbose=0)
    one = seconds(lambda: model.fit(x, x[:, :1], epochs=20, verbose=0))
    many = seconds(lambda: [model.fit(x, x[:, :1], verbose=0) for _ in range(20)])
    print(f"20 epochs of a Dense layer: one fit {one:.1f} s, 20 fits {many:.1f} s, {many / one:.1f} x")


def features(count: int) -> None:
    keras.utils.set_random_seed(0)
    model = keras.applications.VGG16(weights=None)
    graph = sg.open(model)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        random = np.random.default_rng(0)
        for number in range(count):
            image = tf.constant(random.integers(0, 255, (256, 300, 3)).astype("uint8"))
            (folder / f"{number:04}.jpg").write_bytes(tf.io.encode_jpeg(image).numpy())
        files = sorted(map(str, folder.iterdir()))

        def stock():
            tapped = keras.Model(model.inputs, model.get_layer("block5_pool").output)
            images = tf.data.Dataset.from_tensor_slices(files).map(decoded, num_parallel_calls=tf.data.AUTOTUNE)
            return tapped.predict(images.batch(16).prefetch(2), verbose=0)

        def decoded(file):
            return tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(file)), (224, 224))

        def ours(where, dtype=None):
            return sg.extract_features(graph, where, folder, dtype=dtype, batch_size=16)

        one = ours("block5_pool")
        works = {
            "stock predict": stock,
            "extract, 1 tap": lambda: ours("block5_pool"),
            "extract, 3 taps": lambda: ours("block3_pool, block4_pool, block5_pool"),
        }
        rounds = [{what: seconds(work) for what, work in works.items()} for _ in range(3)]
        times = {what: sorted(one[what] for one in rounds)[1] for what in works}
        for what, taken in times.items():
            print(f"{what}: {count / taken:.1f} images/s, {times['stock predict'] / taken:.2f} x stock")
        print(f"  3 taps take {times['extract, 3 taps'] / times['extract, 1 tap']:.2f} x the time of one")
        if not has_bfloat16():
            print("bfloat16: skipped, this processor has neither AMX nor AVX512-BF16")
            return
        half = ours("block5_pool", "bfloat16")
        taken = seconds(lambda: ours("block5_pool", "bfloat16"), 2)
        a, b = (found.features["block5_pool"].reshape(count, -1) for found in (one, half))
        cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        print(
            f"bfloat16: {count / taken:.1f} images/s, {times['extract, 1 tap'] / taken:.1f} x float32; "
            f"cosine {cosine.min():.5f}"
        )


def has_bfloat16() -> bool:
    try:
        flags = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def main() -> None:
    quick = "--quick" in sys.argv
    short_fits(1 if quick else 3)
    cached(100 if quick else 400, 10)
    features(32 if quick else 128)


if __name__ == "__main__":
    main()
