"""checkpoint.int4-nan-on-old-gpu: 4-bit weights, expanded to fp16, with scores stored in fp16."""

from __future__ import annotations

from typing import Any

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import without_folder
from qvl_checks.checkpoint.gpus import cards
from qvl_checks.checkpoint.quantization import bits
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

NATIVE_BF16 = (8, 0)
LEGACY_TYPE = "qwen"
"""Qwen-VL-Chat, whose own code offers no choice of attention."""
REPORTED = (LEGACY_TYPE, "qwen2_vl")


@check("checkpoint.int4-nan-on-old-gpu")
def int4_nan_on_old_gpu(
    files: CheckpointFilesFacts,
    model: ModelFacts,
    workload: WorkloadFacts,
    torch: TorchFacts | None,
    nvml: NvmlFacts | None,
) -> Judgement:
    """Fires where the reports have it: 4 bits, a card without bf16, scores kept in fp16."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    quantization = files.quantization_config or {}
    width = bits(quantization)
    if width != 4:
        return not_applicable("the checkpoint is not quantised to 4 bits")
    found = cards(torch, nvml)
    if found is None:
        return blocked("neither torch nor the driver could say which GPUs there are")
    old = [card for card in found if card.capability < NATIVE_BF16]
    evidence: dict[str, Any] = {
        "bits": width,
        "gpus": [str(card) for card in found],
        "attention": workload.attention or "the default",
        "dtype": workload.dtype,
        "compute_dtype": quantization.get("bnb_4bit_compute_dtype"),
    }
    if not old:
        return not_applicable("no GPU without bf16 is here", evidence=evidence)
    if quantization.get("bnb_4bit_compute_dtype") == "float32":
        return passed(f"{old[0]}: the checkpoint computes in float32", evidence=evidence)
    own_code = model.model_type == LEGACY_TYPE
    if not own_code and workload.attention != "eager":
        return passed(
            f"{old[0]} has no bf16, but fused attention keeps the scores in float32",
            "The reports of NaN concern attention that stores them in fp16, which overflows at "
            "65 504.",
            evidence=evidence,
        )
    return failed(
        f"4-bit weights on {old[0]} compute in fp16, where attention scores overflow",
        "The card has no bf16, for which the model was made. "
        + ("Its own attention code" if own_code else "Eager attention")
        + " stores Q·Kᵀ in fp16 before scaling; one infinity becomes NaN, and sampling refuses it "
        "(greedy decoding prints '!!!!'). The chain is likely, not proven.",
        confidence=Confidence.REPORTED if model.model_type in REPORTED else Confidence.HEURISTIC,
        evidence=evidence,
        fixes=list(_fixes(own_code)),
    )


def _fixes(own_code: bool) -> list[Fix]:
    float32 = Fix.advise(
        "Quantise with bitsandbytes and bnb_4bit_compute_dtype=torch.float32 (slow but finite), or "
        "use a card of compute capability 8.0 or later.",
        safety=Safety.REVIEW,
    )
    if own_code:
        return [float32]
    sdpa = Fix.edit(
        "model = AutoModelForImageTextToText.from_pretrained(\n"
        '    path, torch_dtype=torch.float16, attn_implementation="sdpa", device_map="auto"\n'
        ")\n",
        summary="uses fused attention, which keeps the scores in float32",
    )
    return [sdpa, float32]
