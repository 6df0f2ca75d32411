"""The command line: one file for each command, over the public API.

No command computes what Python could not ask for as well, and none imports what it does not need. It may import core to
recipe.
"""
