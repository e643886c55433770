"""Generates a few tokens with a small model of the real architecture and watches the KV cache.

Runs on the CPU in float32, where cached and fresh logits must agree to rounding; what the cache
does depends on the code and the settings, not on the device.
"""

import copy
from typing import Any, Dict, List, Optional

from qvl_checks.kv_cache import layers
from qvl_checks.kv_cache.cache_bytes import fixed, formula, growth, per_layer, shape
from qvl_checks.kv_cache.saved_settings import generation_file, user_settings
from qvl_checks.kv_cache.watched import RESTORE, TOLERANCE, Watched, shallow, told
from qvl_checks.models.build import make_config

WINDOW = 4
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


def switches(watched: Watched) -> List[Dict[str, Any]]:
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
