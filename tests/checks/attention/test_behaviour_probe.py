"""The behaviour probe, run for real in the target of the tests: sound, and with planted faults."""

from __future__ import annotations

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.attention.behaviour_facts import BEHAVIOUR, BehaviourFacts
from qvl_checks.attention.forward_differs_from_reference import forward_differs_from_reference
from qvl_checks.attention.sliding_window_mask_wrong import sliding_window_mask_wrong
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

FAMILIES = [
    "Qwen2.5-VL-7B",
    "Qwen3-VL-8B",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("Qwen2-VL-7B", "Qwen3-VL-30B-A3B")),
    pytest.param("Qwen3.5-9B", marks=pytest.mark.slow),
]
UPSTREAM = {"long video"}
"""What transformers 5.3 to 5.23 place wrongly, for the families that hold videos in one piece."""

FAULTS = '''
import importlib
from qvl_checks.attention import behaviour_probe
from qvl_checks.attention.reference.subject import Subject

MODULE = "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl"


def with_hook(place, change):
    """The probe, each model built with a hook on one of its modules."""
    original = Subject.__init__

    def init(self, *arguments, **keywords):
        original(self, *arguments, **keywords)
        change(place(self))

    def run(request):
        Subject.__init__ = init
        try:
            return behaviour_probe.run(request)
        finally:
            Subject.__init__ = original

    return run


def text_tower(subject):
    return subject.text.tower


def decode_one_further(tower):
    def shift(module, arguments, keywords):
        places = keywords["position_ids"]
        if places.shape[-1] == 1:
            keywords["position_ids"] = places + 1
        return arguments, keywords

    tower.register_forward_pre_hook(shift, with_kwargs=True)


def no_mask_for_padding(tower):
    def drop(module, arguments, keywords):
        keywords["attention_mask"] = None
        return arguments, keywords

    tower.register_forward_pre_hook(drop, with_kwargs=True)


def width_and_height_swapped(tower):
    def swap(module, arguments, keywords):
        places = keywords["position_ids"]
        if places is not None and places.shape[0] > 2:
            keywords["position_ids"] = places[[*range(places.shape[0] - 2), -1, -2]]
        return arguments, keywords

    tower.register_forward_pre_hook(swap, with_kwargs=True)


def bidirectional(tower):
    for layer in tower.layers:
        def see_all(module, arguments, keywords):
            import torch

            hidden = keywords["hidden_states"]
            keywords["attention_mask"] = torch.zeros(
                hidden.shape[0], 1, hidden.shape[1], hidden.shape[1]
            )
            return arguments, keywords

        if layer.self_attn is not None:
            layer.self_attn.register_forward_pre_hook(see_all, with_kwargs=True)


def deepstack_backwards(tower):
    def turn(module, arguments, keywords):
        given = keywords.get("deepstack_visual_embeds")
        if given is not None:
            keywords["deepstack_visual_embeds"] = given[::-1]
        return arguments, keywords

    tower.register_forward_pre_hook(turn, with_kwargs=True)


def coarse_positions(tower):
    """Rounded to the dtype of the activations, as early rotary embeddings did."""
    def round_them(module, arguments, keywords):
        values = arguments[0]
        places = keywords.get("position_ids", arguments[-1]).to(values.dtype).long()
        return (values, places), {}

    tower.rotary_emb.register_forward_pre_hook(round_them, with_kwargs=True)


def whole(subject):
    return subject.model


def pictures_exchanged(model):
    original = model.model.get_image_features

    def features(*arguments, **keywords):
        found = original(*arguments, **keywords)
        found.pooler_output = tuple(found.pooler_output)[::-1]
        return found

    model.model.get_image_features = features


def with_the_cure(model):
    """Whatever was selected, the language model runs the code that reports print."""
    from qvl_checks.attention import cure, text_tower

    model_type = model.config.model_type
    found = cure.apply_cure(model_type)
    exec(found.use, {"model": model})
    assert text_tower.selected(model, model_type) == cure.NAME


def with_half_the_cure(model):
    """Without the mask function that belongs to it."""
    from transformers.masking_utils import AttentionMaskInterface

    from qvl_checks.attention import cure

    with_the_cure(model)
    AttentionMaskInterface._global_mapping.pop(cure.NAME, None)


decoding = with_hook(text_tower, decode_one_further)
unmasked = with_hook(text_tower, no_mask_for_padding)
swapped = with_hook(text_tower, width_and_height_swapped)
non_causal = with_hook(text_tower, bidirectional)
deepstack = with_hook(text_tower, deepstack_backwards)
coarse = with_hook(text_tower, coarse_positions)
cured = with_hook(whole, with_the_cure)
half_cured = with_hook(whole, with_half_the_cure)
exchanged = with_hook(whole, pictures_exchanged)


def replaced(module, name, value):
    def run(request):
        place = importlib.import_module(module)
        original = getattr(place, name)
        setattr(place, name, value(original))
        try:
            return behaviour_probe.run(request)
        finally:
            setattr(place, name, original)

    return run


def one_window(original):
    """Windows as large as the frames."""
    def index(grid, **keywords):
        keywords["window_size"] = 560
        return original(grid, **keywords)

    return index


def one_frame(original):
    """Frames and images that are not separated."""
    def lengths(grid, config, kwargs=None):
        import torch

        total = int(grid.prod(dim=1).sum())
        return torch.tensor([0, total], dtype=torch.int32), total

    return lengths


def columns_first(original):
    def places(grid, *arguments, **keywords):
        return original(grid, *arguments, **keywords).flip(-1)

    return places


def heads_in_turn(original):
    def repeat(tensor, times):
        return tensor.repeat(1, times, 1, 1)

    return repeat


grouped = replaced(MODULE, "repeat_kv", heads_in_turn)
windows_ignored = replaced(MODULE, "get_vision_window_index", one_window)
frames_together = replaced(MODULE, "get_vision_attention_seqlens", one_frame)
patches_turned = replaced(MODULE, "get_vision_position_ids", columns_first)
'''


@pytest.fixture(scope="module")
def client(shared_agent: SharedAgent) -> SharedAgent:
    """With faults of behaviour."""
    shared_agent.plant("behaviour", FAULTS)
    return shared_agent


def behaviour(
    client: SharedAgent, model: str = "Qwen2.5-VL-7B", entry: str = BEHAVIOUR.entry
) -> BehaviourFacts:
    request = {"model": msgspec.to_builtins(resolve(model)), "workload": {}}
    record = client.run(entry, request, 240)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    return msgspec.convert(record.data, BehaviourFacts)


def faulty(client: SharedAgent, fault: str) -> BehaviourFacts:
    return behaviour(client, entry=f"planted.behaviour:{fault}")


def names(facts: BehaviourFacts, what: str) -> set[str]:
    return {
        case.name
        for case in (*facts.cases, *facts.windows)
        if any(row.what == what for row in case.differences)
    } - UPSTREAM


def causes(facts: BehaviourFacts, *cases: str, path: str = "") -> set[str]:
    return {
        row.cause
        for case in facts.cases
        if case.name in cases and path in case.path
        for row in case.differences
        if row.what == "logits"
    }


@pytest.mark.parametrize("model", FAMILIES)
def test_the_reference_agrees_with_the_installed_code(client: SharedAgent, model: str) -> None:
    facts = behaviour(client, model)
    assert not [case for case in facts.cases if case.reason]
    assert names(facts, "positions") == names(facts, "logits") == set()
    for case in facts.cases:
        if case.name not in UPSTREAM:
            assert case.error is not None and case.error < 1e-4
            assert case.padding is None or (case.from_alone or 1.0) < 1e-4
    for run in facts.vision:
        assert run.error is not None and run.error < 1e-4
        assert run.bfloat16_error is not None and 1e-3 < run.bfloat16_error < 0.05
        assert not run.masked
    assert {run.calls > 0 for run in facts.vision if run.implementation == "sdpa"} == {True}
    assert {run.calls for run in facts.vision if run.implementation == "eager"} == {0}
    assert facts.eager and not [case for case in facts.eager if case.reason or case.differences]
    assert facts.rotary_error is not None and facts.rotary_error < 0.004
    if facts.model_type in ("qwen2_vl", "qwen2_5_vl"):
        the_text_behind_a_long_video_is_misplaced(facts)


def the_text_behind_a_long_video_is_misplaced(facts: BehaviourFacts) -> None:
    """As the reference stack does it."""
    found = {case.path: case.positions() for case in facts.cases if case.name in UPSTREAM}
    assert set(found) == {"forward", "generate"}
    for row in found.values():
        assert row is not None
        assert row.kind == "text" and "video" not in row.wrong_kinds
        assert row.found < row.expected
    assert causes(facts, *UPSTREAM) == {"positions"}


@pytest.mark.slow
def test_decoding_one_position_further_is_seen_there_only(client: SharedAgent) -> None:
    facts = faulty(client, "decoding")
    assert {case.path for case in facts.cases if case.positions()} - {"forward"} == {"generate"}
    row = next(case.positions() for case in facts.cases if case.name == "text" and case.differences)
    assert row is not None
    assert (row.phase, row.kind, row.token) == ("decode", "new", 20)
    assert row.expected == (20.0,) * 3 and row.found == (21.0,) * 3


@pytest.mark.slow
def test_swapped_height_and_width_are_named(client: SharedAgent) -> None:
    facts = faulty(client, "swapped")
    row = next(case.positions() for case in facts.cases if case.name == "image")
    assert row is not None
    assert row.dimensions == ("h", "w") and row.wrong_kinds == ("image",)
    assert causes(facts, "image") == {"positions"}
    assert "text" not in names(facts, "positions")


def test_visible_padding_changes_answers(client: SharedAgent) -> None:
    facts = faulty(client, "unmasked")
    left = [case for case in facts.cases if case.padding == "left"]
    assert left and all((case.from_alone or 0.0) > 1e-2 for case in left)
    assert "image" not in names(facts, "logits")


@pytest.mark.slow
def test_a_mask_that_is_not_causal_is_named(client: SharedAgent) -> None:
    facts = faulty(client, "non_causal")
    # While decoding, one token at a time, a mask has nothing to hide.
    assert causes(facts, "text", "image", path="forward") == {"not causal"}
    assert names(facts, "positions") == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("windows_ignored", "windows ignored"),
        ("frames_together", ""),
        ("patches_turned", ""),
    ],
)
def test_a_tower_that_sees_something_else_is_seen(
    client: SharedAgent, fault: str, cause: str
) -> None:
    facts = faulty(client, fault)
    assert {run.cause for run in facts.vision} == {cause}
    assert all((run.error or 0.0) > 1e-2 for run in facts.vision if run.name != "image")
    assert causes(facts, "two images") == {"vision"}


def judged(facts: BehaviourFacts, model: str = "Qwen2.5-VL-7B") -> Judgement:
    named = resolve(model)
    assert named is not None
    return forward_differs_from_reference.judge(facts, named, WorkloadFacts())


@pytest.mark.slow
def test_key_heads_in_another_order_are_seen_with_eager_only(client: SharedAgent) -> None:
    facts = faulty(client, "grouped")
    assert not any(case.logits() for case in facts.cases)
    assert {row.cause for case in facts.eager if (row := case.logits())} == {
        "key heads taken in turn"
    }
    found = judged(facts)
    assert found.outcome is Outcome.FAIL and "with eager" in found.cause
    window = sliding_window_mask_wrong.judge(
        facts,
        resolve("Qwen2.5-VL-7B"),
        WorkloadFacts(),
        TargetFacts(python="p", chosen_because="x"),
    )
    assert window.outcome is Outcome.INCONCLUSIVE, "no window explains it"


@pytest.mark.slow
def test_visual_tokens_in_another_order_are_named(client: SharedAgent) -> None:
    model = "Qwen3-VL-8B"
    facts = behaviour(client, model, entry="planted.behaviour:deepstack")
    assert causes(facts, "image", "two images") == {"visual tokens of deepstack in reverse"}
    assert judged(facts, model).outcome is Outcome.FAIL
    facts = faulty(client, "exchanged")
    assert causes(facts, "two images") == {"visual tokens of the images in reverse"}
    assert not causes(facts, "image")


@pytest.mark.slow
def test_the_cure_computes_the_model(client: SharedAgent) -> None:
    """Causal, padded, grouped heads, cached, in pieces, in beams and with a window on and off."""
    facts = faulty(client, "cured")
    assert names(facts, "logits") == names(facts, "positions") == set()
    assert not [case for case in facts.eager if case.differences]
    runs = [case for case in (*facts.cases, *facts.windows) if case.name not in UPSTREAM]
    assert len(runs) > 25 and not [case for case in runs if case.reason]
    assert max(case.error or 1.0 for case in runs if case.error != 0.0) < 1e-4
    assert all((case.from_alone or 0.0) < 1e-4 for case in runs if case.padding)


@pytest.mark.slow
def test_the_cure_without_its_mask_is_not_causal(client: SharedAgent) -> None:
    facts = faulty(client, "half_cured")
    assert causes(facts, "text", "image", path="forward") == {"not causal"}


@pytest.mark.slow
def test_positions_that_are_rounded_in_bfloat16_are_seen(client: SharedAgent) -> None:
    facts = faulty(client, "coarse")
    assert names(facts, "logits") == set(), "float32 holds every position"
    assert facts.rotary_error is not None and facts.rotary_error > 0.1
    found = judged(facts)
    assert found.outcome is Outcome.FAIL and "rotary" in found.cause


def test_an_unknown_family_is_said_to_be_unknown(client: SharedAgent) -> None:
    record = client.run(BEHAVIOUR.entry, {"model": {"model_type": "other"}}, 30.0)
    assert "not of a family" in record.data["reason"]


def test_a_rope_that_the_reference_does_not_know_is_said(client: SharedAgent) -> None:
    model = msgspec.to_builtins(resolve("Qwen2.5-VL-7B"))
    model["tiny_config"]["rope_scaling"] = {"type": "yarn", "factor": 4.0}
    record = client.run(BEHAVIOUR.entry, {"model": model}, 60.0)
    assert record.status is ProbeStatus.OK, record.reason
    assert "yarn" in record.data["reason"]
