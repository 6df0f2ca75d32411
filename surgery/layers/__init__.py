"""What a layer of Keras is, from its class and configuration alone: traits, variables, shapes, and which are the same.

Graphs and files are not known here, and Keras is never imported. It may import core.
"""
