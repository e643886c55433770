"""Every attention implementation of this machine: what is known of each holds here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.numerics_facts import Input, NumericsFacts, NumericsRow
from qvl_checks.attention.numerics_verdict import as_good
from qvl_checks.attention.tower_functions import FLASH
from qvl_doctor.findings import Outcome

sys.path.insert(0, str(Path(__file__).parent))

from attention_table import judged, table

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(400)]

KNOWN_TO_RUN = (CURE, "sdpa", "sdpa:mask", "sdpa:math", "sdpa:flash", "sdpa:efficient")


@pytest.fixture(scope="module")
def facts() -> NumericsFacts:
    torch = pytest.importorskip("torch")
    # Counting does not open CUDA, which the children of the probe must do themselves.
    if torch.cuda.device_count() < 1:
        pytest.skip("needs a CUDA device")
    return table("Qwen2.5-VL-7B", "deep")


def rows(
    facts: NumericsFacts, name: str, dtype: str, tower: str = "text"
) -> list[tuple[Input, NumericsRow]]:
    return [
        (given, row)
        for given, row in facts.of(name)
        if (given.dtype, given.tower) == (dtype, tower)
    ]


def test_the_whole_table_was_measured_on_the_card(facts: NumericsFacts) -> None:
    assert facts.device.startswith("cuda")
    assert not facts.ended and not facts.cut_short
    assert {given.offset for given in facts.inputs} == {0.0, 64.0, 256.0, 1024.0, 4096.0}
    assert {given.length for given in facts.inputs} == {256, 1024, 4096}
    assert {given.width for given in facts.inputs} == {64, 72, 80, 128}
    assert not [given for given in facts.inputs if given.reason]
    assert set(KNOWN_TO_RUN) <= set(facts.origins)


@pytest.mark.parametrize("length", [256, 1024, 4096])
def test_eager_loses_its_logits_as_the_offset_grows(facts: NumericsFacts, length: int) -> None:
    errors = {
        given.offset: row.error or 9.9
        for given, row in rows(facts, "eager", "bfloat16")
        if given.length == length and not given.content
    }
    assert errors[0.0] < 0.03
    assert 0.05 < errors[64.0] < errors[256.0] < errors[1024.0]
    assert errors[1024.0] > 0.5


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("tower", ["text", "vision"])
@pytest.mark.parametrize("name", KNOWN_TO_RUN)
def test_the_others_stay_at_the_noise_floor(
    facts: NumericsFacts, name: str, tower: str, dtype: str
) -> None:
    measured = rows(facts, name, dtype, tower)
    if name != "sdpa:mask" or tower == "vision":  # the mask is of windows only
        assert measured
    for given, row in measured:
        assert as_good(given, row), (given, row)


@pytest.mark.parametrize("name", FLASH)
def test_flash_attention_gives_what_float32_logits_give(facts: NumericsFacts, name: str) -> None:
    if name in facts.not_checked:
        pytest.skip(facts.not_checked[name])
    assert name in facts.origins, facts.unusable
    for dtype, tolerance in (("bfloat16", 0.006), ("float16", 0.0015)):
        for tower in ("text", "vision"):
            measured = rows(facts, name, dtype, tower)
            assert measured, facts.missing
            for given, row in measured:
                assert as_good(given, row), (given, row)
                assert (row.from_float32_logits or 9.9) < tolerance, (given, row)


def test_what_storing_the_keys_loses_nobody_gives_back(facts: NumericsFacts) -> None:
    for name in ("sdpa", CURE, *FLASH):
        for given, row in rows(facts, name, "bfloat16"):
            if given.content and given.offset >= 256:
                assert (given.storing_error or 0) > 0.1
                assert row.from_unrounded == pytest.approx(given.storing_error, rel=0.1)


def test_the_rule_agrees(facts: NumericsFacts) -> None:
    judgement = judged(facts)
    assert judgement.outcome is Outcome.PASS, judgement.cause
