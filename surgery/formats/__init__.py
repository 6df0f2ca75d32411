"""Model and weights files without Keras: `.keras`, HDF5, safetensors, and how output is written whole.

Files are strangers': nothing is run, and what reading costs is bounded by `budget`. Writing a live model is for
`keras_bridge`. It imports core, layers, graph and analysis.
"""
