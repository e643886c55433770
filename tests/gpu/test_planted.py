"""Qwen2.5-VL-7B at full size with planted key biases: predicted, measured, cured."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qvl_checks.attention.cure import NAME as CURE
from qvl_doctor.findings import Confidence, Outcome

sys.path.insert(0, str(Path(__file__).parent))

from planted import NORMS, build, examine, plant

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]
NOISE = 0.04
"""Share of next tokens by which two sound implementations may differ from a third."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The folder and the number of its last layer."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    if torch.cuda.mem_get_info(0)[0] < 40 * 2**30:
        pytest.skip("needs 40 GiB of free GPU memory")
    folder = tmp_path_factory.mktemp("planted") / "Qwen2.5-VL-7B"
    return folder, build(folder) - 1


@pytest.mark.parametrize("norm", NORMS)
def test_the_planted_layers_are_predicted_measured_and_cured(
    model: tuple[Path, int], norm: float
) -> None:
    folder, last = model
    plant(folder, {0: norm, last: norm})
    _, findings = examine(folder)
    finding = findings["attention.eager-precision-drift"]
    planted = [0, last] if norm else []
    evidence = finding.evidence
    assert evidence["prediction"]["breaks_in_bfloat16"] == planted
    prompt = evidence["built-in prompt"]
    assert prompt["layers_that_drift"]["eager"] == planted
    assert prompt["layers_that_drift"]["sdpa"] == []
    top1 = {row["implementation"]: row["same_as_float32"] for row in prompt["next_tokens"]}
    assert top1[CURE] == pytest.approx(top1["sdpa"], abs=NOISE)
    assert top1["sdpa"] > 0.85
    if norm == 0:
        assert finding.outcome is Outcome.PASS, finding.cause
        assert top1["eager"] == pytest.approx(top1["sdpa"], abs=NOISE)
        return
    assert finding.outcome is Outcome.FAIL, finding.cause
    assert finding.confidence is Confidence.MEASURED
    assert "layer 0" in finding.title
    assert finding.fixes and all(fix.verified for fix in finding.fixes)
    assert top1["eager"] < top1["sdpa"] - (NOISE if norm < 600 else 0.3)


def test_float16_overflows_in_the_planted_layers(model: tuple[Path, int]) -> None:
    folder, last = model
    plant(folder, {0: 0.0, last: 2000.0})
    _, findings = examine(folder, dtype="float16")
    finding = findings["attention.fp16-overflow"]
    assert finding.outcome is Outcome.FAIL, finding.cause
    assert f"from layer {last} on" in finding.title
    assert finding.evidence["prediction"]["overflows_in_float16"] == [last]
