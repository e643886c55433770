"""A model that answers differently when it is spread over GPUs."""

from __future__ import annotations

from typing import Any

from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.peer_copy_fixes import DETOUR
from qvl_checks.devices.split_model_facts import SplitModelFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import (
    Judgement,
    blocked,
    failed,
    inconclusive,
    not_applicable,
    passed,
)

ROUNDING = 0.05
"""Relative L2 distance of the logits that different kinds of cards may bring about."""
CLEAN = 1e-3


@check("devices.split-model-differs")
def split_model_differs(
    torch: TorchFacts,
    split: SplitModelFacts | None,
    model: ModelFacts | None,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """The logits of a small model of the examined architecture, whole and spread."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if len(torch.devices) < 2:
        return not_applicable("torch sees one GPU only: no model is spread")
    unmeasured = without_answer(split)
    if unmeasured is not None or split is None:
        return unmeasured or blocked("no model was spread over the GPUs")
    evidence = split_evidence(split)
    if split.error:
        return blocked(f"the spread model does not run: {split.error}", evidence=evidence)
    if split.status == "timed_out":
        return failed(
            "A model spread over the GPUs hangs",
            f"A small model that answers on one GPU does not when it is spread ({split.reason}).",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[_one_gpu()],
            explains=("devices.device-side-assert",),
        )
    if split.finite is False:
        return inconclusive(
            f"the small model's logits are not finite in {split.dtype} on one GPU already",
            evidence=evidence,
        )
    if split.difference is None or split.difference > ROUNDING:
        return failed(
            "The same model answers differently when it is spread over the GPUs",
            _cause(split),
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[_one_gpu(), _detour(split)],
            explains=("devices.device-side-assert",),
        )
    name = model.name if model is not None else "a Qwen-VL"
    bits = "in every bit" if split.equal else f"within {split.difference:.1e}"
    return passed(
        f"a small model like {name} answers the same on one GPU and spread over all, {bits}",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def without_answer(split: SplitModelFacts | None) -> Judgement | None:
    """The judgement where no model could be run both ways; None where one was."""
    if split is None:
        return blocked("no model was spread over the GPUs: the model's classes do not import")
    if split.status == "not_run":
        return blocked(f"no model was spread over the GPUs: {split.reason}")
    if split.status in ("raised", "crashed"):
        return inconclusive(f"the small model does not run here: {split.reason[:400]}")
    return None


def split_evidence(split: SplitModelFacts) -> dict[str, Any]:
    """What was run and what came."""
    return {
        "dtype": split.dtype,
        "accelerate": split.accelerate,
        "placement": split.placement,
        "error": split.error or None,
        "relative difference of the logits": split.difference,
        "the same through the host": split.difference_through_host,
    }


def _cause(split: SplitModelFacts) -> str:
    off = "are not finite" if split.difference is None else f"are {split.difference:.0%} off"
    through = split.difference_through_host
    because = (
        " With the transfers between the GPUs going through main memory they agree: what flows "
        "from GPU to GPU arrives damaged."
        if through is not None and through <= CLEAN
        else " They are off through main memory too, so one of the GPUs computes differently."
    )
    return f"Its logits {off} against the same weights and prompt on one GPU.{because}"


def _one_gpu() -> Fix:
    return Fix.edit(
        'model = AutoModelForImageTextToText.from_pretrained(path, device_map="cuda:0")',
        summary="keeps the model on one GPU",
    )


def _detour(split: SplitModelFacts) -> Fix:
    through = split.difference_through_host
    works = through is not None and through <= CLEAN
    return Fix.edit(
        DETOUR,
        summary="sends what flows between GPUs through main memory, which is slower",
        safety=Safety.REVIEW,
        verification=(
            f"with it the small model's logits agree within {through:.1e}" if works else ""
        ),
    )
