"""Live Keras: models are traced into graphs and built from them; layers are copied and filled.

The verbs are above it: here is what they stand on. It imports core, layers, graph, selectors and formats.
"""
