"""How far each attention implementation carries a small model of the real architecture off."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """Next-token logits against a reference's."""

    error: float | None = None
    """Relative L2 difference; None where a value is not finite."""
    top1: float | None = None
    """Share of positions with the same next token."""
    kl: float | None = None
    """Mean KL divergence from the reference, in nats, logits brought to a spread of 3."""
    nonfinite: int = 0


class ModelCell(msgspec.Struct, frozen=True, kw_only=True):
    """One implementation with one planted bias."""

    implementation: str
    offset: float
    """What the planted biases shift every scaled logit of the first and last layers by."""
    key_bias_norm: float
    """Norm of the planted k_proj.bias of one layer."""
    from_float32: Distance = Distance()
    """Against the same rounded weights computed in float32."""
    from_cure: Distance | None = None
    """Against the same dtype with float32 logits: what only the logits' rounding does."""


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """A model built with another ``attn_implementation``, with the largest planted bias."""

    argument: str | dict[str, str]
    """As it is handed to ``from_pretrained``."""
    reason: str = ""
    """Why it cannot be built so."""
    text: str = ""
    """What the language model then runs."""
    vision: str = ""
    from_float32: Distance | None = None


class VisionDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The first block of the vision tower, with a planted offset."""

    offset: float | None = None
    errors: dict[str, float | None] = {}
    """Implementation -> relative L2 error of its attention against float32; None: not finite."""
    missing: dict[str, str] = {}
    cure_use: str = ""
    """The statement that was executed to switch the tower to float32 logits."""


class ModelDriftFacts(Facts):
    """The runs through a real model."""

    probe: ClassVar[str] = "attention.model_drift"
    reason: str = ""
    """Why nothing was run."""
    transformers: str = ""
    device: str = "cpu"
    dtype: str = ""
    selected: str = ""
    """What the language model runs under the stated workload; empty when it cannot be built so."""
    selected_reason: str = ""
    """Why it cannot be built with the implementation that the workload names."""
    layers: int = 0
    """Layers with softmax attention."""
    has_key_bias: bool = False
    """Whether k_proj has a bias, read from the built model."""
    has_key_norm: bool = False
    """Whether the keys are normalised."""
    tokens: int = 0
    head_dim: int = 0
    missing: dict[str, str] = {}
    """Implementation -> why it does not run here."""
    causal: dict[str, bool] = {}
    """Implementation -> whether the text before the image is blind to it."""
    cure_source: str = ""
    """The code that was executed to register float32 logits."""
    cure_use: str = ""
    """The statement that was executed to switch a loaded model to it; empty where the code must
    come before the model is built."""
    sdpa_use: str = ""
    """The same for sdpa."""
    cells: tuple[ModelCell, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    vision: VisionDrift = VisionDrift()

    def of(self, implementation: str) -> tuple[ModelCell, ...]:
        """Its cells by offset."""
        found = [cell for cell in self.cells if cell.implementation == implementation]
        return tuple(sorted(found, key=lambda cell: cell.offset))


MODEL_DRIFT = Probe(
    id="attention.model_drift",
    title="runs a small model with each attention implementation",
    facts=ModelDriftFacts,
    entry="qvl_checks.attention.model_drift_probe:run",
    budget_s=90.0,
    imports=("torch", "model"),
    gpu=True,
)
