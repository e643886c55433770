"""One workload on real cards, measured: what a prediction is compared with."""

from __future__ import annotations

import gc
from typing import Any

from qvl_checks.memory import placement as place
from qvl_checks.models.build import make_config, make_inputs


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Weights, peaks and context per card, in bytes, of a full-size model with random weights.

    ``request["workload"]``: images ((width, height) after resizing), videos ((width,
    height, frames)), text_tokens, batch, dtype,
    attention (a name or a mapping), mode (generate, forward), new_tokens, device_map, limit_bytes
    (what the allocator of each card may reserve; None: all).
    """
    import torch
    import transformers

    workload = request["workload"]
    count = torch.cuda.device_count() if workload["device_map"] in place.PLANNED else 1
    for index in range(count):
        torch.zeros(1, device=f"cuda:{index}")
    torch.cuda.empty_cache()
    facts: dict[str, Any] = {
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
        "gpu": torch.cuda.get_device_name(0),
        "context_bytes": [outside(torch, index) for index in range(count)],
    }
    limit_cards(torch, count, workload["limit_bytes"])
    config = make_config(dict(request["model"]["config"]))
    model = place.hollow_model(torch, config, workload["dtype"], workload["attention"])
    placed: dict[str, Any] = {"": 0}
    if workload["device_map"] in place.PLANNED:
        placed = place.plan(torch, model, workload["device_map"], workload["dtype"])
    facts["placement"] = {name: str(device) for name, device in placed.items()}
    try:
        with torch.no_grad():
            place.fill(torch, model, placed, workload["dtype"], Unwatched())
            if workload["device_map"] in place.PLANNED:
                place.dispatch(model, placed)
            facts["weights_bytes"] = [torch.cuda.memory_allocated(i) for i in range(count)]
            facts["weights_reserved_bytes"] = [torch.cuda.memory_reserved(i) for i in range(count)]
            for index in range(count):
                torch.cuda.reset_peak_memory_stats(index)
            answer(model, config, workload, facts)
        facts["status"] = "ran"
    except torch.cuda.OutOfMemoryError as error:
        facts.update(status="out_of_memory", message=str(error))
        error.__traceback__ = None
    gc.collect()
    facts["peak_allocated_bytes"] = [torch.cuda.max_memory_allocated(i) for i in range(count)]
    facts["peak_reserved_bytes"] = [torch.cuda.max_memory_reserved(i) for i in range(count)]
    facts["context_after_bytes"] = [outside(torch, index) for index in range(count)]
    return facts


def answer(model: Any, config: Any, workload: dict[str, Any], facts: dict[str, Any]) -> None:
    """One forward pass, or a prefill and as many steps as asked for."""
    inputs = make_inputs(
        config,
        images=workload["images"],
        videos=workload["videos"],
        text_tokens=workload["text_tokens"],
        batch=workload["batch"],
        device=str(model.device),
    )
    facts["prompt_tokens"] = int(inputs["input_ids"].shape[1])
    facts["inputs_bytes"] = sum(tensor.nbytes for tensor in inputs.values())
    if workload["mode"] == "forward":
        model(**inputs)
    else:
        model.generate(**inputs, max_new_tokens=workload["new_tokens"], do_sample=False)


def limit_cards(torch: Any, count: int, limit: int | None) -> None:
    """Let the allocator of each card reserve at most ``limit`` bytes."""
    for index in range(count):
        if limit is not None:
            total = torch.cuda.get_device_properties(index).total_memory
            torch.cuda.set_per_process_memory_fraction(limit / total, index)


def outside(torch: Any, index: int) -> int:
    """Bytes taken on a card that no allocator of this process holds; the card is otherwise idle."""
    torch.cuda.synchronize(index)
    free, total = torch.cuda.mem_get_info(index)
    return int(total - free - torch.cuda.memory_reserved(index))


class Unwatched:
    """A tracer for `placement.fill` that notes nothing."""

    def inside(self, name: str) -> Any:
        """The context in which one parameter is made."""
        import contextlib

        return contextlib.nullcontext()
