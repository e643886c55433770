"""Facts of runs and predictions, as the memory checks' tests build them."""

from __future__ import annotations

from typing import Any

from qvl_checks.memory.predicted_facts import (
    Device,
    PredictedFacts,
    PredictedFailure,
    PredictedGpu,
)
from qvl_checks.memory.run_facts import (
    Card,
    FailedTensor,
    History,
    Load,
    Moment,
    OutOfMemory,
    Reading,
    RunAsStated,
    RunFacts,
)
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ModelFacts

GIB = 2**30
S = 14308
SCORES = 16 * S * S * 2
WEIGHTS = 8_292_166_656 * 2
WORKSPACE = 2**25
LIMIT = 24 * GIB - 520 * 2**20
PEAK = WEIGHTS + GIB


def named(name: str = "Qwen2.5-VL-7B") -> ModelFacts:
    model = resolve(name)
    assert model is not None
    return model


def card(index: int = 0, **changes: Any) -> Card:
    fields: dict[str, Any] = {
        "index": index,
        "name": "NVIDIA H100 80GB HBM3",
        "total_bytes": 79 * GIB,
        "free_bytes": 78 * GIB,
        "others_bytes": 0,
        "context_bytes": 520 * 2**20,
        "context_measured": True,
        "cap_bytes": 24 * GIB,
        "limit_bytes": LIMIT,
        "workspace_bytes": WORKSPACE,
        "weights_bytes": WEIGHTS,
        "peak_allocated_bytes": PEAK,
        "peak_reserved_bytes": WEIGHTS + 2 * GIB,
        **changes,
    }
    return Card(**fields)


def ran(kind: type[RunFacts] = RunAsStated, name: str = "sdpa", **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "status": "ran",
        "attention": name,
        "selected": {"vision": name, "text": name},
        "dtype": "bfloat16",
        "weights": "random",
        "weights_need_bytes": WEIGHTS,
        "load": Load(images=((2044, 1372),), patches=(S,), prompt_tokens=3629),
        "cards": (card(),),
        "torch": "2.11.0+cu130",
        "transformers": "5.17.0",
        **changes,
    }
    return kind(**fields)


def out_of_memory(
    kind: type[RunFacts] = RunAsStated, name: str = "eager", *, failure: Any = None, **changes: Any
) -> Any:
    return ran(kind, name, status="out_of_memory", failure=failure or vision(), **changes)


def vision(**changes: Any) -> OutOfMemory:
    fields: dict[str, Any] = {
        "message": "CUDA out of memory. Tried to allocate 6.10 GiB. GPU 0 has a total capacity of",
        "gpu": 0,
        "requested_bytes": SCORES,
        "requested_exact": True,
        "tensor": FailedTensor(shape=(1, 16, S, S), dtype="bfloat16", bytes=SCORES),
        "operator": "aten.mul.Tensor",
        "module": "model.visual.blocks.7.attn",
        "phase": "vision",
        "readings": (
            Reading(
                index=0,
                allocated_bytes=WEIGHTS + SCORES,
                reserved_bytes=WEIGHTS + SCORES + GIB // 4,
                free_bytes=50 * GIB,
            ),
        ),
        "file": "transformers/models/qwen2_5_vl/modeling_qwen2_5_vl.py",
        "line": 171,
        "function": "eager_attention_forward",
        "code": "attn_weights = torch.matmul(query, key_states.transpose(2, 3)) * scaling",
        **changes,
    }
    return OutOfMemory(**fields)


def history(index: int = 0) -> History:
    return History(
        index=index,
        events=900,
        moments=(
            Moment(step=0, phase="load", module="", held={"weights": WEIGHTS}, reserved=WEIGHTS),
            Moment(
                step=700,
                phase="vision",
                module="model.visual.blocks.7.attn",
                held={"workspace": GIB, "weights": WEIGHTS, "inputs": GIB, "vision": SCORES},
                reserved=WEIGHTS + 2 * GIB + SCORES,
            ),
        ),
    )


def predicted_device(index: int = 0, **changes: Any) -> Device:
    fields: dict[str, Any] = {
        "index": index,
        "weights_bytes": WEIGHTS - WORKSPACE,
        "peak_allocated_bytes": PEAK,
        "peak_reserved_bytes": WEIGHTS + 2 * GIB,
        "peak_phase": "text",
        "peak_module": "model.language_model.layers.27.mlp",
        "usable_bytes": LIMIT,
        "fits": True,
        "terms": {"text_scratch_bytes": GIB},
        "history": ((WEIGHTS, "load", ""), (WEIGHTS + GIB, "vision", "visual.blocks.0")),
        **changes,
    }
    return Device(**fields)


def failing_device(index: int = 0, **changes: Any) -> Device:
    failure = PredictedFailure(
        requested_bytes=SCORES,
        phase="vision",
        module="model.visual.blocks.7.attn",
        reserved_bytes=WEIGHTS + SCORES + GIB // 4,
        allocated_bytes=WEIGHTS + SCORES,
    )
    return predicted_device(index, fits=False, failure=failure, **changes)


def predicted(*devices: Device, **changes: Any) -> PredictedFacts:
    rows = devices or (predicted_device(),)
    fields: dict[str, Any] = {
        "status": "predicted",
        "fits": all(one.fits for one in rows),
        "devices": rows,
        "gpus": tuple(
            PredictedGpu(index=one.index, total_bytes=79 * GIB, usable_bytes=LIMIT) for one in rows
        ),
        "patches": (S,),
        "prompt_tokens": 3629,
        **changes,
    }
    return PredictedFacts(**fields)
