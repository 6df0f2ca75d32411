"""Labelled images as a `tf.data.Dataset`: decoded in parallel, a batch at a time; what cannot be read is left out.

No Python runs in a pass, but for images that Pillow has to decode: a process that ends in the middle of a pass would
wait for it forever.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError
from surgery.data.image_files import ImageFiles, screen, why


class LabelledBatches:
    """Images and labels in batches, and which images could not be decoded.

    Args:
        image_files: the images.
        labels: the class of each.
        by_pillow: whether TensorFlow cannot decode each, and Pillow has to.
        allowed: how many may be left out in a pass, which ends with an error otherwise.
    """

    def __init__(self, image_files: ImageFiles, labels: Any, by_pillow: Any, allowed: int):
        import tensorflow as tf

        self._image_files = image_files
        self._labels = np.asarray(labels, "int32")
        self._by_pillow = np.asarray(by_pillow, "bool")
        self._allowed = allowed
        with tf.device("CPU:0"):
            # the number of the last pass in which each was decoded
            self._decoded = tf.Variable(tf.zeros(len(labels), "int32"), trainable=False)
            self._passes = tf.Variable(tf.constant(0), trainable=False)

    def dataset(self, batch_size: int, seed: int | None) -> Any:
        """Returns a `tf.data.Dataset` of (images_bhwc, labels): float32 of 0 to 255, int32.

        Args:
            batch_size: images in a batch; the last one may have fewer.
            seed: of the order, another in each epoch; None: the order of the files.
        """
        import tensorflow as tf

        files = self._image_files.files
        names = np.array([os.fsencode(file) for file in files], object)
        entries = tf.data.Dataset.from_tensor_slices((np.arange(len(files)), names, self._labels, self._by_pillow))
        if seed is not None:
            entries = entries.shuffle(len(files), seed, reshuffle_each_iteration=True)
        loaded = entries.map(self._loaded, num_parallel_calls=os.cpu_count() or 1)
        batches = loaded.ignore_errors().batch(batch_size).map(self._noted)
        last = tf.data.Dataset.range(1).map(lambda _: self._ended(batches.element_spec)).filter(lambda *_: False)
        fixed = tf.data.Options()
        fixed.autotune.enabled = False  # the thread that tunes holds up the end of the last batch, for seconds
        return batches.concatenate(last).prefetch(2).with_options(fixed)

    def _loaded(self, row: Any, name: Any, label: Any, by_pillow: Any) -> tuple[Any, Any, Any]:
        import tensorflow as tf

        content = tf.io.read_file(name)
        if self._by_pillow.any():
            converted = lambda: tf.numpy_function(self._converted, [row], tf.string)
            content = tf.cond(by_pillow, converted, lambda: content)
        return self._image_files.decoded(tf.ensure_shape(content, ())), label, row

    def _converted(self, row: Any) -> bytes:
        try:
            return screen(self._image_files.files[row])
        except (OSError, SurgeryError):
            return b"not an image"  # `problems` says why

    def _noted(self, images_bhwc: Any, labels: Any, rows: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        note = self._decoded.scatter_nd_update(rows[:, None], tf.fill(tf.shape(rows), self._passes + 1))
        with tf.control_dependencies([note]):
            return tf.identity(images_bhwc), tf.identity(labels)

    def _ended(self, spec: Any) -> Any:
        """Counts the pass, after its last batch, and refuses one of which too much was left out."""
        import tensorflow as tf

        count = self._passes.assign_add(1)
        with tf.control_dependencies([count]):
            absent = tf.math.count_nonzero(self._decoded.read_value() - count, dtype="int32")
        said = "too many images cannot be decoded: `problems` of the data names them. Mend or remove them"
        with tf.control_dependencies([tf.debugging.assert_less_equal(absent, self._allowed, said)]):
            return tf.nest.map_structure(lambda one: tf.zeros((0, *one.shape[1:]), one.dtype), spec)

    def problems(self, known: dict[str, str]) -> None:
        """Adds the files that the last whole pass left out, and why; decodes these once more."""
        import tensorflow as tf

        for row in np.flatnonzero(self._decoded.numpy() < int(self._passes)):
            file = self._image_files.files[int(row)]
            if str(file) not in known:
                try:
                    self._image_files.decoded(screen(file) or file.read_bytes())
                    known[str(file)] = "it could not be read a moment ago"
                except (OSError, ValueError, tf.errors.OpError) as error:
                    known[str(file)] = why(error)
