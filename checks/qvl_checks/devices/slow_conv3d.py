"""A patch embedding whose convolution takes a slow path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.kernel_pairs import CONV3D, DEFAULT_VISION, sizes
from qvl_checks.devices.kernel_speed_facts import KernelRatio, KernelSpeedFacts
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, passed

SHARE = 0.05
"""Of the vision tower's own time; what a convolution may cost beyond the matrix product."""
LINEAR = """\
import types
import torch.nn.functional as F


def linear_patch_embed(self, patches):
    weight = self.proj.weight
    flat = patches.to(weight.dtype).view(-1, weight[0].numel())
    return F.linear(flat, weight.flatten(1), self.proj.bias)


embed = model.model.visual.patch_embed  # model.visual.patch_embed before 4.52
embed.forward = types.MethodType(linear_patch_embed, embed)
"""


@check("devices.slow-conv3d")
def slow_conv3d(
    speed: KernelSpeedFacts,
    torch: TorchFacts,
    target: TargetFacts,
    model: ModelFacts | None,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """The measured cost of the convolution as a share of the tower; versions only explain."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if speed.reason:
        return blocked(f"nothing was measured: {speed.reason}")
    rows = speed.of(CONV3D)
    whole = tower_over_embedding(model.config if model is not None else {})
    evidence: dict[str, Any] = {
        "torch": torch.version,
        "cudnn": torch.cudnn,
        "tower's arithmetic over the embedding's": round(whole, 1),
        **speed.evidence(CONV3D),
    }
    measured = [row for row in rows if row.ratio is not None]
    unfinished = [row for row in rows if row.ratio is None]
    slow = max(measured, key=lambda row: row.ratio or 0, default=None)
    if slow is not None and slow.ratio is not None and (slow.ratio - 1) / whole > SHARE:
        return failed(
            f"The patch embedding's convolution takes {slow.ratio:.0f} times as long as the "
            "matrix product that it is",
            _cause(slow, torch, (slow.ratio - 1) / whole),
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=_fixes(slow, torch, target),
        )
    if unfinished or not measured:
        late = next((row for row in unfinished if row.status == "timed_out"), None)
        if late is not None:
            return failed(
                "The patch embedding's convolution did not end",
                f"{late.reason}; the matrix product of that size takes a fraction of a "
                "millisecond on a GPU.",
                confidence=Confidence.MEASURED,
                evidence=evidence,
                fixes=_fixes(late, torch, target),
            )
        why = unfinished[0].reason if unfinished else "no GPU was measured"
        if unfinished and unfinished[0].status == "not_run":
            return blocked(f"the convolution was not timed: {why}")
        return inconclusive(f"the convolution was not timed: {why}", evidence=evidence)
    worst = max(row.ratio or 0 for row in measured)
    return passed(
        f"the patch embedding's convolution is no burden ({worst:.1f} times the matrix product)",
        "That adds less than a twentieth to the vision tower's time.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def tower_over_embedding(config: Mapping[str, Any]) -> float:
    """Multiplications of the tower's linear layers over those of the patch embedding.

    A block holds 4·D² of attention and at least 2·D·I of MLP, the embedding pin·D; D is the
    tower's width, I the MLP's, pin the numbers in a patch.
    """
    vision = config.get("vision_config")
    known = vision if isinstance(vision, dict) else {}
    size = sizes(known, {**DEFAULT_VISION, "depth": 32, "intermediate_size": 0})
    width = known.get("embed_dim") or size["hidden_size"]
    inner = size["intermediate_size"] or 4 * width
    inputs = size["in_channels"] * size["temporal_patch_size"] * size["patch_size"] ** 2
    return float(size["depth"] * (4 * width + 2 * inner) / inputs)


def _cause(slow: KernelRatio, torch: TorchFacts, share: float) -> str:
    known = (
        " torch 2.9 does so by design: it stopped using cuDNN for low-precision 3-D convolutions."
        if torch.release == (2, 9)
        else ""
    )
    return (
        f"{1e3 * (slow.seconds or 0):.2f} ms against {1e3 * (slow.alternative_seconds or 0):.3f} "
        f"ms for {slow.shape} in {slow.dtype}: about {share:.0%} on top of the vision tower's own "
        f"time for every image.{known}"
    )


def _fixes(slow: KernelRatio, torch: TorchFacts, target: TargetFacts) -> list[Fix]:
    both = slow.ratio is not None and slow.difference is not None
    proof = ""
    if both and slow.difference is not None:
        proof = (
            f"on this GPU the matrix product took {1e3 * (slow.alternative_seconds or 0):.3f} ms "
            f"instead of {1e3 * (slow.seconds or 0):.2f} ms, with results "
            f"{slow.difference:.1e} apart (relative L2)"
        )
    fixes = [
        Fix.edit(
            LINEAR,
            summary="computes the patch embedding as a matrix product, with the same weights",
            safety=Safety.REVIEW,
            verification=proof,
        )
    ]
    if torch.release == (2, 9):
        fixes.append(
            Fix.run(
                *target.install("torch>=2.10", "torchvision"),
                summary="takes a torch whose cuDNN computes it; compiled packages must follow",
            )
        )
    return fixes
