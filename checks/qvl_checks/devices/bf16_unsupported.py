"""bfloat16 on a card that has no bfloat16 arithmetic."""

from __future__ import annotations

from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.kernel_pairs import BF16
from qvl_checks.devices.kernel_speed_facts import KernelSpeedFacts
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

EMULATED = 2.0
"""Times as long as float16 from which on bfloat16 is not computed by tensor cores."""
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
    speed: KernelSpeedFacts | None,
) -> Judgement:
    """Its speed against float16 where that was measured, else the capability of each card."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if workload.dtype != "bfloat16":
        return not_applicable(f"the workload runs in {workload.dtype}")
    ratios = _ratios(torch, speed)
    evidence = {
        f"cuda:{device.index}": {
            "name": device.name,
            "capability": device.capability,
            "native": device.bf16_native,
            "computes": device.bf16_works,
            "times as long as float16": _rounded(ratios.get(device.name)),
        }
        for device in torch.devices
    }
    emulating = [device for device in torch.devices if _emulates(device, ratios)]
    if not emulating:
        return passed(
            "every GPU computes bfloat16 in hardware",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    first = emulating[0]
    capability = ".".join(map(str, first.capability or ()))
    ratio = ratios.get(first.name)
    measured = (
        f" A matrix product takes {ratio:.1f} times as long as in float16 here." if ratio else ""
    )
    return failed(
        f"{first.name} (compute capability {capability}) has no bfloat16 arithmetic"
        if not first.bf16_native
        else f"{first.name} computes bfloat16 slowly, as if it were emulated",
        "bfloat16 came with compute capability 8.0; before it is emulated, slowly and without "
        f"tensor cores, and some kernels refuse it.{measured}",
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


def _ratios(torch: TorchFacts, speed: KernelSpeedFacts | None) -> dict[str | None, float]:
    """Name of a card -> time of bfloat16 over that of float16, measured on one of its kind."""
    named = {device.index: device.name for device in torch.devices}
    rows = speed.of(BF16) if speed is not None else ()
    return {named.get(row.gpu): row.ratio for row in rows if row.ratio is not None}


def _emulates(device: TorchDevice, ratios: dict[str | None, float]) -> bool:
    ratio = ratios.get(device.name)
    return device.bf16_native is False or (ratio is not None and ratio >= EMULATED)


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 2)
