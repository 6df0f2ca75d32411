"""What a Keras layer is, from its class and configuration alone, and whether two layers are the same.

Graphs and files are above it; Keras is never imported. It imports core.
"""
