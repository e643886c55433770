"""One rule per file: `RULE`, its metadata, and `check(program)`, which yields reports."""

import importlib
import pkgutil
from functools import cache

from ..rule import Check, Rule


@cache
def registry() -> dict[str, tuple[Rule, Check]]:
    """Every rule of this package by its id."""
    found: dict[str, tuple[Rule, Check]] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{__name__}.{info.name}")
        found[module.RULE.id] = (module.RULE, module.check)
    return found
