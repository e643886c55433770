"""Limits of one image processor that change the next one in the same process."""

from __future__ import annotations

from typing import Any

from qvl_checks.images.own_row import own_row
from qvl_checks.images.processor_facts import Leak, ProcessorFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed

CURE = """\
first = AutoProcessor.from_pretrained(path, min_pixels=3136, max_pixels=200_000)
second = AutoProcessor.from_pretrained(path, min_pixels=3136, max_pixels=12_845_056)"""


@check("images.processor-size-leak")
def processor_size_leak(
    processor: ProcessorFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """A second processor of the same configuration must give what it gives in a fresh process."""
    found = own_row(processor, model)
    if isinstance(found, Judgement):
        return found
    row, tokens = found
    leak = next((leak for leak in processor.leaks if leak.style == row.style), None)
    if leak is None:
        return not_applicable("two processors in one process are measured from --level standard on")
    if leak.status != "ok" or leak.own_tokens_after is None:
        return inconclusive(f"the second processor could not be measured: {leak.reason}")
    after = leak.own_tokens_after
    evidence: dict[str, Any] = {
        "transformers": processor.transformers,
        "class": leak.class_name,
        "class_size_before": leak.class_size_before,
        "class_size_after": leak.class_size_after,
        "tokens_alone": tokens,
        "tokens_after_a_limited_processor": after,
        "tokens_without_settings_before": leak.bare_tokens_before,
        "tokens_without_settings_after": leak.bare_tokens_after,
    }
    if after != tokens:
        return failed(
            f"A second processor inherits the first one's pixel limit: {after} visual tokens "
            f"instead of {tokens}",
            f"{leak.class_name} of transformers {processor.transformers} keeps its limits in the "
            "class, and an instance with limits overwrites them for the rest of the process. "
            "Results depend on the order of loading.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[
                Fix.edit(CURE, summary="gives every processor both limits, so none is inherited"),
                Fix.run(
                    *target.install("--upgrade", "transformers>=5.23"),
                    summary="installs a release that keeps limits in the instance",
                ),
            ],
        )
    return passed(
        "A second processor is not changed by the first one's pixel limit",
        "This release does change the class, but the configuration sets both limits, so nothing is "
        "inherited; a processor made without limits would inherit them."
        if changed(leak)
        else "",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def changed(leak: Leak) -> bool:
    """Whether the class itself is another after an instance with limits."""
    return (
        leak.class_size_before != leak.class_size_after
        or leak.bare_tokens_before != leak.bare_tokens_after
    )
