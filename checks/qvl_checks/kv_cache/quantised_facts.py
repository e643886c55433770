"""Facts about what a quantised KV cache does to a small model."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Level, Probe

SIMULATED = "simulated"


class QuantisedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One cache, against an exact one: next-token logits of the decoding steps."""

    backend: str
    """``quanto`` or ``hqq``, as transformers runs them; ``simulated``: the doctor's own rounding
    of an ordinary cache."""
    bits: int
    grouping: str
    """Which 64 values share a scale: ``per token``, ``per channel``, or the backend's default."""
    key_bias_norm: float
    """Norm of the bias planted in k_proj of the first and last layers."""
    error: float | None = None
    """Relative L2 difference; None where a value is not finite."""
    top1: float | None = None
    """Share of steps with the same next token."""
    kl: float | None = None
    """Mean KL divergence, in nats, logits brought to a spread of 3."""
    nonfinite: int = 0
    bytes_per_token: float | None = None
    """What the cache holds of the prompt; None for a simulation, which saves nothing."""
    seconds: float = 0.0


class QuantisedFacts(Facts):
    """The runs, in float32 on the CPU with random weights."""

    probe: ClassVar[str] = "kv-cache.quantised"
    reason: str = ""
    """Why nothing was run."""
    transformers: str = ""
    has_key_bias: bool = False
    prompt_tokens: int = 0
    new_tokens: int = 0
    exact_bytes_per_token: float | None = None
    rows: tuple[QuantisedRow, ...] = ()
    missing: dict[str, str] = {}
    """Cache -> the error that it raised."""
    not_checked: dict[str, str] = {}
    """Backend -> why it was not tried."""

    def of(self, bits: int, *, backend: str | None = None) -> QuantisedRow | None:
        """The run with the largest planted bias: of this backend or, without one, simulated with
        transformers' grouping."""
        wanted = (backend or SIMULATED, bits)
        found = [
            row
            for row in self.rows
            if (row.backend, row.bits) == wanted and row.grouping != "per channel"
        ]
        return max(found, key=lambda row: row.key_bias_norm, default=None)

    def without_bias(self, like: QuantisedRow) -> QuantisedRow | None:
        """The same cache on the model without outliers."""
        for row in self.rows:
            same = (row.backend, row.bits, row.grouping)
            if same == (like.backend, like.bits, like.grouping) and row.key_bias_norm == 0:
                return row
        return None


QUANTISED = Probe(
    id="kv-cache.quantised",
    title="runs a small model with quantised KV caches",
    facts=QuantisedFacts,
    entry="qvl_checks.kv_cache.quantised_probe:run",
    budget_s=200.0,
    level=Level.STANDARD,
    imports=("torch", "model"),
)
