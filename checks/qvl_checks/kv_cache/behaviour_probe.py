"""Generates a few tokens with a small model of the real architecture and watches the KV cache.

Runs on the CPU in float32, where cached and fresh logits must agree to rounding; what the cache
does depends on the code and the settings, not on the device.
"""

import copy
import math
import time
from typing import Any, Dict, List, Optional, Tuple

from qvl_checks.attention import text_tower
from qvl_checks.kv_cache import layers
from qvl_checks.kv_cache.cache_bytes import fixed, formula, growth, per_layer, shape, tensor_bytes
from qvl_checks.kv_cache.saved_settings import generation_file, user_settings
from qvl_checks.models.build import make_config, make_inputs, make_model

TEXT_TOKENS = 8
LAYERS = 2
PADDING = 5
WINDOW = 4
NEW_TOKENS = 4
TRIED_TOKENS = 3
TOLERANCE = 1e-3
"""Relative L2 difference of float32 logits; rounding gives about 1e-6, another context above 1."""
IMAGE = (56, 56)
RESTORE = """\
model.eval()
model.gradient_checkpointing_disable()
model.generation_config.use_cache = True
for module in model.modules():
    if hasattr(getattr(module, "config", None), "use_cache"):
        module.config.use_cache = True
"""
"""Every part of the model may hold its own copy of the configuration (it does in 4.53)."""
BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}


def run(request: Dict[str, Any]) -> Dict[str, Any]:
    """See `CacheFacts` for the fields."""
    import torch
    import transformers

    facts = request.get("model") or {}
    if not facts.get("tiny_config"):
        return {"reason": "the model is not of a family whose architecture is known here"}
    # Tiny tensors: a second thread costs more than it brings, most of all on a busy machine.
    torch.set_num_threads(1)
    settings = user_settings(facts)
    refused = refusal(facts["tiny_config"])
    if refused:
        return {
            "transformers": str(transformers.__version__),
            "settings": settings,
            "refused": refused,
        }
    watched = Watched(facts["tiny_config"], generation_file(facts).get("content"))
    dtype = str((request.get("workload") or {}).get("dtype"))
    with torch.no_grad():
        default, default_effect, default_reason = watched.observed()
        forward = watched.forward_keeps_cache()
        cached, cached_reason = default, default_reason
        if default_effect != "cached":
            watched.set(True, True, False, False)
            cached, _, cached_reason = watched.observed()
        padded_error, padded_reason = watched.padded_error()
        whole = make_config(facts["config"])
        return {
            "transformers": str(transformers.__version__),
            "settings": settings,
            "prompt_tokens": watched.prompt_tokens,
            "default": default["steps"],
            "default_effect": default_effect,
            "default_reason": default_reason,
            "forward_keeps_cache": forward,
            "cached": cached["steps"],
            "tolerance": TOLERANCE,
            "cached_reason": cached_reason,
            "logits_error": watched.distance_from_fresh(cached, watched.inputs),
            "padded_error": padded_error,
            "padded_reason": padded_reason,
            "switches": switches(watched),
            "restore": RESTORE,
            "restored_effect": watched.restored(),
            "measured_bytes_per_token": growth(cached),
            "formula_bytes_per_token": formula(watched.config, 4),
            "layers": layers.table(
                cached.get("layers", []), [step["fed"] for step in cached["steps"]], watched.config
            ),
            "formula_fixed_bytes": fixed(watched.config, 4, 4),
            "model_bytes_per_token": formula(whole, BYTES.get(dtype, 2)),
            "model_bytes_per_layer": per_layer(whole, BYTES.get(dtype, 2)),
            "model_fixed_bytes": fixed(whole, BYTES.get(dtype, 2), 4),
            "model_layers": shape(whole),
            "model_positions": getattr(whole.get_text_config(), "max_position_embeddings", None),
            "window_tokens": window_tokens(facts["tiny_config"])
            if shape(whole)["window"]
            else None,
            "dtype": dtype if dtype in BYTES else "bfloat16",
        }


def refusal(tiny_config: Dict[str, Any]) -> str:
    """Why transformers refuses the configuration for its ``use_cache``; "" if it does not."""
    plain = copy.deepcopy(tiny_config)
    stated = []
    for part in (plain, plain.get("text_config")):
        if isinstance(part, dict) and "use_cache" in part:
            stated.append(part.pop("use_cache"))
    if all(isinstance(value, bool) for value in stated):
        return ""
    try:
        make_config(tiny_config)
        return ""
    except Exception as error:
        make_config(plain)  # raises as well if something else is wrong
        return told(error)


def switches(watched: "Watched") -> List[Dict[str, Any]]:
    """Each way of turning the cache off, tried alone on a model that has everything on."""
    return [
        watched.tried("generate(use_cache=False)", use_cache=False),
        watched.tried("generation_config.use_cache = False", generation=False),
        watched.tried("config.use_cache = False", config=False),
        watched.tried("model.train()", train=True),
        watched.tried(
            "model.train() with gradient checkpointing", train=True, gradient_checkpointing=True
        ),
    ]


def window_tokens(tiny_config: Dict[str, Any]) -> Optional[int]:
    """What a layer with a window of `WINDOW` tokens keeps of a longer prompt; None: not read."""
    config = shallow(tiny_config)
    text = config["text_config"] if isinstance(config.get("text_config"), dict) else config
    text.update(use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1)
    watched = Watched(config, None)
    try:
        rows = watched.generate(use_cache=True)["layers"][-1]
        return int(rows[-1]["tokens"])
    except Exception:
        return None


def shallow(tiny_config: Dict[str, Any]) -> Dict[str, Any]:
    """Two layers are enough to see a cache, unless layers differ (hybrid families)."""
    small = copy.deepcopy(tiny_config)
    text = small["text_config"] if isinstance(small.get("text_config"), dict) else small
    if "full_attention_interval" not in text and "layer_types" not in text:
        text["num_hidden_layers"] = LAYERS
    return small


class Watched:
    """A model whose calls are recorded."""

    def __init__(
        self, tiny_config: Dict[str, Any], generation_content: Optional[Dict[str, Any]]
    ) -> None:
        from transformers import GenerationConfig

        self.config = make_config(shallow(tiny_config))
        self.inputs = make_inputs(self.config, images=(IMAGE,), text_tokens=TEXT_TOKENS)
        self.prompt_tokens = int(self.inputs["input_ids"].shape[1])
        self.model = make_model(self.config, dtype="float32")
        self.attention = text_tower.attention_modules(self.model)
        self.steps: List[Dict[str, Any]] = []
        self.layers: List[List[Dict[str, Any]]] = []
        self._fed: Optional[int] = None
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

    def length(self, cache: Any) -> Optional[int]:
        """Tokens in the cache's first softmax layer; None without a cache."""
        if cache is None:
            return None
        index = self.attention[0].layer_idx if self.attention else 0
        rows = layers.by_layer(cache)
        return (rows[index]["tokens"] or 0) if index < len(rows) else 0

    def generate(
        self, inputs: Optional[Dict[str, Any]] = None, tokens: int = NEW_TOKENS, **keywords: Any
    ) -> Dict[str, Any]:
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

    def observed(self) -> Tuple[Dict[str, Any], str, str]:
        """generate as the model is set now: the run, its effect, and the error if it raised."""
        try:
            run = self.generate()
            return run, self.effect(run), ""
        except Exception as error:
            return {"steps": list(self.steps)}, "raised", told(error)

    def effect(self, run: Dict[str, Any]) -> str:
        """``cached``: one token a step and the right logits; ``recomputed``: everything again and
        the right logits; ``wrong``: other logits than a fresh pass gives."""
        error = self.distance_from_fresh(run, self.inputs)
        if error is None or error > TOLERANCE:
            return "wrong"
        return "cached" if all(step["fed"] == 1 for step in run["steps"][1:]) else "recomputed"

    def distance_from_fresh(self, run: Dict[str, Any], inputs: Dict[str, Any]) -> Optional[float]:
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

    def padded_error(self) -> Tuple[Optional[float], str]:
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
    ) -> Dict[str, Any]:
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
