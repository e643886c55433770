"""From hits to an ordered list of causes: merge by id, put causes before what they explain, drop
the weak.
"""

from __future__ import annotations

from .rule import THRESHOLD, Hit

#: A cause and the ids that it explains: these never stand before it once it is likely enough.
EXPLAINS: dict[str, frozenset[str]] = {
    "versions.torchvision-mismatch": frozenset(
        {
            "versions.model-class-missing",
            "video.video-processor-missing",
            "versions.processor-needs-torchvision",
            "versions.transformers-import-failed",
            "video.video-reader-removed",
        }
    ),
    "versions.numpy-abi-mismatch": frozenset(
        {
            "versions.model-class-missing",
            "versions.transformers-import-failed",
            "versions.numpy-major-mismatch",
        }
    ),
    "versions.torch-too-old": frozenset(
        {
            "versions.model-class-missing",
            "versions.transformers-import-failed",
            "versions.removed-private-classes",
        }
    ),
    "versions.dependency-pins-violated": frozenset(
        {"versions.model-class-missing", "versions.transformers-import-failed"}
    ),
    "versions.torch-import-failed": frozenset(
        {"versions.model-class-missing", "versions.transformers-import-failed"}
    ),
    "versions.unknown-model-type": frozenset(
        {"checkpoint.wrong-auto-class", "versions.framework-model-skew"}
    ),
    "versions.processor-needs-torchvision": frozenset(
        {"video.video-processor-missing", "versions.transformers-import-failed"}
    ),
    "versions.optional-package-missing": frozenset(
        {"versions.transformers-import-failed", "devices.tensor-parallel-plan-missing"}
    ),
    "attention.flash-attn-abi-mismatch": frozenset(
        {
            "versions.model-class-missing",
            "attention.flash-attn-missing",
            "versions.transformers-import-failed",
            "versions.torch-import-failed",
            "attention.flash-attn-build-isolation",
        }
    ),
    "attention.fp16-overflow": frozenset(
        {"devices.device-side-assert", "generation.endless-repetition"}
    ),
    "attention.flash-attn-unsupported-gpu": frozenset({"devices.bf16-unsupported"}),
    "attention.flash-attn-build-isolation": frozenset(
        {
            "attention.flash-attn-missing",
            "devices.cpu-only-torch",
            "versions.optional-package-missing",
        }
    ),
    "attention.eager-precision-drift": frozenset(
        {"generation.endless-repetition", "versions.wrong-position-ids"}
    ),
    "attention.mixed-attention-implementations": frozenset(
        {"attention.eager-precision-drift", "attention.vision-sdpa-precision"}
    ),
    "versions.wrong-position-ids": frozenset(
        {
            "generation.endless-repetition",
            "generation.padding-side",
            "images.fast-slow-processor-difference",
        }
    ),
    "checkpoint.wrong-model-class": frozenset(
        {"versions.moved-attributes", "checkpoint.output-head-mismatch"}
    ),
    "devices.legacy-chat-multi-gpu": frozenset(
        {
            "devices.tensors-on-different-devices",
            "versions.legacy-chat-environment",
            "memory.first-gpu-overloaded",
        }
    ),
    "checkpoint.int4-nan-on-old-gpu": frozenset(
        {"attention.fp16-overflow", "devices.bf16-unsupported", "versions.legacy-chat-environment"}
    ),
    "checkpoint.awq-garbled": frozenset(
        {
            "checkpoint.output-head-mismatch",
            "attention.fp16-overflow",
            "checkpoint.vision-tower-quantized",
        }
    ),
    "kv-cache.quantized-cache-corruption": frozenset(
        {
            "generation.endless-repetition",
            "checkpoint.vision-tower-quantized",
            "attention.fp16-overflow",
            "kv-cache.cache-size",
        }
    ),
    "devices.peer-copy-corruption": frozenset(
        {"devices.nccl-peer-hang", "devices.driver-too-old", "checkpoint.awq-garbled"}
    ),
    "memory.max-memory-ignored": frozenset(
        {"memory.weights-in-fp32", "memory.unbounded-image-size", "memory.first-gpu-overloaded"}
    ),
    "attention.gqa-math-fallback": frozenset(
        {
            "memory.generic-out-of-memory",
            "attention.vision-sdpa-precision",
            "devices.bf16-unsupported",
        }
    ),
    "devices.slow-conv3d": frozenset({"attention.linear-attention-fallback"}),
    "memory.cross-image-attention-memory": frozenset(
        {"memory.unbounded-image-size", "memory.memory-fragmentation"}
    ),
    "memory.vision-attention-memory": frozenset(
        {"memory.first-gpu-overloaded", "memory.dispatch-undone"}
    ),
    "devices.tensors-on-different-devices": frozenset({"video.frame-times-dropped"}),
}
#: Notices that many sound programs print: no cause beside another one.
NOTICES = frozenset(
    {
        "images.fast-slow-processor-difference",
        "versions.dtype-keyword-renamed",
        "checkpoint.rope-scaling-warning",
    }
)
#: A notice is no more than that below this score.
NOTICE_SCORE = 60.0
#: A cause at or above this score is likely enough to stand before what it explains.
LIKELY = 70.0
SHOWN = 5
MARGIN = 32.0


def merge(hits: list[Hit]) -> list[Hit]:
    """One hit per id: the best score, everything that was found."""
    merged: dict[str, Hit] = {}
    for hit in sorted(hits, key=lambda h: -h.score):
        first = merged.get(hit.id)
        if first is None:
            merged[hit.id] = Hit(
                hit.id,
                hit.score,
                list(hit.lines),
                dict(hit.computed),
                list(hit.notes),
                list(hit.fixes),
                hit.by_message,
            )
            continue
        first.lines += [line for line in hit.lines if line not in first.lines]
        first.computed = {**hit.computed, **first.computed}
        first.notes += [note for note in hit.notes if note not in first.notes]
        first.fixes += [fix for fix in hit.fixes if fix not in first.fixes]
    return list(merged.values())


def _without_notices(merged: dict[str, Hit]) -> list[Hit]:
    """The causes, and notices only where there is nothing else."""
    causes = [h for h in merged.values() if h.id not in NOTICES or h.score >= NOTICE_SCORE]
    return causes or list(merged.values())


def rank(hits: list[Hit]) -> list[Hit]:
    """The causes worth naming, best first."""
    merged = {hit.id: hit for hit in merge(hits) if hit.score >= THRESHOLD}
    for cause, explained in EXPLAINS.items():
        hit = merged.get(cause)
        if hit is None or hit.score < LIKELY:
            continue
        for other in explained:
            if other in merged:
                merged[other].score = min(merged[other].score, hit.score - 1)
    ordered = sorted(_without_notices(merged), key=lambda h: -h.score)
    return [hit for hit in ordered[:SHOWN] if hit.score >= ordered[0].score - MARGIN]
