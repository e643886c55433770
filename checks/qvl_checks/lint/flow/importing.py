"""Import statements."""

from __future__ import annotations

import ast

from . import calls
from .events import Import
from .frame import Frame
from .module import Module
from .values import (
    UNKNOWN,
    Ref,
    Unknown,
    Value,
    of,
    on_path,
)


def plain(frame: Frame, node: ast.Import) -> None:
    """`import package`."""
    for alias in node.names:
        module = frame.world.resolve(frame.module, alias.name, 0)
        if module is not None:
            value: Value = of(calls.module_object(frame, module), frame.site(alias))
        else:
            frame.emit(Import(frame.site(alias), name=alias.name))
            value = of(
                Ref(alias.name if alias.asname else alias.name.partition(".")[0]), frame.site(alias)
            )
        frame.assign(alias.asname or alias.name.partition(".")[0], value)


def _submodule(frame: Frame, node: ast.ImportFrom, name: str) -> Module | None:
    """The project module that `from package import name` means."""
    full = f"{node.module or ''}.{name}".strip(".")
    return frame.world.resolve(frame.module, full, node.level) if name != "*" else None


def names_from(frame: Frame, node: ast.ImportFrom) -> None:
    """`from package import name`."""
    name = node.module or ""
    module = frame.world.resolve(frame.module, name, node.level)
    for alias in node.names:
        if module is not None:
            calls.run_module(frame.world, module)
            if alias.name == "*":
                for key, value in module.names.items():
                    frame.assign(key, value)
                continue
            found = module.names.get(alias.name)
            if found is None:
                nested = _submodule(frame, node, alias.name)
                found = of(calls.module_object(frame, nested)) if nested else UNKNOWN
            frame.assign(alias.asname or alias.name, on_path(found, frame.path) or UNKNOWN)
        elif (nested := _submodule(frame, node, alias.name)) is not None:
            # A folder without __init__.py is a package, too.
            value = of(calls.module_object(frame, nested), frame.site(alias))
            frame.assign(alias.asname or alias.name, value)
        elif alias.name != "*" and not node.level:
            full = calls.canonical(f"{name}.{alias.name}")
            frame.emit(Import(frame.site(alias), name=full))
            frame.assign(alias.asname or alias.name, of(Ref(full), frame.site(alias)))
        elif alias.name != "*":
            frame.assign(alias.asname or alias.name, of(Unknown()))
