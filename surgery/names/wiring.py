"""`surgery.parts` under its former name."""

import importlib
import sys

from surgery.core.renames import warn_of_former

warn_of_former("surgery.wiring", "surgery.parts")
sys.modules[__name__] = importlib.import_module("surgery.parts")
