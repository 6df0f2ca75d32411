"""The selector language: a text or a Python value becomes calls and tensors of a graph.

What is done with them is up to the verbs in `edits`. It may import core to analysis.
"""
