"""Which layer of one network is which of another: `diff` of two networks, `verify` of a network and its donor.

Tables and drawings of the result are made in `view`. It may import core to keras_bridge.
"""
