"""A model spread over GPUs whose parts do not meet on one device."""

from __future__ import annotations

from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.split_model_differs import split_evidence, without_answer
from qvl_checks.devices.split_model_facts import SplitModelFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import (
    Judgement,
    blocked,
    failed,
    inconclusive,
    not_applicable,
    passed,
)

SPREADING = ("auto", "balanced", "balanced_low_0", "sequential")
COMPLAINT = "same device"
PER_PROCESS = """\
import os

model = AutoModelForImageTextToText.from_pretrained(
    path, device_map={"": f"cuda:{os.environ['LOCAL_RANK']}"}
)"""


@check("devices.tensors-on-different-devices")
def tensors_on_different_devices(
    torch: TorchFacts,
    workload: WorkloadFacts,
    target: TargetFacts,
    split: SplitModelFacts | None,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """A spread model that was run here, and torchrun together with a spreading device map."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if len(torch.devices) < 2:
        return not_applicable("torch sees one GPU only: no model is spread")
    processes = (host.environment if host is not None else {}).get("WORLD_SIZE", "")
    if processes.isdigit() and int(processes) > 1 and workload.device_map in SPREADING:
        return failed(
            f"{processes} processes would each spread the model over all GPUs",
            f"WORLD_SIZE is {processes} and device_map is {workload.device_map!r}: every process "
            "places its layers on every GPU, and they meet there.",
            evidence={"WORLD_SIZE": processes, "device_map": workload.device_map},
            fixes=[Fix.edit(PER_PROCESS, summary="gives each process a GPU of its own")],
        )
    unmeasured = without_answer(split)
    if unmeasured is not None or split is None:
        return unmeasured or blocked("no model was spread over the GPUs")
    evidence = split_evidence(split)
    if split.status == "timed_out":
        return inconclusive(f"the spread model hangs: {split.reason}", evidence=evidence)
    if COMPLAINT in split.error:
        return failed(
            "A model spread over the GPUs fails: its tensors lie on different devices",
            f"A small model of this architecture runs on one GPU and not spread: {split.error}",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[
                Fix.run(
                    *target.install("--upgrade", "transformers", "accelerate"),
                    summary="takes releases that move these tensors; read the versions' findings",
                ),
                Fix.edit(
                    "model = AutoModelForImageTextToText.from_pretrained("
                    'path, device_map="cuda:0")',
                    summary="keeps the model on one GPU",
                ),
            ],
        )
    if split.error:
        return inconclusive(f"the spread model does not run: {split.error}", evidence=evidence)
    return passed(
        "a small model of this architecture runs spread over the GPUs",
        "Its inputs were on the GPU that holds the embeddings; yours must be too "
        "(inputs.to(model.device)).",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )
