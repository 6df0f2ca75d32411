"""Values without a network: errors, nested structures, addresses and specs of tensors, names.

Nothing here knows a layer, a graph, a file or Keras. It imports nothing of the package but itself.
"""
