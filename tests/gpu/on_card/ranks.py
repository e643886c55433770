"""One rank of a tensor-parallel run, measured; and the checkpoint that all ranks load."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from on_card.peak import answer, outside
from qvl_checks.models.build import (
    dtype_keyword,
    make_config,
    make_inputs,
    make_model,
    model_class,
)

PER_RANK = (
    "context_bytes",
    "context_loaded_bytes",
    "context_after_bytes",
    "weights_bytes",
    "weights_reserved_bytes",
    "load_peak_bytes",
    "peak_allocated_bytes",
    "peak_reserved_bytes",
    "at_peak",
)


def save(request: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint with random weights at ``request["path"]``."""
    import torch

    workload = request["workload"]
    config = make_config(shallower(dict(request["config"]), workload["layers"]))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = make_model(config, dtype=workload["dtype"], device=device)
    model.save_pretrained(request["path"], max_shard_size="200GB")
    size = sum(path.stat().st_size for path in Path(request["path"]).iterdir())
    return {"status": "saved", "bytes": size}


def shallower(config: dict[str, Any], layers: int | None) -> dict[str, Any]:
    """The config with so many layers of the language model; None: all."""
    if layers is None:
        return config
    text = dict(config.get("text_config") or config)
    text["num_hidden_layers"] = layers
    if text.get("layer_types"):
        text["layer_types"] = text["layer_types"][:layers]
    return {**config, "text_config": text} if "text_config" in config else text


def run(request: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Loads this rank's part of the checkpoint and runs the workload; bytes of this rank's GPU,
    and the shapes of the parts."""
    os.environ.update(environment)
    import torch
    import transformers

    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    workload, on_gpu = request["workload"], torch.cuda.is_available()
    rank = int(environment["LOCAL_RANK"])
    facts: dict[str, Any] = {
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
    }
    card = Card(torch, rank) if on_gpu else Unmeasured()
    facts.update(card.before())
    arguments: dict[str, Any] = {
        dtype_keyword(): getattr(torch, workload["dtype"]),
        "attn_implementation": workload["attention"],
    }
    config = transformers.AutoConfig.from_pretrained(request["path"])
    loaded = model_class(config).from_pretrained(request["path"], **arguments, **split())
    model = loaded.eval()
    gc.collect()
    facts.update(card.loaded())
    facts["local_shapes"] = {name: shape_of(one) for name, one in model.named_parameters()}
    facts["kinds"] = sorted({type(one.data).__name__ for one in model.parameters()})
    status: dict[str, Any] = {"status": "ran"}
    with torch.no_grad():
        try:
            answer(model, config, workload, facts)
        except torch.OutOfMemoryError as error:
            status = {"status": "out_of_memory", "message": str(error)}
            error.__traceback__ = None
    try:
        facts.update(card.after())
    except Exception as error:
        status = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    if not on_gpu:
        facts.update(compared(model, config, workload, request["path"]))
    return {**facts, **status}


def split() -> dict[str, Any]:
    """How this release is told to split the weights over the processes."""
    import transformers

    try:
        from transformers.distributed import DistributedConfig

        return {"distributed_config": DistributedConfig(tp_plan="auto")}
    except (ImportError, TypeError):
        release = tuple(int(part) for part in transformers.__version__.split(".")[:2])
        assert release < (5, 18)
        return {"tp_plan": "auto"}


def shape_of(tensor: Any) -> list[int]:
    """The shape of the part that this rank holds."""
    local = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return list(local.shape)


def compared(model: Any, config: Any, workload: Mapping[str, Any], path: str) -> dict[str, Any]:
    """One pass more, for what it leaves: shapes of the cache's tensors, layer by layer, shape of
    the logits, and how far these are from the unsplit model's (relative L2 of the last row)."""
    import torch

    inputs = make_inputs(
        config,
        images=workload["images"],
        text_tokens=workload["text_tokens"],
        batch=workload["batch"],
        device=str(model.device),
    )
    arguments = {
        dtype_keyword(): getattr(torch, workload["dtype"]),
        "attn_implementation": workload["attention"],
    }
    whole = model_class(config).from_pretrained(path, **arguments).eval()
    with torch.no_grad():
        answer, expected = (one(**inputs, use_cache=True) for one in (model, whole))
    rows = answer.logits[:, -1].float(), expected.logits[:, -1].float()
    facts = {
        "cache_shapes": [list(one.shape) for one in kept(answer.past_key_values)],
        "logits_shape": list(answer.logits.shape),
    }
    if rows[0].shape == rows[1].shape:
        facts["logits_error"] = float((rows[0] - rows[1]).norm() / rows[1].norm())
    return facts


def kept(cache: Any) -> list[Any]:
    """Every key and value tensor of a cache."""
    layers = getattr(cache, "layers", None)
    if layers is None:
        pairs = list(zip(cache.key_cache, cache.value_cache, strict=True))
    else:
        pairs = [(getattr(one, "keys", None), getattr(one, "values", None)) for one in layers]
    return [one for pair in pairs for one in pair if one is not None]


class Unmeasured:
    """A rank on the CPU."""

    def before(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    loaded = after = before


class Card:
    """The memory statistics of this rank's GPU."""

    def __init__(self, torch: Any, index: int) -> None:
        self._torch = torch
        self._index = index

    def before(self) -> dict[str, Any]:
        """Before the process group exists."""
        self._torch.cuda.set_device(self._index)
        self._torch.zeros(1, device="cuda")
        self._torch.cuda.empty_cache()
        name = self._torch.cuda.get_device_name(self._index)
        return {"gpu": name, "context_bytes": outside(self._torch, self._index)}

    def loaded(self) -> dict[str, Any]:
        """After ``from_pretrained``."""
        memory = self._torch.cuda
        facts = {
            "context_loaded_bytes": outside(self._torch, self._index),
            "weights_bytes": memory.memory_allocated(self._index),
            "weights_reserved_bytes": memory.memory_reserved(self._index),
            "load_peak_bytes": memory.max_memory_allocated(self._index),
        }
        memory.reset_peak_memory_stats(self._index)
        memory.memory._record_memory_history(context="alloc", stacks="python")
        return facts

    def after(self) -> dict[str, Any]:
        """After the run."""
        memory = self._torch.cuda
        facts = {
            "peak_allocated_bytes": memory.max_memory_allocated(self._index),
            "peak_reserved_bytes": memory.max_memory_reserved(self._index),
            "context_after_bytes": outside(self._torch, self._index),
        }
        history = memory.memory._snapshot()["device_traces"][self._index]
        memory.memory._record_memory_history(enabled=None)
        return {**facts, "at_peak": largest(alive_at_peak(history))}


def alive_at_peak(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The allocations of an allocator's history that were alive when they took the most."""
    alive: dict[int, dict[str, Any]] = {}
    total = most = 0
    found: list[dict[str, Any]] = []
    for event in history:
        if event["action"] == "alloc":
            alive[event["addr"]] = event
            total += event["size"]
            if total > most:
                most, found = total, list(alive.values())
        elif event["action"] == "free_completed" and event["addr"] in alive:
            total -= alive.pop(event["addr"])["size"]
    return found


def largest(events: list[dict[str, Any]], count: int = 15) -> list[dict[str, Any]]:
    """The largest of these allocations, with the lines that made them."""
    events = sorted(events, key=lambda event: -event["size"])[:count]
    return [
        {
            "bytes": event["size"],
            "lines": [
                f"{frame['filename'].rpartition('site-packages/')[2]}:{frame['line']}"
                for frame in event.get("frames", ())[:6]
            ],
        }
        for event in events
    ]
