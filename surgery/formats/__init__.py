"""Model and weights files without Keras: `.keras`, HDF5, safetensors, and how any output is written whole.

No code in a file is run, and `budget` bounds what reading costs; a live model is written by `keras_bridge`. It may
import core to selectors.
"""
