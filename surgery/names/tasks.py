"""`surgery.recipe.tasks`, as users call it."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("surgery.recipe.tasks")
