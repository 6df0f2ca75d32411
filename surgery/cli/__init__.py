"""The command line: click commands over the public API. Nothing is imported that a command does not need."""

from surgery.cli.main import main

__all__ = ["main"]
