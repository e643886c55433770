"""Where a run tells what it does."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Where the run tells what it does; called from several threads."""

    def started(self, title: str, budget_s: float) -> None:
        """Something began that may take this long."""

    def finished(self, title: str, ok: bool, seconds: float) -> None:
        """It ended."""


class Silent:
    """Progress for nobody."""

    def started(self, title: str, budget_s: float) -> None:
        """Nothing."""

    def finished(self, title: str, ok: bool, seconds: float) -> None:
        """Nothing."""
