"""What Keras 1 and 2 wrote, as Keras 3 has it: rules for configurations, wiring and arrays.

A rule refuses what it cannot keep. It imports core and layers.
"""
