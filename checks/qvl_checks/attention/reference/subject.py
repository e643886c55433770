"""A small model of the installed code under watch: what positions it uses and what it answers."""

from __future__ import annotations

import copy
import inspect
import math
from typing import Any, NamedTuple

from qvl_checks.attention.reference.prompts import Batch, Family, family_of
from qvl_checks.attention.reference.text import TextReference
from qvl_checks.attention.reference.vision import Seen, VisionReference
from qvl_checks.models.build import make_config, make_model

LAYERS = 2
LOGIT_SPREAD = 2.0
"""Standard deviation of attention logits: enough that positions and masks change answers."""


class Run(NamedTuple):
    """What one call of the model did."""

    positions: list[Any]
    """Per forward pass, (3, rows, tokens) as the rotary embedding got them."""
    logits: Any
    """(rows, tokens, vocabulary); of generate, one per new token."""
    words: Any
    """(rows, tokens): the prompt, and what generate appended."""


class Subject:
    """The model, its configuration as a dictionary, and its references."""

    def __init__(self, config: dict[str, Any], *, attention: Any = None, **text: Any) -> None:
        self.config = shallow(config, text)
        self.family: Family = family_of(self.config)
        self.model = make_model(make_config(self.config), dtype="float32", attention=attention)
        self.model.generation_config.eos_token_id = None
        self.model.generation_config.pad_token_id = self.family.pad
        shake(self.model)
        self.text = TextReference(self.model, self.config)
        self.tower = next(
            module
            for module in self.model.modules()
            if hasattr(module, "patch_embed") and hasattr(module, "blocks")
        )
        self.vision = VisionReference(self.tower, self.config["vision_config"])
        self.accepted = set(inspect.signature(self.model.forward).parameters)
        self._positions: list[Any] = []
        self.text.tower.rotary_emb.register_forward_pre_hook(self._see_positions, with_kwargs=True)

    def _see_positions(self, module: Any, arguments: Any, keywords: Any) -> None:
        found = keywords["position_ids"] if "position_ids" in keywords else arguments[1]
        found = found[None] if found.ndim == 2 else found
        self._positions.append(found.detach().clone().expand(3, -1, -1))

    def forget(self) -> None:
        """As if no prompt had been seen."""
        for module in self.model.modules():
            if hasattr(module, "rope_deltas"):
                module.rope_deltas = None

    def inputs(self, batch: Batch, seconds: float | None, masked: bool = True) -> dict[str, Any]:
        """What the processor of this release would hand over."""
        import torch

        inputs = {name: value for name, value in batch.inputs.items() if name in self.accepted}
        if not masked:
            inputs.pop("attention_mask")
        videos = sum(len(line) for line in batch.grids["video"])
        if videos and seconds is not None and "second_per_grid_ts" in self.accepted:
            inputs["second_per_grid_ts"] = torch.tensor([seconds] * videos)
        return inputs

    def forward(self, inputs: dict[str, Any], **keywords: Any) -> Run:
        """One pass over the prompt."""
        self._positions = []
        logits = self.model(**inputs, **keywords).logits
        return Run(self._positions, logits, inputs["input_ids"])

    def generate(self, inputs: dict[str, Any], tokens: int) -> Run:
        """Prefill and decoding with the cache."""
        import torch

        self._positions = []
        out = self.model.generate(
            **inputs,
            max_new_tokens=tokens,
            do_sample=False,
            use_cache=True,
            return_dict_in_generate=True,
            output_logits=True,
        )
        return Run(self._positions, torch.stack(out.logits, dim=1), out.sequences)

    def seen(self, batch: Batch, row: int) -> Seen | None:
        """The reference's visual tokens of one row, in the order of the text; None without any.

        A prompt of these tests holds images or videos, not both.
        """
        import torch

        for kind in ("image", "video"):
            values, grids = batch.pixels[kind][row], batch.grids[kind][row]
            if grids:
                return self.vision.see(torch.cat(values), grids)
        return None

    def own_seen(self, pixels: Any, grids: list[tuple[int, int, int]]) -> Seen:
        """The installed tower's answer to the same."""
        import torch

        return normalised(self.tower(pixels, grid_thw=torch.tensor(grids)))

    def own_seen_in_bfloat16(self, pixels: Any, grids: list[tuple[int, int, int]]) -> Seen:
        """The same in bfloat16."""
        self.tower_in("bfloat16")
        try:
            return self.own_seen(pixels.bfloat16(), grids)
        finally:
            self.tower_in("float32")

    def tower_in(self, dtype: str) -> None:
        """Round the tower's weights; buffers stay, as from_pretrained does not round the rotary
        frequencies either."""
        import torch

        for parameter in self.tower.parameters():
            parameter.data = parameter.data.to(getattr(torch, dtype))


def normalised(answer: Any) -> Seen:
    """The tower's answer, whatever this release wraps it in."""
    if hasattr(answer, "pooler_output"):
        deepstack = getattr(answer, "deepstack_features", None)
        return Seen(answer.pooler_output, list(deepstack or ()))
    if isinstance(answer, tuple):
        return Seen(answer[0], list(answer[1]))
    return Seen(answer, [])


def shallow(config: dict[str, Any], text: dict[str, Any]) -> dict[str, Any]:
    """Two layers, unless layers differ (hybrid families); ``text`` is set in the language model's
    part."""
    small = copy.deepcopy(config)
    nested = small.get("text_config")
    part = nested if isinstance(nested, dict) else small
    if "full_attention_interval" not in part and "layer_types" not in part:
        part["num_hidden_layers"] = LAYERS
    part.update(text)
    return small


def shake(model: Any) -> None:
    """Weights of a size at which every token, patch and position shows in the answer; fresh ones
    are so small that attention is nearly uniform and biases are zero."""
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                embedding = "embed" in name and "patch_embed" not in name
                spread = 1.0 if embedding else 1.0 / math.sqrt(parameter[0].numel())
                if parameter.dim() == 3 and "experts" in name:
                    spread = 1.0 / math.sqrt(parameter.shape[-1])
                if any(part in name for part in ("q_proj", "k_proj", "qkv")):
                    spread *= math.sqrt(LOGIT_SPREAD)
                parameter.normal_(0.0, spread, generator=generator)
            elif name.endswith(".bias"):
                parameter.normal_(0.0, 0.1, generator=generator)
            elif name.endswith(".weight"):
                noise = torch.empty_like(parameter).normal_(0.0, 0.1, generator=generator)
                parameter.add_(noise)
