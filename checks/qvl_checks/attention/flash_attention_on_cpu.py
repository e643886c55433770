"""flash-attention is asked for where torch sees no GPU."""

from __future__ import annotations

from qvl_checks.attention.flash_attn_wheels import USE_SDPA
from qvl_checks.attention.flash_attn_wish import NO_WISH, wished_generation
from qvl_checks.attention.selection_facts import SelectionFacts
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed


@check("attention.flash-attention-on-cpu")
def flash_attention_on_cpu(
    workload: WorkloadFacts,
    torch: TorchFacts,
    nvml: NvmlFacts | None,
    selection: SelectionFacts | None,
) -> Judgement:
    """torch's view of the GPUs, the driver's beside it."""
    if wished_generation(workload) is None:
        return not_applicable(NO_WISH)
    row = selection.for_wish(workload.attention) if selection else None
    evidence = {
        "wish": workload.attention,
        "torch": torch.version,
        "torch_devices": len(torch.devices),
        "driver_devices": len(nvml.devices) if nvml else None,
        "cuda_error": torch.cuda_error,
        "transformers_says": row.error if row else None,
    }
    if torch.devices:
        return passed(
            f"torch sees {len(torch.devices)} GPU(s) to run {workload.attention} on",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    return failed(
        f"{workload.attention} is asked for, and torch sees no GPU",
        _why(torch, nvml),
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[USE_SDPA],
    )


def _why(torch: TorchFacts, nvml: NvmlFacts | None) -> str:
    if torch.cuda_error:
        return f"CUDA did not start: {torch.cuda_error}"
    if nvml is not None and nvml.devices and not torch.cuda_built:
        return "The driver shows a GPU, and this torch is built without CUDA."
    if nvml is not None and nvml.devices:
        return "The driver shows a GPU that torch does not see; CUDA_VISIBLE_DEVICES may hide it."
    return "Its kernels are GPU code, and this machine has no GPU that the driver shows."
