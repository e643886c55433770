"""CUDA that has started before a program can choose its GPUs."""

from __future__ import annotations

from typing import Any

from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.identity import gpu_of
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ImportsFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, passed

VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")


@check("devices.visible-devices-set-late")
def visible_devices_set_late(
    torch: TorchFacts,
    imports: ImportsFacts,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """Whether importing torch, transformers and the model's classes starts CUDA here."""
    evidence = _evidence(torch, imports, nvml, host)
    if torch.cuda_started_by_imports:
        return failed(
            "Importing the libraries starts CUDA, before a script can choose its GPUs",
            f"After {', '.join(imports.modules)} were imported, CUDA was running. A script that "
            "sets CUDA_VISIBLE_DEVICES after these imports has no effect, and processes that it "
            "forks cannot use a GPU.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[
                Fix.environment(
                    "CUDA_VISIBLE_DEVICES=0",
                    summary="chooses the GPUs before Python starts, which always works",
                ),
                Fix.advise(
                    "Find the package that starts CUDA when it is imported: uninstall the "
                    "suspects one by one, and ask torch.cuda.is_initialized() after each import."
                ),
            ],
        )
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if torch.cuda_started_by_imports is None:
        return inconclusive("this torch does not tell whether an import started CUDA")
    return passed(
        "the imports leave CUDA alone: a script can still choose its GPUs after them",
        "Whether a script does so in time, only the script shows (qvl-doctor lint).",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _evidence(
    torch: TorchFacts, imports: ImportsFacts, nvml: NvmlFacts | None, host: HostFacts | None
) -> dict[str, Any]:
    environment = host.environment if host is not None else {}
    numbers = {}
    for device in torch.devices:
        card = gpu_of(torch, nvml, device.index)
        numbers[f"cuda:{device.index}"] = {
            "name": device.name,
            "number in nvidia-smi": card.index if card is not None else None,
        }
    return {
        **{name: environment.get(name) for name in VARIABLES},
        "imports": list(imports.modules),
        "started by them": torch.cuda_started_by_imports,
        "GPUs": numbers,
    }
