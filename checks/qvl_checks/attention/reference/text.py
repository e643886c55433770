"""The language model on one unpadded prompt: positions, mask and attention by the rule.

Only weights are taken from the installed model, and what treats tokens one by one or knows no
positions: experts, and linear attention layers in a prompt without padding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations
from typing import Any

from qvl_checks.attention.reference.blocks import mlp, text_norm
from qvl_checks.attention.reference.vision import Seen, rotate

SECTIONS = {"qwen3_5": [11, 11, 10], "qwen3_5_moe": [11, 11, 10]}
"""How many rotary pairs turn with time, height, width, where config.json does not say."""


class Unsupported(ValueError):
    """The configuration asks for something that this reference does not compute."""


class TextReference:
    """The language model of one model, in float32."""

    def __init__(self, model: Any, config: dict[str, Any]) -> None:
        nested = config.get("text_config")
        text = nested if isinstance(nested, dict) else config
        self.tower = next(
            module
            for module in model.modules()
            if hasattr(module, "embed_tokens") and hasattr(module, "layers")
        )
        self.head = model.get_output_embeddings()
        self.heads = int(text["num_attention_heads"])
        rope = text.get("rope_parameters") or text.get("rope_scaling") or {}
        kind = rope.get("rope_type") or rope.get("type") or "default"
        if kind not in ("default", "mrope"):
            raise Unsupported(f"rope_type {kind} is not computed by the reference")
        model_type = self.model_type = str(config["model_type"])
        self.epsilon = float(text.get("rms_norm_eps") or 1e-6)
        self.activation = text.get("hidden_act")
        self.sections = rope.get("mrope_section") or SECTIONS.get(model_type, [16, 24, 24])
        self.interleaved = model_type not in ("qwen2_vl", "qwen2_5_vl")
        theta = text.get("rope_theta") or rope.get("rope_theta")
        self.speeds = self._speeds(float(theta) if theta else None)
        self.configured_window: int | None = text.get("sliding_window")
        self.windows = self._windows(text)

    def _speeds(self, theta: float | None) -> Any:
        """(pairs,) radians per position; without a base in config.json, the installed default."""
        import torch

        pairs = sum(self.sections)
        if theta is None:
            return self.tower.rotary_emb.inv_freq.float()
        return 1.0 / theta ** (torch.arange(pairs).float() / pairs)

    def _windows(self, text: dict[str, Any]) -> list[int | None]:
        """Per layer, how many tokens back it sees, itself included; None for all. Where the switch
        is on, the layers from max_window_layers on have the window."""
        layers = len(self.tower.layers)
        if not text.get("use_sliding_window") or not text.get("sliding_window"):
            return [None] * layers
        first = int(text.get("max_window_layers", layers))
        window = int(text["sliding_window"])
        return [window if index >= first else None for index in range(layers)]

    def logits(
        self,
        words: Any,
        visual: Any,
        seen: Seen | None,
        positions: Any,
        *,
        windows: list[int | None] | None = None,
        causal: bool = True,
        groups: Any = None,
        pairs: list[int] | None = None,
        shared_in_turn: bool = False,
    ) -> Any:
        """Next-token logits (tokens, vocabulary) of one prompt.

        ``words`` (tokens,) ids, ``visual`` (tokens,) where ``seen`` goes, ``positions``
        (3, tokens).
        The keywords compute what a defect would: other windows per layer, no causal mask, tokens
        that see only their own group (tokens,), rotary pairs that turn with other dimensions, query
        heads that take the key heads in turn instead of side by side.
        """
        import torch

        hidden = self.tower.embed_tokens(words)
        if seen is not None:
            hidden = hidden.clone()
            hidden[visual] = seen.embeddings.to(hidden.dtype)
        cos, sin = self.rotation(positions, pairs)
        count = words.shape[0]
        back = torch.arange(count)[:, None] - torch.arange(count)[None, :]
        windows = self.windows if windows is None else windows
        for index, layer in enumerate(self.tower.layers):
            allowed = back >= 0 if causal else torch.ones_like(back, dtype=torch.bool)
            window = windows[index]
            if window is not None:
                allowed = allowed & (back < window)
            if groups is not None:
                allowed = allowed & (groups[:, None] == groups[None, :])
            normed = self._norm(layer.input_layernorm, hidden)
            if hasattr(layer, "linear_attn"):
                hidden = hidden + layer.linear_attn(hidden_states=normed[None])[0]
            else:
                hidden = hidden + self._attend(
                    layer.self_attn, normed, cos, sin, allowed, shared_in_turn
                )
            normed = self._norm(layer.post_attention_layernorm, hidden)
            hidden = hidden + mlp(layer.mlp, normed, self.activation)
            if seen is not None and index < len(seen.deepstack):
                hidden = hidden.clone()
                hidden[visual] = hidden[visual] + seen.deepstack[index].to(hidden.dtype)
        return self.head(self._norm(self.tower.norm, hidden))

    def _norm(self, module: Any, hidden: Any) -> Any:
        return text_norm(module, hidden, self.epsilon, self.model_type)

    def _attend(
        self, module: Any, hidden: Any, cos: Any, sin: Any, allowed: Any, in_turn: bool
    ) -> Any:
        """One attention layer, hidden (tokens, width)."""
        import torch

        count = hidden.shape[0]
        width = int(module.head_dim)
        q = module.q_proj(hidden).view(count, self.heads, -1)
        gate = None
        if q.shape[-1] == 2 * width:  # Qwen3.5 gates what attention gives
            q, gate = q.chunk(2, dim=-1)
        k = module.k_proj(hidden).view(count, -1, width)
        v = module.v_proj(hidden).view(count, -1, width)
        if hasattr(module, "q_norm"):
            q, k = self._norm(module.q_norm, q), self._norm(module.k_norm, k)
        q, k, v = (part.transpose(0, 1).float() for part in (q, k, v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        groups = self.heads // k.shape[0]
        if in_turn:
            k, v = k.repeat(groups, 1, 1), v.repeat(groups, 1, 1)
        else:
            k, v = k.repeat_interleave(groups, dim=0), v.repeat_interleave(groups, dim=0)
        logits = q @ k.transpose(1, 2) / math.sqrt(width)
        mixed = logits.masked_fill(~allowed, -math.inf).softmax(-1) @ v
        mixed = mixed.transpose(0, 1)
        if gate is not None:
            mixed = mixed * torch.sigmoid(gate)
        return module.o_proj(mixed.reshape(count, -1).to(hidden.dtype))

    def rotation(self, positions: Any, pairs: list[int] | None = None) -> tuple[Any, Any]:
        """cos and sin (tokens, rotary width): each pair turns with one of the three positions."""
        import torch

        which = torch.tensor(pairs or self.dimension_of_pair())
        angles = positions.float()[which].T * self.speeds[None, :]
        angles = torch.cat([angles, angles], dim=1)
        return angles.cos(), angles.sin()

    def dimension_of_pair(self) -> list[int]:
        """0, 1 or 2 (time, height, width) for each rotary pair: in three blocks, or, from Qwen3-VL
        on, in turn until height and width have theirs, time taking the rest."""
        return self._pairs(self.interleaved)

    def other_pairs(self) -> Iterator[list[int]]:
        """What else a defect could make of the dimensions: exchanged, or laid out as elsewhere."""
        own = self.dimension_of_pair()
        for order in list(permutations(range(3)))[1:]:
            yield [order[dimension] for dimension in own]
        yield self._pairs(not self.interleaved)

    def _pairs(self, interleaved: bool) -> list[int]:
        if not interleaved:
            return [dim for dim, size in enumerate(self.sections) for _ in range(size)]
        pairs = sum(self.sections)
        return [pair % 3 if pair < 3 * self.sections[pair % 3] else 0 for pair in range(pairs)]
