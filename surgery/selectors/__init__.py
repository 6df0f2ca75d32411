"""The selector language: a text or a Python value becomes calls and tensors of a graph.

What is done with them is for the verbs. It imports core, layers, graph and analysis.
"""
