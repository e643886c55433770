"""attention.gqa-math-fallback: does sdpa get grouped heads on a card whose kernels refuse them?"""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.checkpoint.folder import text_part, whole_number
from qvl_checks.checkpoint.gpus import cards
from qvl_checks.devices.kernel_pairs import DECODE, PREFILL
from qvl_checks.devices.kernel_speed_facts import KernelRatio, KernelSpeedFacts
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

FIRST_BAD = Version("4.54")
KERNELS_FROM = (8, 0)
"""Compute capability from which flash and cuDNN kernels, which know grouped heads, exist."""
SLOWER = 1.5
"""Times as long as with repeated heads from which on repeating them is worth a change."""
FIX = """import transformers.integrations.sdpa_attention as sdpa

sdpa.use_gqa_in_sdpa = lambda *args, **kwargs: False  # before the first forward
"""


@check("attention.gqa-math-fallback")
def gqa_math_fallback(
    model: ModelFacts,
    workload: WorkloadFacts,
    packages: PackagesFacts,
    torch: TorchFacts | None,
    nvml: NvmlFacts | None,
    speed: KernelSpeedFacts | None,
) -> Judgement:
    """Both ways as they were timed on the card; where they were not, its capability."""
    found = cards(torch, nvml)
    if found is None:
        return blocked("neither torch nor the driver could say which GPUs there are")
    rows = (*speed.of(PREFILL), *speed.of(DECODE)) if speed is not None else ()
    timed = [row for row in rows if row.ratio is not None]
    old = [card for card in found if card.capability < KERNELS_FROM]
    if not found or not (old or timed):
        return not_applicable("no GPU older than Ampere is here")
    if workload.attention not in (None, "sdpa"):
        return not_applicable(f"the workload runs {workload.attention}, not sdpa")
    text = text_part(model.config)
    heads = whole_number(text.get("num_attention_heads"))
    shared = whole_number(text.get("num_key_value_heads"))
    if heads is None or shared is None or shared >= heads:
        return not_applicable(f"{model.name} has no grouped key/value heads")
    release = packages.version("transformers")
    if release is None:
        return blocked("transformers is not installed")
    evidence = {
        "transformers": str(release),
        "gpus": [str(card) for card in found],
        "heads": heads,
        "key_value_heads": shared,
        **(speed.evidence(PREFILL, DECODE) if speed is not None else {}),
    }
    if Version(release.base_version) < FIRST_BAD:
        return passed(
            f"transformers {release} repeats the key/value heads, which every card's kernels take",
            evidence=evidence,
        )
    handed = f"transformers {release} hands sdpa {heads} query and {shared} key/value heads."
    slow = max(timed, key=lambda row: row.ratio or 0, default=None)
    if slow is not None and (slow.ratio or 0) >= SLOWER:
        return failed(
            f"sdpa with grouped heads takes {slow.ratio:.1f} times as long as with repeated ones",
            f"{handed} On this card it takes a slower kernel for them ({slow.name}: {slow.shape}).",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[_fix(slow)],
        )
    if timed:
        return passed(
            "sdpa is as fast with grouped heads as with repeated ones",
            handed,
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    return failed(
        f"sdpa falls back to the math kernel on {old[0]}",
        f"{handed} The kernels that understand this need compute capability 8.0; what is left "
        "writes out heads × length² in float32, slowly.",
        evidence=evidence,
        fixes=[_fix(None)],
    )


def _fix(slow: KernelRatio | None) -> Fix:
    proof = ""
    if slow is not None:
        proof = (
            f"{slow.name} on this GPU: {1e3 * (slow.alternative_seconds or 0):.3f} ms with "
            f"repeated heads, {1e3 * (slow.seconds or 0):.3f} ms without"
        )
    return Fix.edit(
        FIX,
        summary="repeats the heads, so that a fused kernel applies; a private function, so check "
        "it after an upgrade",
        safety=Safety.REVIEW,
        verification=proof,
    )
