"""Live Keras: models are traced into graphs and built from them, layers are copied and filled, models are written.

The verbs are not here, but in `edits`, which stands on this. It may import core to formats.
"""
