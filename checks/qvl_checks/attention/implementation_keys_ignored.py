"""attention.implementation-keys-ignored: does each tower run what it was asked to run?"""

from __future__ import annotations

from collections.abc import Iterator

from qvl_checks.attention.behaviour_words import listed
from qvl_checks.attention.mixing_facts import MixingFacts, Mixture
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

TOWERS = {"text_config": "text", "vision_config": "vision"}


@check("attention.implementation-keys-ignored")
def implementation_keys_ignored(
    mixing: MixingFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """The two keys that are documented, and whether asking for one tower changes the other."""
    if mixing.reason:
        return not_applicable(mixing.reason)
    run = [row for row in mixing.rows if not row.reason]
    evidence = {
        "transformers": mixing.transformers,
        "default": {"text": mixing.default_text, "vision": mixing.default_vision},
        "seen": [
            {"road": row.road, "asked": row.wish, "text": row.text, "vision": row.vision}
            for row in run
        ],
        "errors": {f"{row.road} {row.wish}": row.reason for row in mixing.rows if row.reason},
    }
    if not run:
        return blocked("no model could be made with a per-tower setting", evidence=evidence)
    if mixing.default_text != "sdpa" or mixing.default_vision != "sdpa":
        return not_applicable("the default is not sdpa in both towers, so nothing can be told")
    faults = [*_disobeyed(run), *_disturbed(run)]
    if not faults:
        ignored = listed(repr(key) for row in run for key in row.wish if _ignored(row))
        return passed(
            "text_config and vision_config each set their own tower",
            f"Keys that are accepted and do nothing, without a message: {ignored}. Look at "
            "model.config.text_config._attn_implementation and its counterpart in vision_config."
            if ignored
            else "",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    return failed(
        f"transformers {mixing.transformers} misreads attn_implementation per tower",
        "; ".join(faults) + ". There is no message.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[
            Fix.advise(
                'Give one name for the whole model (attn_implementation="sdpa"), which this '
                "release obeys."
            ),
            Fix.run(
                *target.install("transformers==4.57.1"),
                summary="installs a release that obeys text_config and vision_config",
            ),
        ],
    )


def _disobeyed(run: list[Mixture]) -> list[str]:
    """Towers that do not run what their own key asked for."""
    return list(
        dict.fromkeys(
            f"the {tower} tower, asked for {row.wish[key]} by {key}, runs {_runs(row, tower)}"
            for row in run
            for key, tower in TOWERS.items()
            if key in row.wish and _runs(row, tower) != row.wish[key]
        )
    )


def _disturbed(run: list[Mixture]) -> Iterator[str]:
    """Towers that run something else because of a key that is not theirs."""
    for key, tower in TOWERS.items():
        others = [
            repr(next(iter(row.wish)))
            for row in run
            if key not in row.wish and _runs(row, tower) != "sdpa"
        ]
        if others:
            yield f"the {tower} tower leaves sdpa when only {listed(others)} is given"


def _runs(row: Mixture, tower: str) -> str:
    return row.text if tower == "text" else row.vision


def _ignored(row: Mixture) -> bool:
    return row.text == row.vision == "sdpa" and "eager" in row.wish.values()
