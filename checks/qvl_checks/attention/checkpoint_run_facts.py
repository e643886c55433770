"""How far each attention implementation carries the named model off, layer by layer."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class Nearness(msgspec.Struct, frozen=True, kw_only=True):
    """Next-token logits against a reference's; None where a value is not finite."""

    error: float | None = None
    """Relative L2 difference."""
    top1: float | None = None
    """Share of positions with the same next token."""
    kl: float | None = None
    """Mean KL divergence from the reference, in nats."""


class FirstNonFinite(msgspec.Struct, frozen=True, kw_only=True):
    """Where inf or NaN appears first."""

    layer: int
    place: Literal["attention", "mlp"]
    """``mlp``: after the attention, in what the layer hands on."""
    count: int = 0


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What one implementation of the language model's attention made of the prompt."""

    from_fp32_logits: Nearness | None = None
    """Against Q·Kᵀ in float32, all else alike."""
    from_float32: Nearness | None = None
    """Against the same weights computed in float32."""
    nonfinite_logits: int = 0
    first_nonfinite: FirstNonFinite | None = None
    next_token: int | None = None
    """The id that greedy decoding takes; 0 where every logit is NaN."""


class LayerDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One attention layer. Logits are scaled and taken in float32; None: not finite, not had."""

    layer: int
    offset: float | None = None
    """Where the weight of a row lies, the mean over the rows; of the heads the extreme."""
    low: float | None = None
    high: float | None = None
    largest_product: float | None = None
    """Of |q · k| before scaling."""
    overflowing: float | None = None
    """Share of the unscaled products that float16 cannot hold."""
    local: dict[str, float | None] = {}
    """Implementation -> relative L2 difference of its output from that with float32 logits, given
    the same input."""
    drift: dict[str, float | None] = {}
    """The same in whole runs, in which differences of earlier layers come along."""
    from_float32: dict[str, float | None] = {}
    """Whole runs against the run in float32."""
    nonfinite: dict[str, int] = {}
    """Implementation -> elements of its output that are not finite."""


class PromptRun(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt."""

    name: str
    tokens: int = 0
    source: str = ""
    """``processor`` (text and generated pictures), ``tokenizer`` (text, noise for pictures) or
    ``noise``."""
    source_reason: str = ""
    reason: str = ""
    """Why it was not run."""
    missing: dict[str, str] = {}
    """Implementation -> why it could not run this prompt."""
    implementations: dict[str, Answers] = {}
    layers: tuple[LayerDrift, ...] = ()


class LoadedValues(msgspec.Struct, frozen=True, kw_only=True):
    """The loaded model's tensors against those of the files under the same names."""

    compared: int = 0
    differing: int = 0
    """Hold other values than the file's tensor of that name."""
    examples: tuple[str, ...] = ()
    reason: str = ""
    """Why not all were compared."""


class CheckpointRunFacts(Facts):
    """The runs of the named model."""

    probe: ClassVar[str] = "attention.checkpoint_run"
    status: Literal["ran", "not_run"] = "not_run"
    obstacle: str = ""
    reason: str = ""
    weights: str = ""
    """``checkpoint`` or ``random``."""
    parameters: int = 0
    device: str = ""
    device_name: str = ""
    dtype: str = ""
    selected: str = ""
    """What the language model runs under the stated workload."""
    loaded: LoadedValues = LoadedValues()
    missing: dict[str, str] = {}
    """Implementation -> why it does not run here at all."""
    prompts: tuple[PromptRun, ...] = ()
    cure_source: str = ""
    """The code that was executed for float32 logits."""
    cure_use: str = ""
    """The statement that switched the loaded model to it; empty where it comes before loading."""
    sdpa_use: str = ""
    """The same for sdpa."""
    seconds: float = 0.0
    torch: str = ""
    transformers: str = ""


CHECKPOINT_RUN = Probe(
    id="attention.checkpoint_run",
    title="runs the model with each attention implementation, layer by layer",
    facts=CheckpointRunFacts,
    entry="qvl_checks.attention.checkpoint_run_probe:run",
    budget_s=420.0,
    level=Level.DEEP,
    imports=("torch", "model"),
    inputs=("devices.torch",),
    gpu=True,
)
