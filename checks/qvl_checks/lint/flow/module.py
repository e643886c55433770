"""One analysed source file."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from .values import Value


@dataclass(eq=False, slots=True)
class Module:
    """A parsed file and the global names that its top level leaves behind."""

    path: str
    text: str
    tree: ast.Module
    names: dict[str, Value] = field(default_factory=dict)
    executed: bool = False
    imports: dict[str, str | None] = field(default_factory=dict)
    """Module name as written -> path of the project file that it is, or None."""
