"""Receptive fields of the named networks against gradients: what one pixel of a feature map truly depends on.

Usage: python scripts/receptive_fields.py [NETWORK ...] [--size PIXELS]

At each stride of a network's pyramid the pixel in the middle of the map is differentiated by the input. Its rows and
columns of gradients that are not zero must be those that the table says, where these lie inside the image. So
that no gradient is zero by chance, kernels are made positive, and the maximum in pooling becomes the mean, which sees
the same pixels.
Fields that a squeeze-and-excite branch widens to the whole input are counted and not compared.
"""

import argparse
import dataclasses

import keras
import numpy as np
import tensorflow as tf

import surgery as sg
from surgery import analysis, zoo


@dataclasses.dataclass
class Compared:
    """One pixel: rows and columns as the table says them, and as the gradients are."""

    address: str
    size: tuple[int, ...]
    said: list[tuple[int, int]]
    found: list[tuple[int, int]]
    pixels: int

    @property
    def agrees(self) -> bool:
        """Whether an end inside the image is that of the gradients; one in the padding may fall short of the border,
        where maps on the way have borders of their own."""
        return all(
            (first == lowest if first > 0 else lowest >= 0) and (last == highest if last < self.pixels - 1 else True)
            for (first, last), (lowest, highest) in zip(self.said, self.found, strict=True)
        )


def compared(graph: sg.Graph, addresses: list[str], pixels: int) -> list[Compared]:
    """Compares the field of the middle pixel of each tensor with its gradients.

    Args:
        graph: a network with one input, an image.
        addresses: calls with feature maps.
        pixels: height and width of the image.
    """
    fields = analysis.receptive_fields(graph)
    pooled = [call.name for call in graph if call.class_name.startswith("MaxPooling")]
    smooth = sg.replace(graph, tuple(pooled), averaging) if pooled else graph
    model = sg.build(sg.tap(smooth, tuple(addresses)), copy=True)
    positive(model)
    picture = tf.Variable(np.random.default_rng(0).uniform(0.5, 1, (1, pixels, pixels, model.input_shape[-1])))
    picture = tf.cast(picture / 1000, "float32")  # so small that no ReLU6 is at its top
    found = []
    for address in addresses:
        one = keras.Model(model.input, model.output[address] if isinstance(model.output, dict) else model.output)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(picture)
            made = one(picture, training=False)
            middle = [side // 2 for side in made.shape[1:-1]]
            value = tf.reduce_sum(made[(0, *middle)])
        touched = np.abs(tape.gradient(value, picture).numpy()[0]).sum(axis=-1) > 0
        rows = [np.flatnonzero(touched.any(axis=1 - axis)) for axis in (0, 1)]
        field = fields[address]
        touched_rows = [(int(row[0]), int(row[-1])) for row in rows]
        found.append(Compared(address, field.size, list(field.at(middle)), touched_rows, pixels))
    return found


def averaging(call: sg.Call) -> keras.layers.Layer:
    """Returns the average pooling of a max pooling."""
    config = {key: call.config[key] for key in ("name", "pool_size", "strides", "padding", "data_format")}
    return keras.layers.AveragePooling2D(**config)


def positive(model: keras.Model) -> None:
    """Makes all kernels positive, small enough that nothing saturates; statistics and shifts do nothing."""
    random = np.random.default_rng(1)
    for variable in model.variables:
        if not variable.dtype.startswith("float"):
            continue
        shape, name = tuple(variable.shape), variable.name
        if "kernel" in name:
            depthwise = "depthwise" in name or (len(shape) == 4 and shape[-1] == 1)
            fan = np.prod(shape[:2]) if depthwise else np.prod(shape[:-1])
            variable.assign(random.uniform(0.5, 1.5, shape) / fan)
        elif any(word in name for word in ("bias", "beta", "mean")):
            variable.assign(np.zeros(shape))
        else:  # gamma, variances, and the scales of ConvNeXt's blocks, which begin at nearly nothing
            variable.assign(np.ones(shape))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--size", type=int, default=224)
    given = parser.parse_args()
    wrong = 0
    for name in given.networks or zoo.NETWORKS:
        options: dict[str, object] = {"input_shape": (given.size, given.size, 3)}
        if name in ("alexnet", "tinyvgg"):
            options = {}
        if "nasnet" in name:
            options["include_top"] = False
        if name.startswith("mobilenetv3"):
            options["include_preprocessing"] = False  # it makes dark images negative, where activations are flat
        whole = sg.open(name, **options)
        fields = analysis.receptive_fields(whole)
        levels = list(sg.feature_levels(whole).values())
        local = [address for address in levels if fields[address] is not None and not fields[address].everything]
        pixels = whole.spec(keras.tree.flatten(whole.inputs)[0]).shape[1]
        rows = compared(whole, local, pixels) if local else []
        wrong += sum(not row.agrees for row in rows)
        sizes = " ".join(f"{row.size[0]}{'' if row.agrees else '!'}" for row in rows)
        print(f"{name:20} {len(rows)} of {len(levels)} compared: {sizes}", flush=True)
        for row in rows:
            if not row.agrees:
                print(f"    {row.address}: said {row.said}, found {row.found}")
        keras.backend.clear_session()
    print(f"{wrong} differ")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
