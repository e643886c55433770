"""The verdict on eager's rounding from a run of the checkpoint itself."""

from __future__ import annotations

from typing import Any

from qvl_checks.attention import checkpoint_verdict as verdict
from qvl_checks.attention import prediction
from qvl_checks.attention.checkpoint_charts import checkpoint_charts
from qvl_checks.attention.checkpoint_fixes import checkpoint_fixes
from qvl_checks.attention.checkpoint_run_facts import CheckpointRunFacts, PromptRun
from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_fixes import percent
from qvl_checks.attention.key_bias_facts import KeyBiasFacts
from qvl_checks.attention.logit_rounding import spacing
from qvl_checks.attention.own_prompt import NAME as OWN
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement, inconclusive


def judge_checkpoint(run: CheckpointRunFacts, biases: KeyBiasFacts | None) -> Judgement | None:
    """The judgement on what the language model runs; None when no prompt was run with it."""
    name, dtype = run.selected, run.dtype
    prompt = verdict.worst_prompt(run, name)
    if prompt is None:
        return None
    evidence: dict[str, Any] = {"implementation": name, "dtype": dtype}
    evidence.update(verdict.evidence(run))
    if biases is not None:
        evidence["prediction"] = prediction.evidence(biases)
    spoiled = verdict.spoiled_reference(prompt)
    if spoiled is not None and spoiled.first_nonfinite is not None:
        first = spoiled.first_nonfinite
        return inconclusive(
            f"Values are not finite from layer {first.layer} on ({first.place}), with float32 "
            "logits as well: see attention.fp16-overflow",
            evidence=evidence,
        )
    layers = [layer.layer for layer in verdict.drifting(prompt, name)]
    harmed = verdict.harmed(prompt, name)
    if layers and not harmed:
        return inconclusive(
            f"{name} attention in {dtype} is off in {prediction.names(layers)} of this "
            "checkpoint, and the next tokens of the prompts that were run did not change by it",
            evidence=evidence,
        )
    if harmed and not layers:
        return inconclusive(
            f"With {name} attention next tokens of this checkpoint change, and no single layer's "
            "attention is off: small differences add up",
            evidence=evidence,
        )
    return Judgement(
        outcome=Outcome.FAIL if layers else Outcome.PASS,
        title=_failure(prompt, name, dtype, layers) if layers else _success(run, prompt, biases),
        cause=(_cause(prompt, name, dtype, layers) if layers else _reassurance(prompt, name))
        + _own_left_out(run),
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=tuple(checkpoint_fixes(run, name)) if layers else (),
        charts=tuple(checkpoint_charts(biases, run, dtype)),
    )


def _failure(prompt: PromptRun, name: str, dtype: str, layers: list[int]) -> str:
    near = prompt.implementations[name].from_fp32_logits
    if near is None or near.top1 is None:
        return (
            f"{name} attention in {dtype} gives values that are not finite on this checkpoint, "
            f"from layer {layers[0]} on"
        )
    return (
        f"{name} attention in {dtype} changes {1 - near.top1:.0%} of this checkpoint's next "
        f"tokens; it starts in layer {layers[0]}"
    )


def _cause(prompt: PromptRun, name: str, dtype: str, layers: list[int]) -> str:
    of = {layer.layer: layer for layer in prompt.layers}
    worst = max(layers, key=lambda number: abs(of[number].offset or 0.0))
    text = (
        f"{name} stores Q·Kᵀ in {dtype} before the softmax. On the {prompt.name} prompt "
        f"({prompt.tokens} tokens), given the same input as with float32 "
        f"logits, the attention of {prediction.names(layers)} comes out wrong"
    )
    if of[worst].offset is not None:
        text += (
            f"; in layer {worst} the weight of the rows lies at logits of {of[worst].offset:.0f}, "
            f"where neighbouring numbers are {spacing(of[worst].offset or 0.0, dtype):g}"
            " apart"
            if dtype in ("bfloat16", "float16")
            else ""
        )
    rest = prompt.implementations.get(CURE)
    if rest is not None and rest.from_float32 is not None:
        text += (
            f". With float32 logits the next-token logits are {percent(rest.from_float32.error)} "
            "from float32 throughout: that much is the rounding of everything else, the stored "
            "keys among it, with every implementation"
        )
    return text + "."


def _success(run: CheckpointRunFacts, prompt: PromptRun, biases: KeyBiasFacts | None) -> str:
    title = f"{run.selected} attention in {run.dtype} is accurate on this checkpoint"
    measured = [
        layer.layer
        for layer in (verdict.drifting(prompt, "eager") if run.selected != "eager" else ())
    ]
    if measured:
        return f"{title}; eager is not, in {prediction.names(measured)}"
    predicted = prediction.breaking(biases, run.dtype) if biases else ()
    if predicted and run.selected == "eager":
        numbers = prediction.names(layer.layer for layer in predicted)
        return f"{title}, although its biases made one expect drift in {numbers}"
    return title


def _reassurance(prompt: PromptRun, name: str) -> str:
    errors = [layer.local[name] for layer in prompt.layers if layer.local.get(name) is not None]
    largest = max((error for error in errors if error is not None), default=None)
    text = (
        f"Given the same input, no layer's attention is further than {percent(largest)} from that "
        "with float32 logits"
        if largest is not None
        else "No layer's attention is off"
    )
    near = prompt.implementations[name].from_fp32_logits
    if near is not None and near.top1 is not None:
        text += f", and {near.top1:.0%} of the next tokens are the same"
    return f"{text} (the {prompt.name} prompt, {prompt.tokens} tokens)."


def _own_left_out(run: CheckpointRunFacts) -> str:
    """What became of the prompt that the user handed over, if it was not run."""
    reason = next((row.reason for row in run.prompts if row.name == OWN and row.reason), "")
    return f" Your own prompt was not run: {reason}" if reason else ""
