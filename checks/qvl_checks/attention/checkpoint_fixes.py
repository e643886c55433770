"""The cures for a checkpoint that was run: the code that was executed on it, where it helped."""

from __future__ import annotations

from collections.abc import Iterator

from qvl_checks.attention.checkpoint_run_facts import CheckpointRunFacts, Nearness, PromptRun
from qvl_checks.attention.checkpoint_verdict import drifting, noise, worst_prompt
from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_fixes import LOAD, percent
from qvl_doctor.findings import Fix, Safety


def checkpoint_fixes(facts: CheckpointRunFacts, name: str) -> Iterator[Fix]:
    """sdpa, and eager with float32 logits, each if it was sound on the worst prompt."""
    prompt = worst_prompt(facts, name)
    if prompt is None:
        return
    if name != "sdpa" and _sound(prompt, "sdpa") and not drifting(prompt, "sdpa"):
        yield Fix.edit(
            facts.sdpa_use or LOAD.format("sdpa"),
            summary="Run the language model with sdpa, which keeps the logits in float32",
            verification=_measured(facts, prompt, "sdpa", name),
        )
    if _sound(prompt, CURE):
        yield Fix.edit(
            f"{facts.cure_source.rstrip()}\n\n{facts.cure_use or LOAD.format('eager')}\n",
            summary="If you need attention weights: eager with float32 logits, which takes "
            "somewhat more memory than eager",
            safety=Safety.REVIEW,
            verification=_measured(facts, prompt, CURE, name),
        )


def _sound(prompt: PromptRun, name: str) -> bool:
    answers = prompt.implementations.get(name)
    return answers is not None and not answers.nonfinite_logits


def _measured(facts: CheckpointRunFacts, prompt: PromptRun, cure: str, name: str) -> str:
    """Agreement of the cure and of what it replaces with the best reference that was run."""
    what = "this code" if cure == CURE else cure
    start = (
        f"executed on this checkpoint with transformers {facts.transformers} on {facts.device} in "
        f"{facts.dtype}, {prompt.tokens} tokens: "
    )
    answers, before = prompt.implementations[cure], prompt.implementations[name]
    now: Nearness | None = answers.from_float32
    then: Nearness | None = before.from_float32
    reference = "float32 throughout"
    if now is None:  # the cure is its own reference; the other sound one stands in
        now, then = noise(prompt), before.from_fp32_logits
        reference = "sdpa" if cure == CURE else "float32 logits"
    said = [
        f"with {label} {near.top1:.0%} of the next tokens are those of {reference} "
        f"(logits {percent(near.error)} away)"
        for label, near in ((what, now), (name, then))
        if near is not None and near.top1 is not None
    ]
    if before.nonfinite_logits:
        said.append(f"with {name} the logits are not finite")
    return start + "; ".join(said or [f"with {what} every value is finite"])
