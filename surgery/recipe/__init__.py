"""Recipe files: how they are found and loaded, their parameters and settings, what their fits share.

The shipped recipes lie in `recipes/`, on the public API alone. It imports everything but cli.
"""
