"""Facts about the attention implementation that transformers selects."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one wish."""

    wish: str | None
    """The value of ``attn_implementation``; None: not given."""
    selected: dict[str, str | None] = {}
    """Sub-model (``""``: the whole, ``text_config``, ``vision_config``) -> implementation."""
    error: str | None = None
    chain: tuple[str, ...] = ()
    hub_kernels: tuple[str, ...] = ()
    """Repositories that would have been downloaded; none was."""
    log: str = ""


class SelectionFacts(Facts):
    """The selection on the examined architecture, built small with random weights."""

    probe: ClassVar[str] = "attention.selection"
    kernels_installed: bool = False
    kernels_accepted: bool | None = None
    """Whether this transformers counts the installed ``kernels`` as present."""
    device: str = "cpu"
    rows: tuple[Selection, ...] = ()

    def for_wish(self, wish: str | None) -> Selection | None:
        """The row of one wish."""
        return next((row for row in self.rows if row.wish == wish), None)


ATTENTION_SELECTION = Probe(
    id="attention.selection",
    title="asks transformers which attention implementation it selects",
    facts=SelectionFacts,
    entry="qvl_checks.attention.selection_probe:run",
    budget_s=60,
    imports=("torch", "model"),
)
