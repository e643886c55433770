"""generation.own-decoding-loop: does a loop that calls the model itself place its tokens?"""

from __future__ import annotations

from qvl_checks.attention.behaviour_facts import BehaviourFacts, LoopRun
from qvl_checks.attention.behaviour_words import listed
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

USUAL = ((), ("attention_mask",))
"""What loops hand over that were written for text models."""
CURES = {
    ("attention_mask", "cache_position"): """\
past = past_key_values.get_seq_length()
out = model(
    input_ids=token, attention_mask=attention_mask, past_key_values=past_key_values,
    cache_position=torch.arange(past, past + token.shape[1], device=token.device),
)""",
    (): """\
out = model(input_ids=token, past_key_values=past_key_values)  # prompts without padding""",
}
"""Given besides the token -> how to write it; in the order of preference."""

GENERATE = Fix.advise("Let generate() decode, with a logits processor or a streamer of your own.")


@check("generation.own-decoding-loop")
def own_decoding_loop(
    behaviour: BehaviourFacts, model: ModelFacts, workload: WorkloadFacts
) -> Judgement:
    """A loop over single tokens against generate; fails where the stated program calls the model
    itself (``--mode forward``)."""
    if behaviour.reason:
        return not_applicable(behaviour.reason)
    if not behaviour.loops:
        return not_applicable("no decoding loop was run")
    tolerance = behaviour.tolerance
    usual = [loop for loop in behaviour.loops if loop.given in USUAL]
    wrong = [loop for loop in usual if not loop.reason and not _right(loop, tolerance)]
    raising = [loop for loop in usual if loop.reason]
    evidence = {
        "transformers": behaviour.transformers,
        "from_generate": {_named(loop): loop.reason or loop.error for loop in behaviour.loops},
        "tolerance": tolerance,
    }
    if not wrong and not raising:
        return passed(
            "A decoding loop of one's own gives what generate gives",
            "Called token by token with the cache, with and without an attention mask.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    sentences = [f"with {_named(loop)} its logits are off by {_size(loop)}" for loop in wrong]
    sentences += [f"with {_named(loop)} it raises {loop.reason}" for loop in raising]
    text = (
        f"transformers {behaviour.transformers}, behind a prompt with an image: "
        + "; ".join(sentences)
        + "."
    )
    fixes = [_fix(given, code) for given, code in CURES.items() if _works(behaviour, given)][:1]
    fixes = fixes or [GENERATE]
    if workload.mode == "forward" and wrong:
        return failed(
            "A decoding loop that calls the model itself misplaces its tokens",
            f"{text} There is no message.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=fixes,
        )
    return passed(
        "generate() is not concerned, but a decoding loop of one's own "
        + ("gives other answers" if wrong else "raises"),
        f"{text} State --mode forward if your program calls the model itself.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=fixes,
    )


def _right(loop: LoopRun, tolerance: float) -> bool:
    return not loop.reason and loop.error is not None and loop.error <= tolerance


def _works(behaviour: BehaviourFacts, given: tuple[str, ...]) -> bool:
    return any(
        loop.given == given and _right(loop, behaviour.tolerance) for loop in behaviour.loops
    )


def _named(loop: LoopRun) -> str:
    return listed(loop.given) or "the cache alone"


def _size(loop: LoopRun) -> str:
    return "more than numbers say" if loop.error is None else f"{loop.error:.1g}"


def _fix(given: tuple[str, ...], code: str) -> Fix:
    return Fix.edit(
        code,
        summary=f"places each token where generate does, by {listed(given) or 'the cache alone'}",
        verification="a small model run with this gave the logits of generate",
    )
