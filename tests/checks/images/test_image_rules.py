"""Every image rule fires on facts that show its failure and is silent on those that do not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qvl_checks.images.extreme_aspect_ratio import extreme_aspect_ratio
from qvl_checks.images.fast_slow_processor_difference import fast_slow_processor_difference
from qvl_checks.images.pixel_limit_ignored import pixel_limit_ignored
from qvl_checks.images.processor_facts import Cell, Difference, Refusal, Row
from qvl_checks.images.processor_size_leak import processor_size_leak
from qvl_checks.images.removed_image_processor import removed_image_processor
from qvl_checks.images.slow_processor_shrinks_image import slow_processor_shrinks_image
from qvl_checks.images.wrong_image_patch_size import wrong_image_patch_size
from qvl_checks.video.readers_facts import QwenVlUtils, ReadersFacts
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Outcome

STRANGER = ModelFacts(name="llava", source="folder", model_type="llava")


def folder_of(model: ModelFacts) -> ModelFacts:
    return msgspec.structs.replace(model, source="folder", path="/data/checkpoint")


def test_limit_in_the_file_that_has_no_effect(facts: Any, qwen25: Any, target: Any) -> None:
    found = pixel_limit_ignored.judge(facts(default=3577, expected=247), qwen25, target)
    assert found.outcome is Outcome.FAIL and found.confidence is Confidence.MEASURED
    assert "12845056" in found.fixes[0].code and found.fixes[0].verified


def test_limit_at_loading_that_has_no_effect(facts: Any, qwen25: Any, target: Any) -> None:
    ignored = Cell(status="ok", tokens=3577, pixels=3577 * 784)
    found = pixel_limit_ignored.judge(facts(recommended=ignored), qwen25, target)
    assert found.outcome is Outcome.FAIL
    assert found.fixes[0].command is not None


def test_limits_that_hold_pass_and_name_the_ways_that_do_not(
    facts: Any, qwen25: Any, target: Any
) -> None:
    found = pixel_limit_ignored.judge(facts(), qwen25, target)
    assert found.outcome is Outcome.PASS
    assert "load size" in found.title
    assert found.evidence["tokens"][0]["load size"] == 3577


def test_a_limit_whose_test_failed_does_not_pass(facts: Any, qwen25: Any, target: Any) -> None:
    crashed = Cell(status="crashed", reason="the process was ended by SIGSEGV")
    found = pixel_limit_ignored.judge(facts(recommended=crashed), qwen25, target)
    assert found.outcome is Outcome.INCONCLUSIVE and "SIGSEGV" in found.title


@pytest.mark.parametrize(
    "check", [pixel_limit_ignored, slow_processor_shrinks_image, processor_size_leak]
)
def test_without_a_measurement_nothing_passes(
    check: Any, facts: Any, qwen25: Any, qwen3: Any, target: Any
) -> None:
    row = Row(style="pixels", implementation="default", reason="OSError: no such file")
    assert check.judge(facts(rows=(row,)), qwen25, target).outcome is Outcome.BLOCKED
    assert check.judge(facts(rows=(), reason="x"), qwen25, target).outcome is Outcome.BLOCKED
    # The rows of another configuration say nothing about this model.
    assert check.judge(facts(style="pixels"), qwen3, target).outcome is Outcome.BLOCKED
    assert check.judge(facts(), STRANGER, target).outcome is Outcome.NOT_APPLICABLE


def test_shrinking_to_the_built_in_default(facts: Any, qwen25: Any, target: Any) -> None:
    found = slow_processor_shrinks_image.judge(facts(default=1247), qwen25, target)
    assert found.outcome is Outcome.FAIL and "1247" in found.title and "3577" in found.title
    assert found.fixes[0].verified


def test_a_size_that_is_kept(facts: Any, qwen25: Any, target: Any) -> None:
    assert slow_processor_shrinks_image.judge(facts(), qwen25, target).outcome is Outcome.PASS


def test_an_unexplained_smaller_size_is_not_blamed(facts: Any, qwen25: Any, target: Any) -> None:
    found = slow_processor_shrinks_image.judge(facts(default=2000), qwen25, target)
    assert found.outcome is Outcome.INCONCLUSIVE


def test_a_file_without_limit_has_nothing_to_shrink(facts: Any, qwen25: Any, target: Any) -> None:
    found = slow_processor_shrinks_image.judge(facts(default=1247, expected=None), qwen25, target)
    assert found.outcome is Outcome.NOT_APPLICABLE


def test_a_second_processor_that_inherits(facts: Any, qwen25: Any, target: Any) -> None:
    found = processor_size_leak.judge(facts(leak={"own_tokens_after": 247}), qwen25, target)
    assert found.outcome is Outcome.FAIL and "247" in found.title


def test_a_leak_that_the_configuration_overwrites(facts: Any, qwen25: Any, target: Any) -> None:
    leak = {"own_tokens_after": 3577, "bare_tokens_before": 1247, "bare_tokens_after": 247}
    found = processor_size_leak.judge(facts(leak=leak), qwen25, target)
    assert found.outcome is Outcome.PASS and "does change the class" in found.cause


def test_leaks_are_not_judged_unmeasured(facts: Any, qwen25: Any, target: Any) -> None:
    assert processor_size_leak.judge(facts(), qwen25, target).outcome is Outcome.NOT_APPLICABLE
    hung = facts(leak={"status": "timed_out", "reason": "no answer"})
    assert processor_size_leak.judge(hung, qwen25, target).outcome is Outcome.INCONCLUSIVE


def test_difference_of_the_implementations(facts: Any) -> None:
    judge = fast_slow_processor_difference.judge
    assert judge(facts()).outcome is Outcome.PASS
    large = Difference(status="ok", relative=0.05, same_grid=True)
    assert judge(facts(difference=large)).outcome is Outcome.FAIL
    grids = Difference(status="ok", same_grid=False)
    assert judge(facts(difference=grids)).outcome is Outcome.FAIL
    alone = facts(classes={"slow": "A"})
    assert judge(alone).outcome is Outcome.NOT_APPLICABLE
    assert judge(facts(difference=None)).outcome is Outcome.NOT_APPLICABLE


def refused(name: str, exists: bool) -> dict[str, Any]:
    reason = "ValueError: Unrecognized image processor"
    row = Row(
        style="folder",
        implementation="default",
        cells={"default": Cell(status="raised", reason=reason)},
        reason=reason,
    )
    return {"rows": (row,), "named_class": name, "named_class_exists": exists}


def test_a_class_that_was_never_released(facts: Any, qwen25: Any, target: Any) -> None:
    found = removed_image_processor.judge(
        facts(**refused("Qwen2_5_VLImageProcessor", False)), folder_of(qwen25), target
    )
    assert found.outcome is Outcome.FAIL and "never released" in found.title
    assert "/data/checkpoint" in found.fixes[0].advice


def test_a_class_of_another_release(facts: Any, qwen25: Any, target: Any) -> None:
    found = removed_image_processor.judge(
        facts(**refused("Qwen9VLImageProcessor", False)), folder_of(qwen25), target
    )
    assert found.outcome is Outcome.FAIL and "never released" not in found.title


def test_named_classes_that_are_fine_or_unknown(facts: Any, qwen25: Any, target: Any) -> None:
    judge, folder = removed_image_processor.judge, folder_of(qwen25)
    fine = facts(style="folder", named_class="Qwen2VLImageProcessor", named_class_exists=True)
    assert judge(fine, folder, target).outcome is Outcome.PASS
    exists = facts(**refused("Qwen2VLImageProcessor", True))
    assert judge(exists, folder, target).outcome is Outcome.BLOCKED
    assert judge(facts(style="folder"), folder, target).outcome is Outcome.NOT_APPLICABLE
    assert judge(fine, qwen25, target).outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        ((4200, 20), Outcome.FAIL),
        ((20, 4200), Outcome.FAIL),
        ((4000, 20), Outcome.PASS),
        ((300, 20), Outcome.PASS),
        ((2048, 1365), Outcome.PASS),
    ],
)
def test_shapes(facts: Any, size: tuple[int, int], outcome: Outcome) -> None:
    found = extreme_aspect_ratio.judge(WorkloadFacts(images=((640, 480), size)), facts())
    assert found.outcome is outcome


def test_thin_images_on_releases_that_refuse_them(facts: Any) -> None:
    reason = "ValueError: height:20 or width:400 must be larger than factor:28"
    old = facts(
        extremes=tuple(
            Refusal(width=width, height=20, status="raised", reason=reason) for width in (4200, 400)
        )
    )
    thin = WorkloadFacts(images=((300, 20),))
    assert extreme_aspect_ratio.judge(thin, old).outcome is Outcome.FAIL
    assert (
        extreme_aspect_ratio.judge(WorkloadFacts(images=((300, 28),)), old).outcome is Outcome.PASS
    )


def test_shapes_that_could_not_be_tried(facts: Any) -> None:
    broken = tuple(
        Refusal(width=width, height=20, status="raised", reason="ImportError: torchvision")
        for width in (4200, 400)
    )
    thin = WorkloadFacts(images=((300, 20),))
    judge = extreme_aspect_ratio.judge
    assert judge(thin, facts(extremes=broken)).outcome is Outcome.INCONCLUSIVE
    assert judge(thin, facts(extremes=())).outcome is Outcome.INCONCLUSIVE
    long = judge(WorkloadFacts(images=((4200, 20),)), facts(extremes=broken))
    assert long.outcome is Outcome.FAIL and long.confidence is Confidence.DERIVED
    assert judge(WorkloadFacts(), facts()).outcome is Outcome.NOT_APPLICABLE


def utils(*parameters: str) -> ReadersFacts:
    return ReadersFacts(
        qwen_vl_utils=QwenVlUtils(installed=True, version="0.0.11", parameters=parameters)
    )


def test_patch_size_that_the_resizer_cannot_be_told(qwen3: Any, qwen25: Any, target: Any) -> None:
    judge = wrong_image_patch_size.judge
    assert judge(utils("conversations"), qwen3, target).outcome is Outcome.FAIL
    assert judge(utils("image_patch_size"), qwen3, target).outcome is Outcome.PASS
    assert judge(utils("conversations"), qwen25, target).outcome is Outcome.NOT_APPLICABLE
    assert judge(ReadersFacts(), qwen3, target).outcome is Outcome.NOT_APPLICABLE
    unread = ReadersFacts(qwen_vl_utils=QwenVlUtils(installed=True, reason="PermissionError"))
    assert judge(unread, qwen3, target).outcome is Outcome.INCONCLUSIVE
