"""Qwen-VL-Chat, whose own code holds on one GPU only."""

from __future__ import annotations

from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.tensors_on_different_devices import SPREADING
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

FAMILY = "qwen"
"""``model_type`` of the first generation; those with a ``visual`` section see."""


@check("devices.legacy-chat-multi-gpu")
def legacy_chat_multi_gpu(
    model: ModelFacts,
    workload: WorkloadFacts,
    torch: TorchFacts,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """The model's family and the stated placement; its remote code is never run."""
    if model.model_type != FAMILY or "visual" not in model.config:
        return not_applicable(f"{model.name} is not of the first Qwen-VL generation")
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if len(torch.devices) < 2:
        return not_applicable("torch sees one GPU only: the model is not spread")
    evidence = {"device_map": workload.device_map, "gpus": len(torch.devices)}
    if workload.device_map not in SPREADING:
        return passed("the model stays on one GPU, as its code needs", evidence=evidence)
    return failed(
        f"{model.name} would be spread over {len(torch.devices)} GPUs, which its code does not "
        "support",
        "Its vision tower makes tensors on the GPU where it starts; a placement that cuts it "
        "fails with tensors on different devices.",
        confidence=Confidence.REPORTED,
        evidence=evidence,
        fixes=[
            Fix.environment(
                "CUDA_VISIBLE_DEVICES=0", summary='shows it one GPU; use device_map="cuda"'
            )
        ],
        explains=("devices.tensors-on-different-devices",),
    )
