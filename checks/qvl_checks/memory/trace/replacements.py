"""Attributes and registry entries of loaded modules, replaced for a while and put back."""

from __future__ import annotations

import contextlib
from typing import Any

ABSENT = object()


class Replacements(contextlib.ExitStack):
    """A context manager; on leaving, everything replaced through it is as before."""

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """``owner.name = value``."""
        before = vars(owner).get(name, ABSENT)
        setattr(owner, name, value)
        if before is ABSENT:
            self.callback(delattr, owner, name)
        else:
            self.callback(setattr, owner, name, before)

    def entry(self, registry: Any, name: str, value: Any) -> None:
        """``registry[name] = value``."""
        known = name in registry
        before = registry[name] if known else None
        registry[name] = value
        if known:
            self.callback(registry.__setitem__, name, before)
        else:
            self.callback(registry.__delitem__, name)
