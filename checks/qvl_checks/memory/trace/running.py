"""How the workload is run on the hollow model: one pass, or the generation of a few tokens."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from qvl_checks.memory.trace.answer import TRACED_STEPS
from qvl_checks.memory.trace.placing import OFFLOADED, Placement
from qvl_checks.memory.trace.replacements import Replacements
from qvl_checks.memory.trace.workload import Unsupported, Workload

TRACED_TOKENS = 1 + TRACED_STEPS
SETTINGS = ("prefill_chunk_size", "cache_implementation", "use_cache")
"""What a workload may say of ``generate`` beyond the number of tokens."""
STATIC = "static"
TO_CUDA = "to_cuda"
MOVED = (
    "after model.to('cuda') all weights are on cuda:0, but the hooks still send activations to the "
    "other GPUs: the run fails there"
)


def run_model(torch: Any, model: Any, tensors: Mapping[str, Any], work: Workload) -> Any:
    """Run it on fake tensors; what it returns is what the caller keeps.

    Raises:
        Unsupported: the installed release has no such setting, or refuses it here.
    """
    if work.mode == "forward":
        return model(**tensors, **_forward_settings(model, work))
    stated = {name: work.stated[name] for name in SETTINGS if work.stated.get(name) is not None}
    settings = _generate_settings(torch, model, tensors, work, stated)
    if not stated:
        return model.generate(**tensors, **settings)
    try:
        return model.generate(**tensors, **settings)
    except Exception as error:
        asked = ", ".join(f"{name}={value!r}" for name, value in stated.items())
        reason = f"with {asked}, the installed transformers raises {type(error).__name__}: {error}"
        raise Unsupported(reason) from error


def prefills(work: Workload, prompt_tokens: int) -> int:
    """In how many passes ``generate`` takes the prompt, where it calls the model for each."""
    chunk = work.stated.get("prefill_chunk_size")
    if not chunk or work.mode == "forward":
        return 1
    import transformers

    # Up to 4.57 the chunks go past the model's hooks, and the last token has a pass of its own.
    if int(transformers.__version__.split(".")[0]) < 5:
        return 1
    return -(-prompt_tokens // int(chunk))


def moved(placement: Placement, work: Workload) -> tuple[Placement, str]:
    """Where the weights are after what is stated was done to the dispatched model, and a note.

    Raises:
        Unsupported: it cannot be done.
    """
    if work.stated.get("after_dispatch") != TO_CUDA or not placement.spread:
        return placement, ""
    if set(placement.by_module.values()) & set(OFFLOADED):
        raise Unsupported("a model with offloaded modules cannot be moved: accelerate refuses")
    return Placement({"": "cuda:0"}), MOVED


def _forward_settings(model: Any, work: Workload) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    kept = work.stated.get("logits_to_keep")
    if kept:
        if "logits_to_keep" not in inspect.signature(type(model).forward).parameters:
            raise Unsupported("this release's forward has no logits_to_keep")
        settings["logits_to_keep"] = kept
    if work.stated.get("use_cache") is not None:
        settings["use_cache"] = work.stated["use_cache"]
    return settings


def _generate_settings(
    torch: Any, model: Any, tensors: Mapping[str, Any], work: Workload, stated: Mapping[str, Any]
) -> dict[str, Any]:
    if "prefill_chunk_size" in stated and not hasattr(
        model.generation_config, "prefill_chunk_size"
    ):
        raise Unsupported("this release's generate takes the prompt at once (no prefill chunks)")
    settings: dict[str, Any] = {"do_sample": False, **stated}
    tokens = min(work.new_tokens, TRACED_TOKENS)
    if stated.get("cache_implementation") == STATIC:
        # The whole cache is allocated at once, so its length must be the true one.
        end = tensors["input_ids"].shape[1] + tokens
        settings["stopping_criteria"] = [_stop_at(torch, end)]
        if hasattr(model.generation_config, "disable_compile"):
            settings["disable_compile"] = True
        tokens = work.new_tokens
    settings["max_new_tokens"] = tokens
    return settings


def _stop_at(torch: Any, length: int) -> Any:
    def stop(ids: Any, scores: Any, **_: Any) -> Any:
        return torch.full((ids.shape[0],), ids.shape[1] >= length, device=ids.device)

    return stop


def without_streams(torch: Any, replaced: Replacements) -> None:
    """Streams of the device are needed by offloaded caches only; here they do nothing."""
    for owner, name in ((torch, "Stream"), (torch.cuda, "Stream")):
        replaced.attribute(owner, name, _NoStream)
    for name in ("stream", "default_stream", "current_stream"):
        replaced.attribute(torch.cuda, name, lambda *_, **__: _NoStream())


class _NoStream:
    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> _NoStream:
        return self

    def __exit__(self, *_: Any) -> None: ...

    def wait_stream(self, other: Any) -> None:
        """Nothing runs beside anything."""

    def synchronize(self) -> None:
        """Nothing is under way."""
