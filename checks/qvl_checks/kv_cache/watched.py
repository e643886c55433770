"""A small model whose calls are recorded: what generate feeds it, and what its cache holds.

Runs in the target; standard library only at module level.
"""

from __future__ import annotations

import copy
import math
import time
from typing import Any

from qvl_checks.attention import text_tower
from qvl_checks.kv_cache import layers
from qvl_checks.kv_cache.cache_bytes import tensor_bytes
from qvl_checks.models.build import make_config, make_inputs, make_model

TEXT_TOKENS = 8
LAYERS = 2
PADDING = 5
NEW_TOKENS = 4
TRIED_TOKENS = 3
IMAGE = (56, 56)
TOLERANCE = 1e-3
"""Relative L2 difference of float32 logits; rounding gives about 1e-6, another context above 1."""
RESTORE = """\
model.eval()
model.gradient_checkpointing_disable()
model.generation_config.use_cache = True
for module in model.modules():
    if hasattr(getattr(module, "config", None), "use_cache"):
        module.config.use_cache = True
"""
"""Every part of the model may hold its own copy of the configuration (it does in 4.53)."""


def shallow(tiny_config: dict[str, Any]) -> dict[str, Any]:
    """Two layers are enough to see a cache, unless layers differ (hybrid families)."""
    small = copy.deepcopy(tiny_config)
    text = small["text_config"] if isinstance(small.get("text_config"), dict) else small
    if "full_attention_interval" not in text and "layer_types" not in text:
        text["num_hidden_layers"] = LAYERS
    return small


class Watched:
    """A model whose calls are recorded."""

    def __init__(
        self, tiny_config: dict[str, Any], generation_content: dict[str, Any] | None
    ) -> None:
        from transformers import GenerationConfig

        self.config = make_config(shallow(tiny_config))
        self.inputs = make_inputs(self.config, images=(IMAGE,), text_tokens=TEXT_TOKENS)
        self.prompt_tokens = int(self.inputs["input_ids"].shape[1])
        self.model = make_model(self.config, dtype="float32")
        self.attention = text_tower.attention_modules(self.model)
        self.steps: list[dict[str, Any]] = []
        self.layers: list[list[dict[str, Any]]] = []
        self._fed: int | None = None
        self._began = 0.0
        if generation_content is not None:
            # As from_pretrained does with the file; without one the model's config is asked.
            kept = {
                key: generation_content[key] for key in generation_content if key == "use_cache"
            }
            self.model.generation_config = GenerationConfig(**kept)
        self.model.generation_config.eos_token_id = None
        self.model.generation_config.pad_token_id = 0
        self._hook()

    def _hook(self) -> None:
        def begin(module: Any, arguments: Any, keywords: Any) -> None:
            self._fed, self._began = None, time.perf_counter()

        def see_tokens(module: Any, arguments: Any, keywords: Any) -> None:
            hidden = keywords["hidden_states"] if "hidden_states" in keywords else arguments[0]
            self._fed = int(hidden.shape[1])

        def end(module: Any, arguments: Any, output: Any) -> None:
            cache = getattr(output, "past_key_values", None)
            self.layers.append(layers.by_layer(cache))
            self.steps.append(
                {
                    "fed": self._fed,
                    "length": self.length(cache),
                    "bytes": sum(tensor_bytes(cache)) if cache is not None else None,
                    "seconds": round(time.perf_counter() - self._began, 5),
                }
            )

        self.model.register_forward_pre_hook(begin, with_kwargs=True)
        self.model.register_forward_hook(end)
        if self.attention:
            self.attention[0].register_forward_pre_hook(see_tokens, with_kwargs=True)

    def length(self, cache: Any) -> int | None:
        """Tokens in the cache's first softmax layer; None without a cache."""
        if cache is None:
            return None
        index = self.attention[0].layer_idx if self.attention else 0
        rows = layers.by_layer(cache)
        return (rows[index]["tokens"] or 0) if index < len(rows) else 0

    def generate(
        self, inputs: dict[str, Any] | None = None, tokens: int = NEW_TOKENS, **keywords: Any
    ) -> dict[str, Any]:
        """Tokens, logits and what every step did."""
        self.steps, self.layers = [], []
        out = self.model.generate(
            **(self.inputs if inputs is None else inputs),
            max_new_tokens=tokens,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
            **keywords,
        )
        return {
            "steps": list(self.steps),
            "layers": list(self.layers),
            "sequence": out.sequences,
            "logits": out.logits,
        }

    def observed(self) -> tuple[dict[str, Any], str, str]:
        """generate as the model is set now: the run, its effect, and the error if it raised."""
        try:
            run = self.generate()
            return run, self.effect(run), ""
        except Exception as error:
            return {"steps": list(self.steps)}, "raised", told(error)

    def effect(self, run: dict[str, Any]) -> str:
        """``cached``: one token a step and the right logits; ``recomputed``: everything again and
        the right logits; ``wrong``: other logits than a fresh pass gives."""
        error = self.distance_from_fresh(run, self.inputs)
        if error is None or error > TOLERANCE:
            return "wrong"
        return "cached" if all(step["fed"] == 1 for step in run["steps"][1:]) else "recomputed"

    def distance_from_fresh(self, run: dict[str, Any], inputs: dict[str, Any]) -> float | None:
        """Relative L2 difference, the worst step's, from one pass over the finished sequence."""
        import torch

        if "sequence" not in run:
            return None
        sequence = run["sequence"]
        extra = sequence.shape[1] - inputs["input_ids"].shape[1]
        whole = {**inputs, "input_ids": sequence}
        for name, filler in (("attention_mask", 1), ("mm_token_type_ids", 0)):
            if name in inputs:
                tail = torch.full_like(sequence[:, :extra], filler)
                whole[name] = torch.cat([inputs[name], tail], dim=1)
        if hasattr(self.model, "model") and hasattr(self.model.model, "rope_deltas"):
            self.model.model.rope_deltas = None  # left by generate for its own sequence
        was_training = self.model.training
        self.model.eval()
        fresh = self.model(**whole, use_cache=False).logits[:, -extra - 1 : -1].double()
        self.model.train(was_training)
        worst = 0.0
        for step, logits in enumerate(run["logits"]):
            difference = (logits.double() - fresh[:, step]).norm() / fresh[:, step].norm()
            worst = max(worst, float(difference.item()))
        return float(f"{worst:.4g}") if math.isfinite(worst) else None

    def padded_error(self) -> tuple[float | None, str]:
        """The same for a left-padded prompt, and the error if it raised."""
        import torch

        padded = dict(self.inputs)
        for name in ("input_ids", "attention_mask", "mm_token_type_ids"):
            if name in padded:
                head = torch.zeros_like(padded[name][:, :PADDING])
                padded[name] = torch.cat([head, padded[name]], dim=1)
        try:
            run = self.generate(padded, use_cache=True)
            return self.distance_from_fresh(run, padded), ""
        except Exception as error:
            return None, told(error)

    def forward_keeps_cache(self) -> bool:
        """Whether a plain forward, without being asked, returns a cache that holds the prompt."""
        self.steps = []
        self.model(**self.inputs)
        return bool(self.steps[-1]["length"])

    def tried(
        self,
        name: str,
        *,
        generation: bool = True,
        config: bool = True,
        train: bool = False,
        gradient_checkpointing: bool = False,
        **keywords: Any,
    ) -> dict[str, Any]:
        """What generate and a plain forward do under these settings; everything else is on."""
        try:
            self.set(generation, config, train, gradient_checkpointing)
            run = self.generate(tokens=TRIED_TOKENS, **keywords)
            return {
                "name": name,
                "effect": self.effect(run),
                "fed": [step["fed"] for step in run["steps"]],
                "forward_keeps_cache": None if keywords else self.forward_keeps_cache(),
            }
        except Exception as error:
            return {"name": name, "effect": "raised", "reason": told(error)}
        finally:
            self.set(True, True, False, False)

    def set(self, generation: bool, config: bool, train: bool, checkpointing: bool) -> None:
        """Turn each of the switches."""
        model = self.model
        model.train(train)
        if checkpointing:
            model.gradient_checkpointing_enable()
        else:
            model.gradient_checkpointing_disable()
        model.generation_config.use_cache = generation
        for module in model.modules():
            if hasattr(getattr(module, "config", None), "use_cache"):
                module.config.use_cache = config

    def restored(self) -> str:
        """The effect after everything was turned off and the printed code was executed."""
        self.set(False, False, True, True)
        exec(RESTORE, {"model": self.model})
        return self.observed()[1]


def told(error: Exception) -> str:
    """The error in one line."""
    return f"{type(error).__name__}: {error}"[:300]
