"""bfloat16 on a card that has no bfloat16 arithmetic."""

from __future__ import annotations

from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

CURE = """\
model = AutoModelForImageTextToText.from_pretrained(
    path, dtype=torch.float16, attn_implementation="sdpa", device_map="auto"
)"""


@check("devices.bf16-unsupported")
def bf16_unsupported(
    torch: TorchFacts,
    workload: WorkloadFacts,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """The capability of each card that torch sees against the stated dtype."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if workload.dtype != "bfloat16":
        return not_applicable(f"the workload runs in {workload.dtype}")
    emulating = [device for device in torch.devices if device.bf16_native is False]
    evidence = {
        f"cuda:{device.index}": {
            "name": device.name,
            "capability": device.capability,
            "native": device.bf16_native,
            "computes": device.bf16_works,
        }
        for device in torch.devices
    }
    if not emulating:
        return passed(
            "every GPU computes bfloat16 in hardware",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    first = emulating[0]
    capability = ".".join(map(str, first.capability or ()))
    return failed(
        f"{first.name} (compute capability {capability}) has no bfloat16 arithmetic",
        "bfloat16 came with compute capability 8.0; before it is emulated, slowly and without "
        "tensor cores, and some kernels refuse it.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[
            Fix.edit(
                CURE,
                summary="runs in float16 with sdpa (never with eager, which overflows there)",
                safety=Safety.REVIEW,
            )
        ],
    )
