"""Modules that users import under other names than those of their rooms: `import surgery.samples` is `surgery.data`.

Nothing else lives here; `surgery/__init__.py` puts this folder on the path of the package. It may import core to cli.
"""
