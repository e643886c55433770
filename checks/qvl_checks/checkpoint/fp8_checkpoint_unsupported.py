"""checkpoint.fp8-checkpoint-unsupported: can this GPU compute in FP8, and if not, what then?"""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import without_folder
from qvl_checks.checkpoint.gpus import Card, cards
from qvl_checks.checkpoint.quantization import method
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed

NEEDED = (8, 9)
EXPANDS_SINCE = Version("5.0.0.dev0")
"""Before, transformers refuses cards that cannot; from here on it expands the weights to bf16."""
GIB = 2**30


@check("checkpoint.fp8-checkpoint-unsupported")
def fp8_checkpoint_unsupported(
    files: CheckpointFilesFacts,
    packages: PackagesFacts,
    workload: WorkloadFacts,
    torch: TorchFacts | None,
    nvml: NvmlFacts | None,
) -> Judgement:
    """Compute capability against 8.9; on older cards the expanded size against free memory."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    if method(files.quantization_config or {}) != "fp8":
        return not_applicable("the checkpoint is not quantised to FP8")
    release = packages.version("transformers")
    if release is None:
        return blocked("transformers is not installed")
    found = cards(torch, nvml)
    if found is None:
        return blocked("neither torch nor the driver could say which GPUs there are")
    size = sum(shard.size_bytes or 0 for shard in files.shards)
    expanded = 2 * size
    evidence: dict[str, Any] = {
        "transformers": str(release),
        "gpus": [str(card) for card in found],
        "weights_bytes": size,
        "expanded_bytes_at_most": expanded,
        "kernels": packages.installed.get("kernels"),
    }
    expands = release >= EXPANDS_SINCE
    if not found:
        if expands:
            return not_applicable(
                "there is no NVIDIA GPU; this transformers expands FP8 weights to bf16 in main "
                "memory",
                evidence=evidence,
            )
        return failed(
            f"transformers {release} loads FP8 checkpoints only with a GPU, and there is none",
            "Its FP8 loader stops before any weight is read.",
            evidence=evidence,
            fixes=_fixes(),
        )
    if found[0].capability >= NEEDED:
        kernels = "" if evidence["kernels"] or not expands else _KERNELS
        return passed(f"{found[0]} computes in FP8", kernels, evidence=evidence)
    if not expands:
        return failed(
            f"transformers {release} refuses FP8 checkpoints on {found[0]}",
            "It asks for compute capability 8.9 (Ada) or 9.0 (Hopper).",
            confidence=Confidence.DERIVED,
            evidence=evidence,
            fixes=_fixes(),
        )
    return _expanded(release, found, size, expanded, workload, evidence)


_KERNELS = (
    "Late 5.x releases take the kernels from the Hub with the package kernels, which is not "
    "installed."
)


def _expanded(
    release: Version,
    found: tuple[Card, ...],
    size: int,
    expanded: int,
    workload: WorkloadFacts,
    evidence: dict[str, Any],
) -> Judgement:
    usable = found if workload.device_map else found[:1]
    free = [card.free_bytes for card in usable if card.free_bytes is not None]
    if not free:
        return inconclusive(
            f"{found[0]} cannot compute in FP8, so the weights grow to at most "
            f"{expanded / GIB:.1f} GiB of bf16; how much memory is free is not known",
            evidence=evidence,
        )
    evidence["free_bytes"] = sum(free)
    title = f"{found[0]} runs this FP8 checkpoint as bf16: up to {expanded / GIB:.1f} GiB instead "
    title += f"of {size / GIB:.1f} GiB"
    if expanded <= sum(free):
        return passed(
            title,
            "There is room for that. The bf16 weights keep the rounding of FP8; the plain "
            "checkpoint would be as large and more exact.",
            evidence=evidence,
        )
    return failed(
        title + f", and {sum(free) / GIB:.1f} GiB are free",
        f"The card cannot multiply in FP8. transformers {release} expands the weights to bf16 "
        "after a warning, which doubles them.",
        evidence=evidence,
        fixes=_fixes(),
    )


def _fixes() -> list[Fix]:
    return [
        Fix.advise(
            "With enough memory use the plain bf16 checkpoint; with too little, vLLM (it expands "
            "FP8 weights inside its kernels on Ampere) or a 4-bit checkpoint.",
            safety=Safety.REVIEW,
        )
    ]
