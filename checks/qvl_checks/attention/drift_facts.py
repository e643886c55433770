"""How far each attention implementation lies from a float64 reference here."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One implementation on one input."""

    implementation: str
    dtype: str
    offset: float
    """What every scaled logit is shifted by; softmax is indifferent to it."""
    length: int
    """Keys."""
    overflowing: int = 0
    """Unscaled products of a query and a key, in the input, that the dtype cannot hold."""
    error: float | None = None
    """Relative L2 error of the output; None when it holds values that are not finite."""
    top1: float | None = None
    """Share of queries whose strongest key is the right one; None also where reading the weights
    of a kernel that does not return them would take too long."""
    kl: float | None = None
    """Mean KL divergence of the weights from the reference's, in nats."""
    nonfinite: int = 0
    """Elements of the output that are inf or NaN."""


class DriftFacts(Facts):
    """The grid of measurements."""

    probe: ClassVar[str] = "attention.drift"
    device: str = "cpu"
    device_name: str = ""
    device_reason: str = ""
    """Why not on a GPU."""
    torch: str = ""
    head_dim: int = 0
    """Width of a head of the model's language model."""
    heads: int = 0
    queries: int = 0
    origins: dict[str, str] = {}
    """Implementation -> whose code was called."""
    missing: dict[str, str] = {}
    """"implementation dtype" -> why it does not run here."""
    sdpa_backend: dict[str, str] = {}
    """dtype -> the backend that torch takes by itself."""
    cells: tuple[Cell, ...] = ()

    def of(self, implementation: str, dtype: str) -> tuple[Cell, ...]:
        """Its cells, by length and offset."""
        found = [
            cell
            for cell in self.cells
            if cell.implementation == implementation and cell.dtype == dtype
        ]
        return tuple(sorted(found, key=lambda cell: (cell.length, cell.offset)))

    def cell(self, implementation: str, like: Cell) -> Cell | None:
        """The same input through another implementation."""
        for cell in self.of(implementation, like.dtype):
            if (cell.offset, cell.length) == (like.offset, like.length):
                return cell
        return None


DRIFT = Probe(
    id="attention.drift",
    title="compares the attention implementations with float64",
    facts=DriftFacts,
    entry="qvl_checks.attention.drift_probe:run",
    budget_s=90.0,
    imports=("torch", "model"),
    gpu=True,
)
