"""Training what was operated on: cached features, staged unfreezing, learning rates, players, losses.

The short trainings of recipes are in `recipe`. It imports everything up to data.
"""
