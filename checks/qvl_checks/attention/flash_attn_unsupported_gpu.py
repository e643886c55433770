"""flash-attention is asked for on a GPU that it cannot run on."""

from __future__ import annotations

from qvl_checks.attention.flash_attn_files_facts import FlashAttnFilesFacts
from qvl_checks.attention.flash_attn_kernel_facts import FlashAttnKernelFacts
from qvl_checks.attention.flash_attn_wheels import USE_SDPA
from qvl_checks.attention.flash_attn_wish import (
    DISTRIBUTIONS,
    MINIMUM_CAPABILITY,
    NO_WISH,
    wished_generation,
)
from qvl_checks.devices.architectures import serves
from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

REFUSALS = ("only supports ampere", "no kernel image")


@check("attention.flash-attn-unsupported-gpu")
def flash_attn_unsupported_gpu(
    workload: WorkloadFacts,
    torch: TorchFacts,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
    files: FlashAttnFilesFacts | None,
    kernel: FlashAttnKernelFacts | None,
) -> Judgement:
    """The capability of each card against the generation's minimum and the compiled code."""
    generation = wished_generation(workload)
    if generation is None:
        return not_applicable(NO_WISH)
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return blocked(f"no card to judge: {absence.title}", evidence=absence.evidence)
    minimum = MINIMUM_CAPABILITY[generation]
    built_for = _built_for(files, DISTRIBUTIONS[generation])
    refusal = _refusal(kernel)
    evidence = {
        "wish": workload.attention,
        "minimum_capability": minimum,
        "built_for": list(built_for),
        "devices": {f"cuda:{d.index}": [d.name, d.capability] for d in torch.devices},
        "kernel_says": refusal,
    }
    for device in torch.devices:
        capability = device.capability
        if capability is None:
            continue
        spelt = ".".join(map(str, capability))
        if capability < minimum:
            return failed(
                f"{workload.attention} does not run on {device.name} (compute capability {spelt})",
                f"It needs {'.'.join(map(str, minimum))} or later (Ampere for 2 and 3, Hopper "
                "for 4).",
                confidence=Confidence.MEASURED if refusal else Confidence.DERIVED,
                evidence=evidence,
                fixes=[USE_SDPA],
            )
        if built_for and not serves(built_for, capability):
            return failed(
                f"the installed flash-attn has no code for {device.name} "
                f"(compute capability {spelt})",
                f"It was compiled for {', '.join(built_for)}.",
                confidence=Confidence.MEASURED,
                evidence=evidence,
                fixes=[USE_SDPA],
            )
    if refusal:
        return failed(
            f"flash-attn refuses this GPU: {refusal[:160]}",
            "Its kernel was called on this card and did not run.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[USE_SDPA],
        )
    return passed(f"every GPU meets what {workload.attention} needs", evidence=evidence)


def _built_for(files: FlashAttnFilesFacts | None, distribution: str) -> tuple[str, ...]:
    found = files.distributions.get(distribution) if files else None
    return tuple(
        sorted(
            {
                name
                for item in (found.extensions if found else ())
                for name in item.architectures or ()
            }
        )
    )


def _refusal(kernel: FlashAttnKernelFacts | None) -> str:
    said = [kernel.kernel_error, *(row.reason for row in kernel.rows)] if kernel else []
    return next((text for text in said if any(words in text.lower() for words in REFUSALS)), "")
