"""The named networks: `keras.applications`, and `tinyvgg`, whose weights are shipped."""

from surgery.zoo.catalogue import NETWORKS, Network, find
from surgery.zoo.networks import open_network

__all__ = ["NETWORKS", "Network", "find", "open_network"]
