"""What the KV cache does here: measured step by step on a small model of the architecture."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One forward call of generate."""

    fed: int | None = None
    """Tokens that the language model processed."""
    length: int | None = None
    """Tokens in the cache afterwards; None without a cache."""
    bytes: int | None = None
    """All tensors of the cache together."""
    seconds: float = 0.0
    """For information: a small model's times say little."""


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """One way of turning the cache off, tried alone."""

    name: str
    effect: str
    """``cached``, ``recomputed``, ``wrong`` (other logits than a fresh pass) or ``raised``."""
    fed: tuple[int | None, ...] = ()
    forward_keeps_cache: bool | None = None
    """Whether a plain forward returned a filled cache; None where that is not the question."""
    reason: str = ""
    """The error, when it raised."""


class Layers(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the size of a cache."""

    layers: int = 0
    full_attention_layers: int = 0
    """Those that keep every token."""
    sliding_layers: int = 0
    """Those that see only the last ``window`` tokens."""
    window: int | None = None
    kv_heads: int = 0
    head_dim: int = 0


class LayerCache(msgspec.Struct, frozen=True, kw_only=True):
    """What one layer of the small model kept."""

    kind: str
    """``full_attention``, ``sliding_attention`` or ``linear_attention``."""
    holder: str = ""
    """The class that holds it."""
    bytes_after_prompt: int = 0
    growth_per_token: float | None = None
    """Bytes."""
    tokens: int | None = None
    """Held at the end; None for a state that has no tokens."""


class CacheFacts(Facts):
    """Runs in float32 on the CPU with the settings of the user's checkpoint, if there is one."""

    probe: ClassVar[str] = "kv-cache.behaviour"
    reason: str = ""
    """Why nothing was run."""
    transformers: str = ""
    settings: dict[str, Any] = {}
    """``file: key`` -> value, for every setting of the cache that the checkpoint's files hold."""
    refused: str = ""
    """Why transformers does not accept the configuration because of its ``use_cache``; nothing was
    run then."""
    prompt_tokens: int = 0
    default: tuple[Step, ...] = ()
    """generate under these settings."""
    default_effect: str = ""
    """As in `Switch.effect`."""
    default_reason: str = ""
    """The error, when it raised."""
    forward_keeps_cache: bool = False
    """Whether a plain forward under these settings returns a cache."""
    cached: tuple[Step, ...] = ()
    """generate with the cache on."""
    cached_reason: str = ""
    """The error, when it raised."""
    tolerance: float = 0.0
    logits_error: float | None = None
    """Largest relative L2 difference of a step's logits from one pass without a cache."""
    padded_error: float | None = None
    """The same for a left-padded prompt."""
    padded_reason: str = ""
    """The error, when it raised."""
    switches: tuple[Switch, ...] = ()
    restore: str = ""
    """Code that was executed on a model with everything turned off."""
    restored_effect: str = ""
    """What generate did after it."""
    measured_bytes_per_token: float | None = None
    """Growth of all tensors of the small model's cache, float32."""
    formula_bytes_per_token: int = 0
    """What 2 x layers x heads x head size x 4 bytes gives for the same model."""
    layers: tuple[LayerCache, ...] = ()
    """Layer by layer, with the cache on."""
    formula_fixed_bytes: int = 0
    """What the small model's linear-attention layers keep of a sequence, in float32."""
    model_fixed_bytes: int = 0
    """The same for the examined model in ``dtype``, the matrices in float32."""
    model_bytes_per_layer: int = 0
    """Of one token in one layer of the examined model."""
    model_positions: int | None = None
    """``max_position_embeddings``."""
    window_tokens: int | None = None
    """What a layer with a window of 4 kept of a longer prompt; None: no layer has a window."""
    model_bytes_per_token: int = 0
    """The formula for the examined model in ``dtype``."""
    model_layers: Layers = Layers()
    dtype: str = ""

    @property
    def turned_off_by(self) -> tuple[str, ...]:
        """The checkpoint's settings that ask for no cache, in words."""
        return tuple(
            f"{where} is {value!r}"
            for where, value in self.settings.items()
            if where.endswith("use_cache") and not value
        )


CACHE = Probe(
    id="kv-cache.behaviour",
    title="watches the KV cache while a small model generates",
    facts=CacheFacts,
    entry="qvl_checks.kv_cache.behaviour_probe:run",
    budget_s=60.0,
    imports=("torch", "model"),
)
