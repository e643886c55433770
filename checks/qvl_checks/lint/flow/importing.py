"""Import statements."""

from __future__ import annotations

import ast

from . import calls
from .events import Import
from .frame import Frame
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
                nested = frame.world.resolve(
                    frame.module, f"{name}.{alias.name}".strip("."), node.level
                )
                found = of(calls.module_object(frame, nested)) if nested else UNKNOWN
            frame.assign(alias.asname or alias.name, on_path(found, frame.path) or UNKNOWN)
        elif alias.name != "*" and not node.level:
            full = calls.canonical(f"{name}.{alias.name}")
            frame.emit(Import(frame.site(alias), name=full))
            frame.assign(alias.asname or alias.name, of(Ref(full), frame.site(alias)))
        elif alias.name != "*":
            frame.assign(alias.asname or alias.name, of(Unknown()))
