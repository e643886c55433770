"""One rank of a tensor-parallel run: what it holds, against real ranks, and when there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.memory.trace.tensor_parallel import part, style_of
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus

ENTRY = "qvl_checks.memory.trace.predict_probe:run"
TESTS = Path(__file__).parents[3]
MEASURED = json.loads((TESTS / "benchmarks/measured_tensor_parallel.json").read_text())["rows"]
H200_BYTES = 150_754_820_096
GIB = 2**30
PAIR = [{"capacity_bytes": 80 * GIB}] * 2
COPIED = ("images", "text_tokens", "new_tokens", "batch", "dtype", "attention", "mode")


@pytest.mark.parametrize(
    ("shape", "style", "ranks", "expected"),
    [
        ((2048, 1536), "colwise", 2, (1024, 1536)),
        ((2048,), "colwise", 2, (1024,)),
        ((1536, 2048), "rowwise", 4, (1536, 512)),
        ((1536,), "rowwise", 2, (1536,)),
        ((128, 1536, 2048), "packed_colwise", 2, (128, 768, 2048)),
        ((128, 2048, 768), "rowwise", 2, (128, 2048, 384)),
        ((151_936, 1024), "embedding_rowwise", 2, (75_968, 1024)),
        ((101, 8), "colwise", 2, (51, 8)),
        ((101, 8), "colwise_gather_output", 2, None),
        ((6, 8), "packed_colwise", 2, None),
        ((128,), "replicated_with_grad_allreduce", 2, (128,)),
    ],
)
def test_the_part_of_a_weight(
    shape: tuple[int, ...], style: str, ranks: int, expected: tuple[int, ...] | None
) -> None:
    assert part(shape, style, ranks) == expected


def test_a_rule_is_for_every_layer() -> None:
    plan = {"model.layers.*.mlp.up_proj": "colwise", "lm_head": "colwise_rep"}
    assert style_of("model.layers.17.mlp.up_proj", plan) == "colwise"
    assert style_of("model.visual.blocks.3.mlp.up_proj", plan) is None
    assert style_of("model.layers.17.mlp.up_proj2", plan) is None


@pytest.fixture(scope="session")
def target(shared_agent: SharedAgent) -> SharedAgent:
    return shared_agent


def predict(
    target: SharedAgent, model: str, layers: int | None = None, **workload: Any
) -> dict[str, Any]:
    stated = {
        "images": [],
        "text_tokens": 50,
        "new_tokens": 2,
        "batch": 1,
        "attention": "sdpa",
        "dtype": "bfloat16",
        "device_map": "tensor-parallel",
        "gpus": PAIR,
        **workload,
    }
    facts = msgspec.to_builtins(resolve(model))
    if layers is not None:
        text = facts["config"]["text_config"]
        text["num_hidden_layers"] = layers
        if text.get("layer_types"):
            text["layer_types"] = text["layer_types"][:layers]
    record = target.run(ENTRY, {"model": facts, "workload": stated}, 120)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    answer: dict[str, Any] = record.data
    return answer


@pytest.mark.slow
@pytest.mark.parametrize(
    "row", MEASURED, ids=lambda row: f"{row['model']}-{row['attention']}-{row['mode']}"
)
def test_every_rank_as_measured(target: SharedAgent, row: dict[str, Any]) -> None:
    """Weights and the room for them to the byte, allocated to 0.2 %, reserved to 1 %."""
    if target.import_module("transformers", 120).version != row["transformers"]:
        pytest.skip(f"measured with transformers {row['transformers']}")
    gpus = [{"capacity_bytes": H200_BYTES, "context_bytes": one} for one in row["context_bytes"]]
    stated = {name: row[name] for name in COPIED}
    facts = predict(target, row["model"], row["layers"], gpus=gpus, resize=False, **stated)
    assert facts["status"] == "predicted", facts["reason"]
    for index, card in enumerate(facts["devices"]):
        for name in ("weights_bytes", "weights_reserved_bytes"):
            assert card[name] == row[name][index]
        peak, reserved = row["peak_allocated_bytes"][index], row["peak_reserved_bytes"][index]
        assert card["peak_allocated_bytes"] == pytest.approx(peak, rel=0.002)
        assert card["peak_reserved_bytes"] == pytest.approx(reserved, rel=0.01)
        assert card["context_bytes"] == pytest.approx(row["context_after_bytes"][index], rel=0.06)


@pytest.mark.slow
def test_few_layers_tell_as_much_as_all(target: SharedAgent) -> None:
    stated = {"images": [(308, 448)], "new_tokens": 5, "batch": 2}
    for model in ("Qwen2.5-VL-3B", "Qwen3.5-0.8B"):
        reduced = predict(target, model, **stated)
        full = predict(target, model, depth="full", **stated)
        assert reduced["devices"] == full["devices"]


@pytest.mark.slow
def test_what_is_split_and_what_is_not(target: SharedAgent) -> None:
    """The language model's layers in two, the vision tower whole; the KV cache by heads."""
    stated = {"text_tokens": 3000}
    alone = predict(target, "Qwen2.5-VL-7B", device_map=None, **stated)["devices"][0]
    both = predict(target, "Qwen2.5-VL-7B", **stated)
    first, second = both["devices"]
    assert (first["device"], second["device"]) == ("cuda:0", "cuda:1")
    assert {**first, "device": ""} == {**second, "device": ""}
    layer = 3584 * 3584 * 2 + 2 * 3584 * 512 + 3 * 3584 * 18_944 + 3584 + 2 * 512
    split = 28 * layer * 2 // 2
    embeddings = 2 * 152_064 * 3584 * 2 // 2
    saved = alone["weights_bytes"] - first["weights_bytes"]
    assert saved == pytest.approx(split, rel=0.002) or saved == pytest.approx(
        split + embeddings, rel=0.002
    )
    kept = [one["terms"]["kv_cache_bytes"] for one in (alone, first)]
    assert kept[0] == 2 * kept[1]
    assert both["placement"] == {} and "2 processes" in both["note"]


@pytest.mark.slow
def test_what_cannot_be_split_is_said_in_a_sentence(target: SharedAgent) -> None:
    for model, stated, words in (
        ("Qwen3-VL-2B", {}, "devices.tensor-parallel-plan-missing"),
        ("Qwen2-VL-2B", {"gpus": [{"capacity_bytes": 80 * GIB}] * 4}, "num_key_value_heads"),
        ("Qwen2-VL-2B", {"gpus": [{"capacity_bytes": 80 * GIB}]}, "at least two GPUs"),
    ):
        facts = predict(target, model, **stated)
        assert facts["status"] == "unsupported"
        assert words in facts["reason"]
