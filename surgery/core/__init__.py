"""Values that know no network: errors, nested structures, references to tensors and their specs, names, progress.

Nothing here knows a layer, a graph, a file or Keras. It imports nothing else of the package.
"""
