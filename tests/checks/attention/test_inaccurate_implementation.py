"""The rule about the table, on facts made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.inaccurate_implementation import inaccurate_implementation
from qvl_checks.attention.numerics_facts import Ended, Input, NumericsFacts, NumericsRow
from qvl_checks.host.cuda import NO_CUDA
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement

EAGER = {0.0: 0.0099, 64.0: 0.13, 1024.0: 0.87}
INPUTS = tuple(
    Input(
        tower=tower,
        layout="full",
        dtype="bfloat16",
        width=width,
        length=1024,
        offset=offset,
        content=content,
        storing_error=0.36 if content else 0.004,
        float32_logits_error=0.0023,
        float32_logits_worst_row=0.0041,
    )
    for tower, width, offset, content in (
        ("text", 128, 0.0, False),
        ("text", 128, 64.0, False),
        ("text", 128, 1024.0, False),
        ("text", 128, 1024.0, True),
        ("vision", 80, 0.0, False),
    )
)


def facts(ended: dict[str, Ended] | None = None, **changed: Any) -> NumericsFacts:
    """Sound implementations; ``sdpa=(4, 0.4)`` is its error on that input, ``None`` not finite."""
    changed = {name.replace("__", ":"): value for name, value in changed.items()}
    names = dict.fromkeys(("eager", CURE, "sdpa", *changed))
    rows = []
    for name in names:
        for index, given in enumerate(INPUTS):
            error: float | None = EAGER[given.offset] if name == "eager" else 0.002
            worst: float | None = 3 * error if error else None
            if name in changed and changed[name][0] == index:
                error, worst = changed[name][1], changed[name][-1]
            rows.append(NumericsRow(input=index, implementation=name, error=error, worst_row=worst))
    return NumericsFacts(
        device="cuda:0",
        inputs=INPUTS,
        rows=tuple(rows),
        origins=dict.fromkeys(names, "test"),
        ended=ended or {},
    )


def test_a_table_of_the_cpu_beside_a_gpu_is_no_verdict() -> None:
    reason = "CUDA does not start: Cannot re-initialize CUDA in forked subprocess"
    beside = msgspec.structs.replace(facts(), device="cpu", device_reason=reason)
    judgement = judged(beside)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert reason in judgement.cause
    alone = msgspec.structs.replace(facts(), device="cpu", device_reason=NO_CUDA)
    assert judged(alone).outcome is Outcome.PASS


def test_what_is_installed_and_did_not_run_is_told() -> None:
    silent = msgspec.structs.replace(
        facts(),
        origins={**facts().origins, "flash_attention_2": "flash_attn 2.8.3"},
        missing={"flash_attention_2 text full bfloat16 128": "RuntimeError: no kernel image"},
    )
    words = "Installed, but not measured: flash_attention_2 (RuntimeError: no kernel image)."
    assert words in judged(silent).cause
    assert "not measured" not in judged(facts()).cause


def judged(numerics: NumericsFacts) -> Judgement:
    return inaccurate_implementation.judge(numerics=numerics, workload=WorkloadFacts())


def test_eager_alone_does_not_fail_and_is_told_apart() -> None:
    judgement = judged(facts())
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.MEASURED
    assert judgement.title == f"As good as float32 logits in both towers: {CURE}, sdpa"
    assert "eager in bfloat16 (text) has up to 378.3 times" in judgement.cause
    assert "costs 36% at offset 1024" in judgement.cause
    table = {
        (row["implementation"], row["tower"]): row["as_good_as_float32_logits"]
        for row in judgement.evidence["table"]
    }
    assert table == {
        ("eager", "text"): False,
        ("eager", "vision"): False,
        (CURE, "text"): True,
        (CURE, "vision"): True,
        ("sdpa", "text"): True,
        ("sdpa", "vision"): True,
    }
    assert [chart.kind for chart in judgement.charts] == ["line", "bar"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sdpa": (4, 0.4)}, "sdpa has an error of 0.4"),
        ({"sdpa": (1, None)}, "not finite"),
        ({"flash_attention_2": (2, 0.012)}, "flash_attention_2 has an error of 0.012"),
        ({"flash_attention_2": (2, 0.004, 0.5)}, "0.5 in its worst token"),
        ({"eager": (0, 0.3)}, "eager has an error of 0.3"),
    ],
)
def test_what_nobody_is_known_for_fails(changed: dict[str, Any], words: str) -> None:
    judgement = judged(facts(**changed))
    assert judgement.outcome is Outcome.FAIL
    assert words in judgement.title
    assert judgement.fixes


def test_one_backend_can_be_kept_out() -> None:
    judgement = judged(facts(sdpa__cudnn=(4, 0.2)))
    assert judgement.outcome is Outcome.FAIL
    assert [fix.code for fix in judgement.fixes] == ["torch.backends.cuda.enable_cudnn_sdp(False)"]


def test_the_math_backend_of_an_old_torch_is_coarse_not_wrong() -> None:
    judgement = judged(facts(sdpa__math=(1, 0.13)))
    assert judgement.outcome is Outcome.PASS
    assert "sdpa:math in bfloat16 (text)" in judgement.cause


def test_an_sdpa_that_is_wrong_is_not_prescribed() -> None:
    fixes = judged(facts(sdpa=(4, 0.4))).fixes
    assert not any('"sdpa"' in (fix.code or "") for fix in fixes)
    assert any("float32 logits" in (fix.advice or "") for fix in fixes)


@pytest.mark.parametrize("status", ["crashed", "timed_out"])
def test_an_implementation_that_ends_its_process_fails(status: str) -> None:
    ended = {"flash_attention_2": Ended(status=status, reason="ended by SIGSEGV")}
    judgement = judged(facts(ended))
    assert judgement.outcome is Outcome.FAIL
    assert "SIGSEGV" in judgement.cause
    assert any('"sdpa"' in (fix.code or "") for fix in judgement.fixes)


def test_an_input_beyond_the_range_says_nothing() -> None:
    sound = facts()
    beyond = Input(
        tower="text", layout="full", dtype="float16", width=128, length=64, offset=8192.0
    )
    row = NumericsRow(input=len(INPUTS), implementation="sdpa", nonfinite=3)
    sound.inputs += (beyond,)
    sound.rows += (row,)
    assert judged(sound).outcome is Outcome.PASS


def test_what_was_not_measured_never_passes() -> None:
    nothing = NumericsFacts(not_checked={"flash_attention_2": "not installed"})
    assert judged(nothing).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("flash", ["flash_attention_2", "flash_attention_4"])
def test_the_tables_of_a_real_h100(flash: str) -> None:
    """Both towers, two dtypes, offsets to 4096, lengths to 4096; torch 2.11.0+cu130, transformers
    5.17.0, flash-attn 2.8.3.post2 built there and flash-attn-4 4.0.0b36."""
    table = msgspec.json.decode(
        Path(__file__).with_name(f"h100_{flash}_table.json").read_bytes(), type=NumericsFacts
    )
    judgement = inaccurate_implementation.judge(numerics=table, workload=WorkloadFacts())
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.MEASURED
    assert flash in judgement.title
    rows = {(row["implementation"], row["tower"], row["dtype"]): row for row in _table(judgement)}
    for tower in ("text", "vision"):
        assert rows["eager", tower, "bfloat16"]["largest_error"] > 0.5
        backends = ("sdpa:flash", "sdpa:efficient", "sdpa:cudnn", "sdpa:math")
        for name in ("sdpa", *backends, CURE, flash):
            for dtype, most in (("bfloat16", 0.003), ("float16", 0.0005)):
                row = rows[name, tower, dtype]
                assert row["as_good_as_float32_logits"] and row["largest_error"] < most


def _table(judgement: Judgement) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = judgement.evidence["table"]
    return found
