"""Which layer is which: `diff` of two networks, `verify` of a network and its donor, values of weights.

What is drawn or printed of it is for `view`. It imports core, layers, graph, formats and keras_bridge.
"""
