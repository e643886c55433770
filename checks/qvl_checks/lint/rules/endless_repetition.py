"""Greedy decoding of very long answers."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Run
from ..flow.values import is_given, literal
from ..rule import Report, Rule

RULE = Rule("generation.endless-repetition", "Long greedy answers tend to loop.")
LONG = 4096
GUARDS = {
    "repetition_penalty",
    "no_repeat_ngram_size",
    "stopping_criteria",
    "generation_config",
    "logits_processor",
}


def check(program: Program) -> Iterator[Report]:
    """do_sample=False with a very large max_new_tokens and no guard."""
    for run in program.of(Run):
        if (
            not run.generates
            or not program.model_families(run.model)
            or (run.keywords.open and not run.spreads)
        ):
            continue
        limit = literal(run.keywords.get("max_new_tokens", run.path))
        greedy = literal(run.keywords.get("do_sample", run.path)) is False
        guarded = any(
            is_given(run.keywords.get(k, run.path)) and k in run.keywords.entries for k in GUARDS
        )
        if greedy and isinstance(limit, int) and limit > LONG and not guarded:
            yield RULE.at(
                run.keywords.keys.get("do_sample", run.site),
                "hint",
                "Greedy decoding of very long answers tends to fall into repetition.",
                "Keep the checkpoint's sampling settings, or add a stopping criterion.",
            )
