"""Where the boxes and lines of a drawing lie: rows, order, coordinates, frames of nested models.

It knows nothing of SVG or Matplotlib. It imports core and the scene.
"""
