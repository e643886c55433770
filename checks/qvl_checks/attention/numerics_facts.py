"""What every attention implementation computes here, in the shapes of both towers."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One set of q, k and v, and how far its references lie apart. Errors are relative L2."""

    tower: str
    """``text`` (causal, fewer key heads than query heads) or ``vision`` (neither)."""
    layout: str
    """``full``, or ``windowed``: tokens see only those of their own window."""
    dtype: str
    width: int
    """Of a head."""
    length: int
    """Tokens."""
    offset: float
    """What every scaled logit is shifted by; softmax is indifferent to it."""
    content: bool = False
    """Whether the channel that carries the offset carries content as well."""
    storing_error: float | None = None
    """float64 from the stored q, k and v against float64 from the unrounded ones: what rounding
    them costs, whatever computes."""
    float32_logits_error: float | None = None
    """Q·Kᵀ in float32, the rest in the dtype, against float64; both from the stored tensors."""
    float32_logits_worst_row: float | None = None
    """The same for the token and head where it is largest."""
    reason: str = ""
    """Why it was not measured."""


class NumericsRow(msgspec.Struct, frozen=True, kw_only=True):
    """One implementation on one input; None: not finite."""

    input: int
    """Index into the inputs."""
    implementation: str
    nonfinite: int = 0
    error: float | None = None
    """Against float64 from the stored tensors: the implementation's own rounding."""
    worst_row: float | None = None
    """The same for the token and head where it is largest."""
    from_float32_logits: float | None = None
    """Against float32 logits from the stored tensors."""
    from_unrounded: float | None = None
    """Against float64 from the unrounded tensors: everything together."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A child that did not come back."""

    status: str
    """``crashed`` or ``timed_out``."""
    reason: str = ""


class NumericsFacts(Facts):
    """The table."""

    probe: ClassVar[str] = "attention.numerics"
    device: str = "cpu"
    device_name: str = ""
    device_reason: str = ""
    """Why not on a GPU."""
    torch: str = ""
    inputs: tuple[Input, ...] = ()
    rows: tuple[NumericsRow, ...] = ()
    origins: dict[str, str] = {}
    """Implementation -> whose code was called."""
    missing: dict[str, str] = {}
    """"implementation tower layout dtype width" -> why it does not run here."""
    unusable: dict[str, str] = {}
    """Implementation -> why nothing of it could be run although it is installed."""
    ended: dict[str, Ended] = {}
    """Implementation -> how it ended its process."""
    cut_short: dict[str, str] = {}
    """Implementation -> how much was measured in its time."""
    not_checked: dict[str, str] = {}
    """Implementation -> why nothing of it was tried."""

    def of(self, implementation: str) -> tuple[tuple[Input, NumericsRow], ...]:
        """What was measured of one implementation, with the inputs."""
        return tuple(
            (self.inputs[row.input], row)
            for row in self.rows
            if row.implementation == implementation and row.input < len(self.inputs)
        )


NUMERICS = Probe(
    id="attention.numerics",
    title="measures every attention implementation in the shapes of both towers",
    facts=NumericsFacts,
    entry="qvl_checks.attention.numerics_probe:run",
    budget_s=300.0,
    level=Level.STANDARD,
    imports=("torch", "model"),
    gpu=True,
)
