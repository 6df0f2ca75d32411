"""Recipe files: how they are found and loaded, their parameters and settings, and what their fits share (`tasks`).

The shipped recipes are in `recipes/` next to this package, on the public API alone. It may import core to parts.
"""
