"""The named networks: `keras.applications`, AlexNet, SqueezeNet, and `tinyvgg`, whose weights are shipped."""

from surgery.zoo.catalogue import NETWORKS, Network, find, published
from surgery.zoo.fitting import Fit, fitting
from surgery.zoo.networks import open_network

__all__ = ["NETWORKS", "Fit", "Network", "find", "fitting", "open_network", "published"]
