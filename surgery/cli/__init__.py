"""The command line: one file for each command, over the public API.

Nothing is imported that a command does not need.
"""
