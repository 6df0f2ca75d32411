"""Training what was edited: cached features, staged unfreezing, learning rates, contracts, players, losses, metrics.

The short trainings that recipes share are in `recipe`. It may import core to data.
"""
