"""What a person sees: tables, statistics, drawings, the page, notebooks.

Nothing is computed by a network here. It may import core to edits.
"""
