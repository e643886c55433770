"""Sight: pictures through the installed processor and towers, sound and with planted faults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.images.pictures_not_seen import pictures_not_seen
from qvl_checks.images.sight_facts import SIGHT, Eyes, Patches, SightFacts
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ModelFacts, ProbeStatus
from qvl_doctor.findings import Outcome

BUILDER = Path(__file__).parents[2] / "zoo" / "tiny_checkpoint.py"
MODEL = ModelFacts(name="x", source="tiny", model_type="qwen2_5_vl", family="Qwen2.5-VL")

FAULTS = '''
from qvl_checks.images import sight_probe


def with_processor(change):
    def run(request):
        original = sight_probe.processor_of

        def processor_of(facts, scratch):
            processor, reason = original(facts, scratch)
            return Changed(processor, change), reason

        sight_probe.processor_of = processor_of
        try:
            return sight_probe.run(request)
        finally:
            sight_probe.processor_of = original

    return run


class Changed:
    def __init__(self, processor, change):
        self.processor, self.change = processor, change

    def __getattr__(self, name):
        return getattr(self.processor, name)

    def __call__(self, images, return_tensors):
        return self.change(self.processor, images, return_tensors)


def reversed_colours(processor, images, kind):
    return processor(images=[image[:, :, ::-1].copy() for image in images], return_tensors=kind)


def raster_order(processor, images, kind):
    made = processor(images=images, return_tensors=kind)
    _, rows, columns = made["image_grid_thw"][0].tolist()
    values = made["pixel_values"].view(rows // 2, columns // 2, 2, 2, -1)
    made["pixel_values"] = values.permute(0, 2, 1, 3, 4).reshape(rows * columns, -1)
    return made


def shuffled(processor, images, kind):
    made = processor(images=images, return_tensors=kind)
    made["pixel_values"] = made["pixel_values"].flip(0)
    return made


bgr = with_processor(reversed_colours)
raster = with_processor(raster_order)
backwards = with_processor(shuffled)


def with_tower(change):
    def run(request):
        original = sight_probe.Subject.__init__

        def init(self, *arguments, **keywords):
            original(self, *arguments, **keywords)
            change(self.tower)

        sight_probe.Subject.__init__ = init
        try:
            return sight_probe.run(request)
        finally:
            sight_probe.Subject.__init__ = original

    return run


def shut(tower):
    """The patches' embedding is zero: every picture is the same."""
    tower.patch_embed.register_forward_hook(lambda module, given, result: result * 0)


def merge_wrongly(tower):
    tower.merger.register_forward_pre_hook(lambda module, given: (given[0].roll(1, 0),))


def not_a_number(tower):
    tower.patch_embed.register_forward_hook(lambda module, given, result: result / 0)


blind = with_tower(shut)
rolled = with_tower(merge_wrongly)
broken = with_tower(not_a_number)
'''


@pytest.fixture(scope="module")
def client(shared_agent: SharedAgent) -> SharedAgent:
    """With faults of sight."""
    shared_agent.plant("sight", FAULTS)
    return shared_agent


def sight(
    client: SharedAgent,
    model: str = "Qwen2.5-VL-7B",
    entry: str = SIGHT.entry,
    level: str = "standard",
) -> SightFacts:
    request = {"level": level, "model": msgspec.to_builtins(resolve(model))}
    record = client.run(entry, request, 200)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    return msgspec.convert(record.data, SightFacts)


def judge(facts: SightFacts) -> Any:
    return pictures_not_seen.judge(facts, MODEL)


@pytest.mark.parametrize("model", ["Qwen2.5-VL-7B", "Qwen3-VL-8B"])
def test_the_reference_stack_sees(client: SharedAgent, model: str) -> None:
    facts = sight(client, model)
    assert facts.processor
    assert len(facts.patches) == 5
    assert all(row.comparable and (row.error or 0.0) < 1e-5 for row in facts.patches)
    (tower,) = facts.towers
    assert tower.closest is not None and tower.closest > 0.3
    assert tower.repeated == 0.0
    assert tower.from_reference is not None and tower.from_reference < 1e-4
    assert judge(facts).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("bgr", "red and blue are exchanged"),
        ("raster", "do not follow one another"),
        ("backwards", "no known mistake"),
        ("blind", "cannot tell"),
        ("rolled", "than the reference"),
        ("broken", "not finite"),
    ],
)
def test_a_planted_fault_is_seen(client: SharedAgent, fault: str, words: str) -> None:
    judgement = judge(sight(client, entry=f"planted.sight:{fault}"))
    assert judgement.outcome is Outcome.FAIL
    assert words in judgement.cause


@pytest.mark.slow
def test_the_tower_of_a_checkpoint_is_shown_the_pictures(
    client: SharedAgent, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    command = [sys.executable, str(BUILDER), "qwen2_5_vl", str(folder)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    facts = sight(client, str(folder), level="deep")
    small, own = facts.towers
    assert (small.weights, own.weights) == ("random", "checkpoint")
    assert own.reason == "" and own.tensors_loaded > 20
    assert own.tensors_missing == own.not_finite == 0
    assert own.closest is not None and own.closest > 0.02
    assert judge(facts).outcome is Outcome.PASS


SEES = Eyes(weights="random", closest=0.5, repeated=0.0, from_reference=1e-6)
ROW = Patches(picture="noise", comparable=True, error=0.0)


def test_what_the_rule_says_of_facts() -> None:
    assert judge(SightFacts(reason="unknown family")).outcome is Outcome.NOT_APPLICABLE
    unrun = SightFacts(towers=(Eyes(weights="random", reason="RuntimeError"),))
    assert judge(unrun).outcome is Outcome.BLOCKED
    assert judge(SightFacts(towers=(SEES,), patches=(ROW,))).outcome is Outcome.PASS
    resized = Patches(picture="noise", grid=(1, 30, 40))
    kept = judge(SightFacts(towers=(SEES,), patches=(resized,)))
    assert kept.outcome is Outcome.PASS and "Not compared" in kept.cause
    lost = msgspec.structs.replace(SEES, weights="checkpoint", tensors_missing=12)
    assert "lacks 12 tensors" in judge(SightFacts(towers=(SEES, lost))).cause
