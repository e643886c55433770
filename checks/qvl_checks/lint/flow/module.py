"""One analysed source file."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from .values import Value

LINES = re.compile(r"\r\n|\r|\n")
"""What ends a line of Python."""


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

    names_model: bool = False
    """Whether the text speaks of a Qwen-VL model, not only of some Qwen."""
    _rows: list[str] = field(default_factory=list)
    _written: dict[ast.expr, str] = field(default_factory=dict)

    def written(self, node: ast.expr) -> str:
        """An expression of this module in one spelling."""
        if node not in self._written:
            self._written[node] = ast.unparse(node)
        return self._written[node]

    def between(self, first: int, last: int | None) -> str:
        """The text of some lines, both included."""
        if not self._rows:
            self._rows = LINES.split(self.text)
        return "\n".join(self._rows[first - 1 : last])

    @property
    def lines(self) -> int:
        """The number of the last line with code."""
        return max((node.end_lineno or 1 for node in self.tree.body), default=1)
