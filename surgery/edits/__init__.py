"""The public verbs: cut, tap, graft, insert, replace, join, freeze, load weights, and their kin.

Each takes a `Graph` or a `keras.Model` and returns a new one of the same kind. It imports everything up to io.
"""
