"""A small model of the installed code under watch: what positions it uses and what it answers."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from qvl_checks.attention.reference.prompts import TENSORS, Batch, Family, family_of
from qvl_checks.attention.reference.text import TextReference
from qvl_checks.attention.reference.vision import Seen, VisionReference
from qvl_checks.models.build import make_config, make_model

LAYERS = 2
LONG_POSITIONS = (0, 1, 100, 257, 1001, 4099, 10007)
"""Odd ones: bfloat16 has no odd numbers above 256."""
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

    def in_pieces(self, inputs: dict[str, Any], last: int) -> Run:
        """The prompt up to its ``last`` tokens, which are text, and these with the cache."""
        import torch

        self._positions = []
        words = inputs["input_ids"]
        split = words.shape[1] - last
        begin = dict(inputs)
        for name in ("input_ids", "attention_mask", "mm_token_type_ids"):
            if name in begin:
                begin[name] = begin[name][:, :split]
        first = self.model(**begin, use_cache=True)
        # Up to 4.57 positions are counted from cache_position; 5.x takes those of the whole mask.
        rest = {"input_ids": words[:, split:]}
        if "cache_position" in self.accepted:
            rest["cache_position"] = torch.arange(split, words.shape[1])
        second = self.model(**rest, past_key_values=first.past_key_values, use_cache=True)
        logits = torch.cat([first.logits, second.logits], dim=1)
        return Run([torch.cat(self._positions, dim=-1)], logits, words)

    def beams(self, inputs: dict[str, Any], number: int) -> Run:
        """The first step of a beam search: each row so many times."""
        self._positions = []
        out = self.model.generate(
            **inputs,
            max_new_tokens=1,
            do_sample=False,
            num_beams=number,
            num_return_sequences=number,
            return_dict_in_generate=True,
            output_logits=True,
        )
        return Run(self._positions[:1], out.logits[0][:, None], out.sequences)

    def by_hand(self, inputs: dict[str, Any], answer: Run, given: Sequence[str]) -> Any:
        """The logits (rows, tokens, vocabulary) of a loop that calls the model for each token of
        ``answer``, which generate gave, with the cache and what is ``given`` besides."""
        import torch

        words, mask = inputs["input_ids"], inputs["attention_mask"]
        out = self.model(**inputs, use_cache=True)
        logits = [out.logits[:, -1]]
        for step, index in enumerate(range(words.shape[1], answer.words.shape[1] - 1)):
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
            more = {
                "attention_mask": mask,
                "cache_position": torch.tensor([index]),
                "position_ids": answer.positions[step + 1][..., -1:].long(),
            }
            out = self.model(
                input_ids=answer.words[:, index : index + 1],
                past_key_values=out.past_key_values,
                use_cache=True,
                **{name: more[name] for name in given},
            )
            logits.append(out.logits[:, -1])
        return torch.stack(logits, dim=1)

    def seen(self, batch: Batch, row: int, *, own: bool = False) -> Seen | None:
        """The reference's visual tokens of one row, or the installed tower's ``own``, in the order
        of the text; None without any."""
        import torch

        tower = self.own_seen if own else self.vision.see
        found: dict[str, list[Any]] = {}
        for kind in TENSORS:
            if batch.grids[kind][row]:
                seen = tower(torch.cat(batch.pixels[kind][row]), batch.grids[kind][row])
                found[kind] = [seen.embeddings, *seen.deepstack]
        if not found:
            return None
        parts = []
        for span in batch.rows[row]:
            if span.kind in found:
                parts.append([tensor[: span.tokens] for tensor in found[span.kind]])
                found[span.kind] = [tensor[span.tokens :] for tensor in found[span.kind]]
        first, *rest = (torch.cat(tensors) for tensors in zip(*parts))  # noqa: B905
        return Seen(first, rest)

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


def rotary_error(subject: Subject) -> float:
    """Largest absolute error of the cosines and sines that the installed rotary embedding gives in
    bfloat16, at positions of long prompts. Rounding the result gives 0.004 at most."""
    import torch

    positions = torch.tensor(LONG_POSITIONS)[None, None].expand(3, 1, -1)
    values = torch.zeros(1, len(LONG_POSITIONS), 8, dtype=torch.bfloat16)
    found = subject.text.tower.rotary_emb(values, positions)
    wanted = subject.text.rotation(positions[:, 0])
    return max(
        # Up to 4.57 the three dimensions are put together later; here they are alike.
        float((ours.float().reshape(-1, *theirs.shape)[0] - theirs).abs().max())
        for ours, theirs in zip(found, wanted)  # noqa: B905
    )
