"""Runs a small model of the real architecture with each attention implementation, in the target.

Random weights have no outliers, so they are planted where trained models of the family have them:
in the biases of q_proj and k_proj of the first and last layers, on the slowest rotary pair, which
makes the logit offset the same at every distance. One variable changes between two runs: the
implementation of the language model.
"""

import copy
import math
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from qvl_checks.attention import cure, text_tower, vision_tower
from qvl_checks.attention.drift_probe import pick_device
from qvl_checks.models.build import make_config, make_inputs, make_model


class Plant(NamedTuple):
    """Constants in the biases of the first and last layers."""

    query: float
    key: float


NOTHING = Plant(0.0, 0.0)
TRAINED = Plant(16.0, 512.0)
"""Published for Qwen2.5-7B: norm of k_proj.bias 605 in the first layer and 921 in the last, largest
element 442; the median of the other layers' norms is 22."""
LADDER = [Plant(16.0, key) for key in (16.0, 64.0, 128.0, 256.0)]
OVERFLOWING = Plant(128.0, 1024.0)
"""An unscaled product of 131072, twice what float16 can hold."""

CONTENT_SPREAD = 2.0
"""Standard deviation that the logits get from the prompt."""
NEXT_TOKEN_SPREAD = 3.0
"""Next-token logits are compared at this standard deviation: those of random weights are flat."""
IMAGE = (56, 56)
LARGER_IMAGE = (168, 168)
SDPA: Any = "sdpa"
SDPA_FOR_TEXT: Any = {"text_config": "sdpa", "vision_config": "eager"}
"""For those who need the attention weights of the vision tower."""
SAME = 1e-3
"""Relative difference below which two runs on the same prefix count as equal."""


def run(request: Dict[str, Any]) -> Dict[str, Any]:
    """See `ModelDriftFacts` for the fields."""
    import torch
    import transformers

    facts, workload = request.get("model") or {}, request.get("workload") or {}
    if not facts.get("tiny_config"):
        return {"reason": "the model is not of a family whose architecture is known here"}
    quick = request.get("level", "quick") == "quick"
    dtype = workload.get("dtype")
    dtype = dtype if dtype in ("bfloat16", "float16") else "bfloat16"
    device, _ = pick_device()
    # Tiny tensors: a second thread costs more than it brings, most of all on a busy machine.
    torch.set_num_threads(1)
    tokens = 64 if quick else 200
    subject = Subject(facts, dtype, device, workload.get("attention"), tokens)
    result: Dict[str, Any] = {
        "transformers": str(transformers.__version__),
        "device": device,
        "dtype": dtype,
        "selected": subject.selected,
        "selected_reason": subject.reason,
        "layers": len(subject.tower),
        "has_key_bias": subject.has_key_bias,
        "has_key_norm": any(hasattr(module, "k_norm") for module in subject.tower),
    }
    if not subject.tower:
        return result
    with torch.no_grad():
        subject.spread_content()
        measured = subject.measure(plants(subject.has_key_bias, dtype, quick))
        if not quick:
            measured["alternatives"] = alternatives(facts, dtype, device, tokens)
            measured["vision"] = vision(facts, dtype, device)
        return {**result, **measured}


def alternatives(facts: Dict[str, Any], dtype: str, device: str, tokens: int) -> List[Any]:
    """Models built with each value of ``attn_implementation`` that keeps eager out of the language
    model, at trained magnitudes."""
    found = []
    for given in (SDPA, SDPA_FOR_TEXT):
        subject = Subject(facts, dtype, device, given, tokens)
        row: Dict[str, Any] = {"argument": given, "reason": subject.reason}
        if not subject.reason:
            subject.spread_content()
            subject.plant(TRAINED)
            ours, exact = subject.logits(), subject.in_float32([TRAINED])[TRAINED]
            row.update(text=subject.selected, vision=subject.vision_selected)
            row["from_float32"] = compare(ours, exact)
        found.append(row)
    return found


def vision(facts: Dict[str, Any], dtype: str, device: str) -> Dict[str, Any]:
    """The same cure in the vision tower."""
    config = make_config(facts["tiny_config"])
    model = make_model(config, dtype=dtype, device=device)
    inputs = make_inputs(config, images=(LARGER_IMAGE,), text_tokens=4, device=device)
    names = ("eager", "sdpa", cure.NAME)
    try:
        measured = vision_tower.measure(model, inputs, facts.get("model_type") or "", names)
    except Exception as error:
        return {"missing": {"": f"{type(error).__name__}: {error}"[:400]}}
    return {**measured, "cure_use": cure.switch_statement(cure.NAME, "vision")}


def plants(has_key_bias: bool, dtype: str, quick: bool) -> List[Plant]:
    """What is planted, one after the other; without a bias there is no place for it."""
    if not has_key_bias:
        return [NOTHING]
    ladder = [] if quick else [NOTHING, *LADDER]
    return [*ladder, TRAINED, *([OVERFLOWING] if dtype == "float16" else [])]


class Subject:
    """The model under test and its prompt."""

    def __init__(
        self, facts: Dict[str, Any], dtype: str, device: str, attention: Any, tokens: int
    ) -> None:
        self.model_type = facts.get("model_type") or ""
        config = make_config(facts["tiny_config"])
        self.reason = ""
        try:
            self.model = make_model(config, dtype=dtype, device=device, attention=attention)
        except (ImportError, ValueError) as error:
            self.reason = f"{type(error).__name__}: {error}"[:400]
            config = make_config(facts["tiny_config"])
            self.model = make_model(config, dtype=dtype, device=device)
        self.tower = text_tower.attention_modules(self.model)
        self.has_key_bias = any(module.k_proj.bias is not None for module in self.tower)
        self.selected = "" if self.reason else text_tower.selected(self.model, self.model_type)
        self.text_tokens = tokens
        self.inputs = make_inputs(config, images=(IMAGE,), text_tokens=tokens, device=device)
        self.cure: Optional[cure.Cure] = None

    def spread_content(self) -> None:
        """Give the projections trained sizes and keep the planted channel free of content, so that
        what is measured is the rounding of logits and not of stored keys."""
        for module in self.tower:
            width = module.head_dim
            for name, gain in (("q_proj", CONTENT_SPREAD), ("k_proj", CONTENT_SPREAD)):
                scale_to(getattr(module, name), math.sqrt(gain))
            scale_to(module.v_proj, 1.0)
            scale_to(module.o_proj, 1.0)
            if not self.has_key_bias:
                continue
            for projection in (module.q_proj, module.k_proj):
                rows = projection.weight.view(-1, width, projection.in_features)
                rows[:, [width // 2 - 1, width - 1]] = 0.0

    def plant(self, plant: Plant) -> None:
        """Set the constants in the first and the last layer."""
        if not self.has_key_bias:
            return
        for module in {self.tower[0], self.tower[-1]}:
            for projection, size in ((module.q_proj, plant.query), (module.k_proj, plant.key)):
                projection.bias.zero_()
                projection.bias.view(-1, module.head_dim)[:, module.head_dim // 2 - 1] = size

    def switch(self, name: str) -> None:
        """Change the language model's implementation; the cure is executed as it is printed."""
        if name == cure.NAME:
            self.cure = cure.apply_cure(self.model_type)
            # Where attention is a class, the cured one has taken eager's place.
            name = name if self.cure.use else "eager"
        text_tower.switch(self.model, name, self.model_type)
        self.tower = text_tower.attention_modules(self.model)

    def logits(self, **changed: Any) -> Any:
        """Next-token logits in float64, (tokens, vocabulary)."""
        inputs = {**self.inputs, **changed}
        return self.model(**inputs, use_cache=False).logits[0].double()

    def is_causal(self, logits: Any) -> bool:
        """Whether the text before the image is blind to the image."""
        other = self.logits(pixel_values=-self.inputs["pixel_values"])
        before = slice(0, self.text_tokens)
        return bool(relative(other[before], logits[before]) < SAME)

    def measure(self, planted: List[Plant]) -> Dict[str, Any]:
        """Every implementation with every plant, against float32 and against the cure."""
        names = ["eager", "sdpa", *(["flash_attention_2"] if self.on_gpu else [])]
        names += [self.selected] if self.selected not in ["", *names] else []
        runs: Dict[Tuple[str, Plant], Any] = {}
        missing: Dict[str, str] = {}
        causal: Dict[str, bool] = {}
        # The cure comes last: where attention is a class, it takes eager's place.
        for name in [*names, cure.NAME]:
            try:
                self.switch(name)
                for plant in reversed(planted):
                    self.plant(plant)
                    runs[name, plant] = self.logits()
                if name in (cure.NAME, self.selected):
                    causal[name] = self.is_causal(runs[name, planted[0]])
            except Exception as error:
                missing[name] = f"{type(error).__name__}: {error}"[:400]
        if not runs:
            why = next(iter(missing.values()))
            return {"missing": missing, "reason": f"the model runs with no implementation: {why}"}
        exact = self.in_float32(planted)
        width, keys = self.tower[0].head_dim, self.tower[0].k_proj.out_features
        return {
            "tokens": int(self.inputs["input_ids"].shape[1]),
            "head_dim": width,
            "missing": missing,
            "causal": causal,
            "cure_source": self.cure.source if self.cure else "",
            "cure_use": self.cure.use if self.cure else "",
            "sdpa_use": cure.switch_statement("sdpa"),
            "cells": [
                {
                    "implementation": name,
                    "offset": plant.query * plant.key / math.sqrt(width),
                    "key_bias_norm": plant.key * math.sqrt(keys / width),
                    "from_float32": compare(logits, exact[plant]),
                    "from_cure": compare(logits, runs.get((cure.NAME, plant))),
                }
                for (name, plant), logits in runs.items()
            ],
        }

    @property
    def vision_selected(self) -> str:
        """What the vision tower runs, as its configuration names it; empty where it does not."""
        return str(getattr(self.model.config.vision_config, "_attn_implementation", None) or "")

    @property
    def on_gpu(self) -> bool:
        """Where the model is."""
        return bool(self.inputs["input_ids"].is_cuda)

    def in_float32(self, planted: List[Plant]) -> Dict[Plant, Any]:
        """The same rounded weights, computed in float32."""
        model, tower = self.model, self.tower
        try:
            self.model = copy.deepcopy(model).float()
            text_tower.switch(self.model, "eager", self.model_type)
            self.tower = text_tower.attention_modules(self.model)
            found = {}
            for plant in planted:
                self.plant(plant)
                found[plant] = self.logits()
            return found
        finally:
            self.model, self.tower = model, tower


def scale_to(projection: Any, spread: float) -> None:
    """Scale a linear layer so that inputs of variance 1 give outputs of this standard deviation."""
    weight = projection.weight
    now = weight.float().std().item() * math.sqrt(projection.in_features)
    weight.mul_(spread / now)


def relative(logits: Any, reference: Any) -> float:
    """Relative L2 difference."""
    return float(((logits - reference).norm() / reference.norm()).item())


def compare(logits: Any, reference: Optional[Any]) -> Optional[Dict[str, Any]]:
    """Distance of next-token logits (tokens, vocabulary) from a reference's."""
    if reference is None:
        return None
    nonfinite = int((~logits.isfinite()).sum())
    if nonfinite or not bool(reference.isfinite().all()):
        return {"error": None, "top1": None, "kl": None, "nonfinite": nonfinite}
    scale = NEXT_TOKEN_SPREAD / reference.std()
    ours, theirs = (logits * scale).log_softmax(-1), (reference * scale).log_softmax(-1)
    return {
        "error": float(f"{relative(logits, reference):.6g}"),
        "top1": float((logits.argmax(-1) == reference.argmax(-1)).double().mean().item()),
        "kl": float(f"{(theirs.exp() * (theirs - ours)).sum(-1).mean().item():.6g}"),
        "nonfinite": 0,
    }
