"""The verdict on float16 from a run of the checkpoint itself."""

from __future__ import annotations

from typing import Any

from qvl_checks.attention import checkpoint_verdict as verdict
from qvl_checks.attention import prediction
from qvl_checks.attention.checkpoint_charts import checkpoint_charts
from qvl_checks.attention.checkpoint_fixes import checkpoint_fixes
from qvl_checks.attention.checkpoint_run_facts import CheckpointRunFacts, FirstNonFinite, PromptRun
from qvl_checks.attention.key_bias_facts import KeyBiasFacts
from qvl_checks.attention.logit_rounding import FP16_MAX
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, failed, passed

BFLOAT16 = Fix.advise(
    "Where the GPU computes in bfloat16 (Ampere and newer), load the model in bfloat16, as it was "
    "trained; it takes the same memory.",
    safety=Safety.REVIEW,
)
FLOAT32 = Fix.advise(
    "Where the GPU has no bfloat16, load the model in float32; it takes twice the memory.",
    safety=Safety.REVIEW,
)
PLACES = {"attention": "the attention", "mlp": "the MLP"}
SILENT = (
    " Where every logit is NaN, greedy decoding takes token 0, which is `!`: the answer is a row "
    "of exclamation marks. Sampling raises an error instead."
)


def judge_overflow(
    run: CheckpointRunFacts, biases: KeyBiasFacts | None, evidence: dict[str, Any]
) -> Judgement | None:
    """The judgement on what the language model runs; None when no prompt was run with it."""
    name = run.selected
    prompts = verdict.prompts(run, name)
    if not prompts:
        return None
    evidence = {**evidence, "implementation": name, **verdict.evidence(run)}
    charts = tuple(checkpoint_charts(biases, run, run.dtype))
    for prompt in prompts:
        first = prompt.implementations[name].first_nonfinite
        if first is None:
            continue
        elsewhere = verdict.spoiled_reference(prompt) is not None
        return failed(
            f"In float16 values are not finite from layer {first.layer} on, in "
            f"{PLACES[first.place]}: answers are noise or `!!!!`",
            (_outside(first) if elsewhere else _inside(prompt, first, name)) + SILENT,
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=(BFLOAT16, FLOAT32) if elsewhere else (*checkpoint_fixes(run, name), BFLOAT16),
            charts=charts,
        )
    for prompt in prompts:
        hidden = [layer.layer for layer in verdict.drifting(prompt, name) if layer.overflowing]
        if hidden:
            return failed(
                f"{name} attention in float16 turns overflowing logits into zeros in "
                f"{prediction.names(hidden)} of this checkpoint",
                f"Products of a query and a key exceed {FP16_MAX:.0f} there. This release of "
                "transformers replaces the infinities by zeros, and with them the mask: no NaN, "
                "but wrong text.",
                confidence=Confidence.MEASURED,
                evidence=evidence,
                fixes=(*checkpoint_fixes(run, name), BFLOAT16),
                charts=charts,
            )
    largest = max(
        (layer.largest_product or 0.0 for prompt in prompts for layer in prompt.layers),
        default=0.0,
    )
    return passed(
        f"{name} attention in float16 is finite in every layer of this checkpoint",
        f"The largest |q · k| before scaling was {largest:.0f}; float16 ends at {FP16_MAX:.0f}."
        + ("" if largest <= FP16_MAX else f" {name} keeps it in float32."),
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _inside(prompt: PromptRun, first: FirstNonFinite, name: str) -> str:
    [layer] = [layer for layer in prompt.layers if layer.layer == first.layer]
    text = f"{name} multiplies Q by Kᵀ in float16 before it scales the product"
    if layer.largest_product is not None:
        text += (
            f"; in layer {layer.layer} the largest |q · k| is {layer.largest_product:.0f}, and "
            f"float16 ends at {FP16_MAX:.0f}"
        )
    return text + ". With float32 logits every value of the same run is finite."


def _outside(first: FirstNonFinite) -> str:
    return (
        f"Activations exceed {FP16_MAX:.0f} in {PLACES[first.place]} of layer {first.layer}. It "
        "happens with float32 logits too, so no implementation of attention cures it."
    )
