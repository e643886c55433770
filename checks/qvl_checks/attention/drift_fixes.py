"""The cures for rounded logits, as the code that was measured."""

from __future__ import annotations

from collections.abc import Iterator

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_verdict import drifts, planted
from qvl_checks.attention.model_drift_facts import ModelCell, ModelDriftFacts
from qvl_doctor.findings import Fix, Safety

LOAD = 'model = AutoModelForImageTextToText.from_pretrained(path, attn_implementation="{}")'


def use_sdpa(facts: ModelDriftFacts) -> Iterator[Fix]:
    """Switch the language model to sdpa, if sdpa was sound in this run."""
    cell = planted(facts, "sdpa")
    if cell is None or drifts(cell.from_float32.error, 0.0):
        return
    yield Fix.edit(
        facts.sdpa_use or LOAD.format("sdpa"),
        summary="Run the language model with sdpa, which keeps the logits in float32",
        verification=_measured(facts, cell, "sdpa"),
    )


def keep_vision_eager(facts: ModelDriftFacts) -> Iterator[Fix]:
    """Both towers apart at loading, where this release was seen to obey."""
    for way in facts.alternatives:
        if isinstance(way.argument, str) or way.text != "sdpa" or way.from_float32 is None:
            continue
        if drifts(way.from_float32.error, 0.0):
            continue
        parts = ", ".join(f'"{part}": "{name}"' for part, name in way.argument.items())
        yield Fix.edit(
            LOAD.replace('"{}"', "{argument}").format(argument=f"{{{parts}}}"),
            summary="If you need attention weights of the vision tower only: keep eager there",
            verification=f"built so with transformers {facts.transformers}: the language model "
            f"runs {way.text}, the vision tower {way.vision}, and the logits of a small model are "
            f"{percent(way.from_float32.error)} from float32",
        )


def keep_eager(facts: ModelDriftFacts) -> Iterator[Fix]:
    """Eager with float32 logits, if it was sound and causal in this run."""
    cell = planted(facts, CURE)
    if cell is None or drifts(cell.from_float32.error, 0.0) or not facts.causal.get(CURE):
        return
    vision = facts.vision.errors.get(CURE)
    yield Fix.edit(
        f"{facts.cure_source.rstrip()}\n\n{facts.cure_use or LOAD.format('eager')}\n"
        + (
            f"# for the vision tower: {facts.vision.cure_use}\n"
            if vision is not None and facts.vision.cure_use
            else ""
        ),
        summary="If you need attention weights: eager with float32 logits, which takes somewhat "
        "more memory than eager",
        safety=Safety.REVIEW,
        verification=_measured(facts, cell, "this code")
        + "; text before the image stayed blind to it (causal)"
        + (
            f"; with an offset of {facts.vision.offset:.0f} in the vision tower its attention is "
            f"{percent(vision)} from float32, that of eager "
            f"{percent(facts.vision.errors.get('eager'))}"
            if vision is not None and facts.vision.cure_use
            else ""
        ),
    )


def _measured(facts: ModelDriftFacts, cell: ModelCell, name: str) -> str:
    text = (
        f"executed with transformers {facts.transformers} on {facts.device} in {facts.dtype}: with "
        f"{name} the logits of a small model are {percent(cell.from_float32.error)} from float32"
    )
    if cell.from_float32.top1 is not None:
        text += f" and {cell.from_float32.top1:.0%} of the next tokens are the same"
    eager = planted(facts, "eager")
    if eager is not None:
        text += f"; with eager {percent(eager.from_float32.error)}"
        if eager.from_float32.top1 is not None:
            text += f" and {eager.from_float32.top1:.0%}"
    return text


def percent(error: float | None) -> str:
    """``0.19 %``, ``14 %``, ``320 %``; an error that is not finite in words."""
    if error is None:
        return "not finite"
    return f"{100 * error:.2g} %" if error < 0.1 else f"{100 * error:.0f} %"
