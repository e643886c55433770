"""The row of the measurements that concerns the examined model, or why there is none."""

from __future__ import annotations

from qvl_checks.images.processor_facts import ProcessorFacts, Row
from qvl_doctor.facts import ModelFacts
from qvl_doctor.judgement import Judgement, blocked, not_applicable

REASON_SHOWN = 160


def own_row(processor: ProcessorFacts, model: ModelFacts) -> tuple[Row, int] | Judgement:
    """The default implementation with the model's own configuration, and the visual tokens that it
    made of the test picture; a judgement instead when that was not measured."""
    if not model.class_name:
        return not_applicable(f"{model.name} is of no known Qwen-VL family")
    row = processor.own(model.model_type)
    if row is None or row.default is None or row.default.tokens is None:
        reason = (row.reason if row else processor.reason) or "nothing was measured"
        return blocked(f"the image processor could not be run: {reason[:REASON_SHOWN]}")
    return row, row.default.tokens
