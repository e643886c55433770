"""Pictures of the table: each tower over the offset, and what storing the keys costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.numerics_facts import Input, NumericsFacts
from qvl_checks.attention.numerics_verdict import ROUNDS_LOGITS
from qvl_doctor.findings import Chart, Series

ERROR = "relative L2 error of the output"


def numerics_charts(facts: NumericsFacts, dtype: str) -> Iterator[Chart]:
    """For the dtype of the workload."""
    yield from _over_offsets(facts, dtype)
    bars = tuple(_bars(facts, dtype))
    if bars:
        yield Chart(
            kind="bar",
            title=f"Vision attention without an offset ({dtype})",
            x="layout",
            y=ERROR,
            series=bars,
            log_y=True,
        )


def _over_offsets(facts: NumericsFacts, dtype: str) -> Iterator[Chart]:
    text = [
        (index, given)
        for index, given in enumerate(facts.inputs)
        if (given.tower, given.dtype) == ("text", dtype) and not given.reason
    ]
    if not text:
        return
    length = Counter(given.length for _, given in text).most_common(1)[0][0]
    chosen = {index: given for index, given in text if given.length == length and given.offset > 0}
    plain = {index: given for index, given in chosen.items() if not given.content}
    series = [
        Series(
            name=name,
            points=tuple(
                (plain[row.input].offset, row.error)
                for _, row in facts.of(name)
                if row.input in plain
            ),
            emphasis=_emphasis(name),
        )
        for name in facts.origins
    ]
    storing = tuple(
        (given.offset, given.storing_error) for given in chosen.values() if given.content
    )
    series.append(Series(name="storing q and k, content in the channel", points=storing))
    yield Chart(
        kind="line",
        title=f"Causal attention of the language model over the logit offset ({dtype}, "
        f"{length} tokens)",
        x="offset of every logit",
        y=ERROR,
        series=tuple(line for line in series if line.points),
        log_x=True,
        log_y=True,
    )


def _bars(facts: NumericsFacts, dtype: str) -> Iterator[Series]:
    def shown(given: Input) -> bool:
        return (given.tower, given.dtype, given.offset) == ("vision", dtype, 0.0)

    vision = [given for given in facts.inputs if shown(given) and not given.reason]
    if not vision:
        return
    width, length = Counter((given.width, given.length) for given in vision).most_common(1)[0][0]
    for name in facts.origins:
        points = tuple(
            (given.layout, row.error)
            for given, row in facts.of(name)
            if shown(given) and (given.width, given.length) == (width, length)
        )
        if points:
            yield Series(name=name, points=points, emphasis=_emphasis(name))


def _emphasis(name: str) -> Literal["normal", "bad", "good"]:
    if name == CURE:
        return "good"
    return "bad" if name in ROUNDS_LOGITS[:1] else "normal"
