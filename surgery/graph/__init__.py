"""A network as a value: `Graph`, `Call`, what a call applies, the primitives of every edit, and walks.

Nothing is read, built or drawn here. It may import core and layers.
"""
