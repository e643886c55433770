"""What a checkpoint's biases and norms say about its logits, read without running it."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from qvl_doctor.probe import Facts, Probe


class LayerPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """One attention layer. Numbers are None where they cannot be had or are not finite."""

    tower: Literal["text", "vision"]
    layer: int
    has_key_bias: bool = False
    key_bias_norm: float | None = None
    key_bias_max: float | None = None
    query_bias_norm: float | None = None
    query_rms: float | None = None
    """Size of a query's component from content, along the heaviest component of the key bias."""
    query_rms_read: bool = False
    """False: taken from other layers of the same checkpoint."""
    bound: float | None = None
    """Queries and keys are normalised: |weights of the q norm| × |weights of the k norm| / √d,
    which logits reach at most where content is spread over the channels."""
    offset_at_zero: float | None = None
    """b_q · b_k / √d of the head in which it is largest: what the biases add at distance 0."""
    offset: float | None = None
    """Where the weight of a row of attention lies, in scaled logits; of the heads the extreme."""
    offsets: tuple[float | None, ...] = ()
    """The same of every head that was simulated."""
    largest_product: float | None = None
    """Largest |q · k| before scaling from the biases."""
    error_bfloat16: float | None = None
    """Relative L2 error of the layer's attention with logits stored in bfloat16."""
    error_float16: float | None = None
    """The same in float16; None: infinite logits."""
    nonfinite: bool = False
    """A bias holds NaN or infinity."""

    def error(self, dtype: str) -> float | None:
        """The predicted error in this dtype."""
        return {"bfloat16": self.error_bfloat16, "float16": self.error_float16}.get(dtype)


class KeyBiasFacts(Facts):
    """The static prediction for the checkpoint that was named."""

    probe: ClassVar[str] = "attention.key_bias"
    state: Literal["read", "not-given", "unreadable"] = "not-given"
    reason: str = ""
    bytes_read: int = 0
    """Headers included."""
    head_dim: int = 0
    layers: tuple[LayerPrediction, ...] = ()

    def of(self, tower: str) -> tuple[LayerPrediction, ...]:
        """The layers of one tower, in order."""
        return tuple(layer for layer in self.layers if layer.tower == tower)


KEY_BIAS = Probe(
    id="attention.key_bias",
    title="reads the biases and norms of the checkpoint's attention",
    facts=KeyBiasFacts,
    entry="qvl_checks.attention.key_bias_probe:run",
    budget_s=60.0,
)
