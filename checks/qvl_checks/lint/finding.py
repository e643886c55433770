"""What the linter returns."""

from typing import Literal

import msgspec

Level = Literal["error", "warning", "info", "hint"]
NOT_ANALYSED = "lint.not-analysed"
"""The id of the record of a file that was not analysed, or not to its end."""
LEVELS: tuple[Level, ...] = ("error", "warning", "info", "hint")


class Edit(msgspec.Struct, frozen=True, omit_defaults=True):
    """Replace the text from (line, column) up to (end_line, end_column) by `replacement`.

    Lines count from 1 (for a notebook, in the source of `cell`), columns are 0-based UTF-8 byte
    offsets as in `ast`.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    replacement: str
    cell: int | None = None
    """1-based number of the notebook cell."""


class Fix(msgspec.Struct, frozen=True):
    """What to do, in words; `edits` when it is safe to do it automatically."""

    text: str
    edits: tuple[Edit, ...] = ()


class LintFinding(msgspec.Struct, frozen=True):
    """One mistake at one place."""

    id: str
    """Permanent id, `topic.slug`."""
    file: str
    line: int
    """1-based line in the file; for a notebook, in the source of `cell`."""
    column: int
    """1-based column, in characters."""
    level: Level
    message: str
    fix: Fix | None = None
    cell: int | None = None
    """1-based number of the notebook cell."""
