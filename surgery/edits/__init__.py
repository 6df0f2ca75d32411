"""The verbs that make a new network: cut, tap, graft, insert, replace, join, freeze, load weights, and the like.

Each takes a `Graph` or a `keras.Model` and returns a new one of the same kind; nothing is trained or drawn here. It may
import core to io.
"""
