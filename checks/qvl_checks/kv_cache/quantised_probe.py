"""What a quantised KV cache does to a small model of the real architecture.

One variable changes between two runs: the cache. The model computes in float32, so that nothing
else rounds; the tokens are forced, so that every step has the same past. Trained models of the
families with a key bias have outliers there, which random weights lack: they are planted.
"""

from __future__ import annotations

import functools
import importlib
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

from qvl_checks.attention import text_tower
from qvl_checks.host.guarded import reason_of
from qvl_checks.host.isolated import isolated
from qvl_checks.kv_cache import backends
from qvl_checks.kv_cache.cache_bytes import tensor_bytes
from qvl_checks.kv_cache.fake_quantisation import CHANNEL, TOKEN, simulated
from qvl_checks.models.build import make_config, make_inputs, make_model

TEXT_TOKENS = 180
"""With the picture a prompt of 186 tokens, so that groups of 64 tokens are full."""
IMAGE = (56, 56)
NEW_TOKENS = {"quick": 16, "standard": 16, "deep": 96}
"""Fewer than 128, from where on transformers quantises the new tokens too."""
CONTENT_SPREAD = 2.0
NEXT_TOKEN_SPREAD = 3.0
"""Next-token logits are compared at this standard deviation: those of random weights are flat."""
NOTHING = (0.0, 0.0)
TRAINED = (442.0, 300.0)
"""Planted in k_proj.bias of the first and last layers, on the two channels of the slowest rotary
pair. Published for Qwen2.5-7B: norms 605 and 921, largest element 442."""
SIMULATED = ((TOKEN, 4), (CHANNEL, 4), (TOKEN, 8), (TOKEN, 2))
FEW = 3
"""How many of them a run takes that is not deep."""
BACKEND_S = 60.0


def run(request: dict[str, Any]) -> dict[str, Any]:
    """See `QuantisedFacts` for the fields."""
    facts = request.get("model") or {}
    if not facts.get("tiny_config"):
        return {"reason": "the model is not of a family whose architecture is known here"}
    tokens = NEW_TOKENS.get(request.get("level", "standard"), NEW_TOKENS["standard"])
    answer: dict[str, Any] = {"rows": [], "missing": {}, "not_checked": {}}
    answer.update(measured(facts["tiny_config"], tokens, None))
    for backend, (module, _) in backends.BACKENDS.items():
        if not backends.present(backend):
            answer["not_checked"][backend] = f"{module} is not installed"
            continue
        # They bring compiled code of their own.
        outcome = isolated(
            functools.partial(measured, facts["tiny_config"], tokens, backend), BACKEND_S
        )
        if outcome["status"] == "ok":
            answer["rows"] += outcome["data"]["rows"]
            answer["missing"].update(outcome["data"]["missing"])
        else:
            answer["not_checked"][backend] = outcome["reason"][:400]
    return answer


class Attempt(NamedTuple):
    """One way of keeping the cache."""

    backend: str
    bits: int
    grouping: str
    meanwhile: Callable[[], Any]
    keywords: dict[str, Any]


def attempts(backend: str | None, few: bool) -> list[Attempt]:
    """The simulated ones, or those of an installed backend."""
    if backend is None:
        return [
            Attempt("simulated", bits, grouping, functools.partial(simulated, bits, grouping), {})
            for grouping, bits in SIMULATED[: FEW if few else None]
        ]
    made = []
    for bits in backends.BACKENDS[backend][1]:
        config: dict[str, Any] = {"backend": spelled(backend), "nbits": bits}
        keywords = {"cache_implementation": "quantized", "cache_config": config}
        made.append(Attempt(backend, bits, "its default", nullcontext, keywords))
    return made


def spelled(backend: str) -> str:
    """The name that this release takes: "HQQ" up to 4.55, "hqq" in 4.57 and later."""
    settings = importlib.import_module("transformers.generation.configuration_utils")
    known = getattr(settings, "QUANT_BACKEND_CLASSES_MAPPING", {})
    return next((name for name in known if name.lower() == backend), backend)


def measured(tiny_config: dict[str, Any], tokens: int, backend: str | None) -> dict[str, Any]:
    """Every attempt with every plant, against an exact cache."""
    import torch
    import transformers

    torch.set_num_threads(1)
    if backend is not None:
        backends.prepare(backend)
    subject = Subject(tiny_config, tokens)
    rows: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    with torch.no_grad():
        for plant in (NOTHING, *([TRAINED] if subject.has_key_bias else [])):
            norm = subject.plant(plant)
            exact, exact_bytes = subject.logits()
            for attempt in attempts(backend, few=tokens < NEW_TOKENS["deep"]):
                name = f"{attempt.backend} {attempt.bits} bits {attempt.grouping}"
                if name in missing:
                    continue
                began = time.perf_counter()
                try:
                    with attempt.meanwhile():
                        logits, held = subject.logits(**attempt.keywords)
                except Exception as error:
                    missing[name] = reason_of(error)
                    continue
                rows.append(
                    {
                        "backend": attempt.backend,
                        "bits": attempt.bits,
                        "grouping": attempt.grouping,
                        "key_bias_norm": norm,
                        **compare(logits, exact),
                        "bytes_per_token": held if attempt.keywords else None,
                        "seconds": round(time.perf_counter() - began, 3),
                    }
                )
    return {
        "transformers": str(transformers.__version__),
        "has_key_bias": subject.has_key_bias,
        "prompt_tokens": subject.prompt_tokens,
        "new_tokens": tokens,
        "exact_bytes_per_token": exact_bytes,
        "rows": rows,
        "missing": missing,
    }


class Subject:
    """The model under test, its prompt and the tokens that are forced on it."""

    def __init__(self, tiny_config: dict[str, Any], tokens: int) -> None:
        import torch

        config = make_config(tiny_config)
        self.config = config
        self.model = make_model(config, dtype="float32")
        self.model.generation_config.eos_token_id = None
        self.model.generation_config.pad_token_id = 0
        self.model.generation_config.use_cache = True
        self.inputs = make_inputs(config, images=(IMAGE,), text_tokens=TEXT_TOKENS)
        self.prompt_tokens = int(self.inputs["input_ids"].shape[1])
        self.tower = text_tower.attention_modules(self.model)
        self.has_key_bias = any(module.k_proj.bias is not None for module in self.tower)
        generator = torch.Generator().manual_seed(1)
        self.forced = torch.randint(10, 900, (tokens,), generator=generator).tolist()
        with torch.no_grad():
            for module in self.tower:
                for name in ("q_proj", "k_proj"):
                    spread(getattr(module, name), math.sqrt(CONTENT_SPREAD))
                for name in ("v_proj", "o_proj"):
                    spread(getattr(module, name), 1.0)

    def plant(self, sizes: tuple[float, float]) -> float:
        """Set the key bias of the first and last layers; the norm of one layer's bias."""
        if not self.has_key_bias:
            return 0.0
        norms = []
        for module in {self.tower[0], self.tower[-1]}:
            bias = module.k_proj.bias
            bias.zero_()
            heads = bias.view(-1, module.head_dim)
            heads[:, module.head_dim // 2 - 1] = sizes[0]
            heads[:, module.head_dim - 1] = sizes[1]
            norms.append(float(bias.norm().item()))
        return round(max(norms), 1)

    def logits(self, **keywords: Any) -> tuple[Any, float | None]:
        """Next-token logits of the decoding steps (tokens, vocabulary), and what the cache holds
        per token of the prompt, in bytes."""
        import torch

        held: list[float] = []

        def see(module: Any, arguments: Any, output: Any) -> None:
            if not held:
                held.append(sum(tensor_bytes(getattr(output, "past_key_values", None))))

        hook = self.model.register_forward_hook(see)
        try:
            out = self.model.generate(
                **self.inputs,
                max_new_tokens=len(self.forced) + 1,
                do_sample=False,
                return_dict_in_generate=True,
                output_logits=True,
                logits_processor=[self.force],
                **keywords,
            )
        finally:
            hook.remove()
        # The first comes from the prompt itself, for which every cache gives the exact keys.
        steps = torch.cat(out.logits[1:]).double()
        return steps, held[0] / self.prompt_tokens if held else None

    def force(self, sequence: Any, scores: Any) -> Any:
        """A logits processor that leaves one token, the same in every run."""
        import torch

        step = sequence.shape[1] - self.prompt_tokens
        only = torch.full_like(scores, -1e9)
        only[:, self.forced[min(step, len(self.forced) - 1)]] = 0.0
        return only


def spread(projection: Any, size: float) -> None:
    """Scale a linear layer so that inputs of variance 1 give outputs of this standard deviation."""
    weight = projection.weight
    weight.mul_(size / (weight.std().item() * math.sqrt(projection.in_features)))


def compare(logits: Any, exact: Any) -> dict[str, Any]:
    """Relative L2 error, same next tokens, KL divergence at a common spread."""
    nonfinite = int((~logits.isfinite()).sum())
    if nonfinite:
        return {"error": None, "top1": None, "kl": None, "nonfinite": nonfinite}
    scale = NEXT_TOKEN_SPREAD / exact.std()
    ours, theirs = (logits * scale).log_softmax(-1), (exact * scale).log_softmax(-1)
    return {
        "error": float(f"{((logits - exact).norm() / exact.norm()).item():.4g}"),
        "top1": float((logits.argmax(-1) == exact.argmax(-1)).double().mean().item()),
        "kl": float(f"{(theirs.exp() * (theirs - ours)).sum(-1).mean().item():.4g}"),
        "nonfinite": 0,
    }
