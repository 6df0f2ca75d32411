"""The named networks: `keras.applications`, AlexNet, SqueezeNet, and `tinyvgg`, whose weights are shipped.

Files of users are read in `formats`, and names become graphs for users in `io`. It may import core to compare.
"""

from surgery.zoo.catalogue import NETWORKS, Network, find, published
from surgery.zoo.networks import open_network

__all__ = ["NETWORKS", "Network", "find", "open_network", "published"]
