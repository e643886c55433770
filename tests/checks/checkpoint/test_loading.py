"""What of a checkpoint reaches the model: tiny ones, loaded from their headers, some spoiled."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.checkpoint.blocks_untrained import blocks_untrained
from qvl_checks.checkpoint.loading_facts import LOADING, LoadingFacts, Names, Untrained
from qvl_checks.checkpoint.weights_not_loaded import weights_not_loaded
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ModelFacts, ProbeStatus
from qvl_doctor.findings import Outcome

BUILDER = Path(__file__).parents[2] / "zoo" / "tiny_checkpoint.py"
MODEL = ModelFacts(name="x", source="folder", model_type="qwen2_5_vl", family="Qwen2.5-VL")
Stored = dict[str, tuple[str, list[int], bytes]]


def read(path: Path) -> Stored:
    """Name -> (dtype, shape, data)."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    data = raw[8 + length :]
    return {
        name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
        for name, entry in header.items()
    }


def write(path: Path, tensors: Stored) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header).encode()
    body = b"".join(data for _, _, data in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2.5-VL as the hub lays it out, in two shards."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    command = [sys.executable, str(BUILDER), "qwen2_5_vl", str(folder)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    return folder


@pytest.fixture
def spoiled(original: Path, tmp_path: Path) -> Callable[[Callable[[Stored], Stored]], Path]:
    """The checkpoint in one file, its tensors changed."""

    def make(change: Callable[[Stored], Stored]) -> Path:
        folder = tmp_path / "spoiled"
        folder.mkdir()
        shutil.copy(original / "config.json", folder)
        tensors: Stored = {}
        for shard in sorted(original.glob("model-*.safetensors")):
            tensors |= read(shard)
        write(folder / "model.safetensors", change(tensors))
        return folder

    return make


def loading(shared_agent: SharedAgent, folder: Path, **config: Any) -> LoadingFacts:
    model = msgspec.to_builtins(resolve(str(folder)))
    model["config"] |= config
    record = shared_agent.run(LOADING.entry, {"model": model}, LOADING.budget_s)
    assert record.status is ProbeStatus.OK, record.reason
    return msgspec.convert(record.data, LoadingFacts)


def block(name: str, tensors: Stored) -> Stored:
    return {key: value for key, value in tensors.items() if f"{name}." in key}


def test_a_whole_checkpoint_is_loaded_and_trained(
    shared_agent: SharedAgent, original: Path
) -> None:
    before = sorted(path.name for path in original.iterdir())
    facts = loading(shared_agent, original)
    assert not facts.reason and not facts.loading_error
    assert facts.stored > 50
    assert facts.missing.count == facts.unexpected.count == facts.mismatched.count == 0
    assert weights_not_loaded.judge(facts, MODEL).outcome is Outcome.PASS
    assert sorted(path.name for path in original.iterdir()) == before


def test_a_model_that_was_never_trained_is_told_from_one_that_was(
    shared_agent: SharedAgent, original: Path
) -> None:
    """The builder saves random weights, and that is what is said of them."""
    facts = loading(shared_agent, original)
    assert len(facts.untrained.fresh) == facts.untrained.blocks > 4
    judgement = blocks_untrained.judge(facts, MODEL)
    assert judgement.outcome is Outcome.NOT_APPLICABLE
    assert "random weights" in judgement.title


def test_a_fresh_block_among_trained_ones(
    shared_agent: SharedAgent, spoiled: Callable[[Callable[[Stored], Stored]], Path]
) -> None:
    facts = loading(shared_agent, spoiled(lambda t: {**trained(t), **block("visual.blocks.0", t)}))
    (found,) = facts.untrained.fresh
    assert found.endswith("visual.blocks.0")
    judgement = blocks_untrained.judge(facts, MODEL)
    assert judgement.outcome is Outcome.FAIL
    assert "the vision tower" in judgement.title


def trained(tensors: Stored) -> Stored:
    """Norms and biases as training leaves them: anything but 1 and 0."""
    noise = bytes([0x10, 0x3E])  # 0.14 in bfloat16
    return {
        name: (dtype, shape, noise * (len(data) // 2) if len(shape) == 1 else data)
        for name, (dtype, shape, data) in tensors.items()
    }


def test_trained_weights_pass(
    shared_agent: SharedAgent, spoiled: Callable[[Callable[[Stored], Stored]], Path]
) -> None:
    facts = loading(shared_agent, spoiled(trained))
    assert blocks_untrained.judge(facts, MODEL).outcome is Outcome.PASS
    assert facts.untrained.fresh == ()


def test_an_absent_vision_block_stays_random(
    shared_agent: SharedAgent, spoiled: Callable[[Callable[[Stored], Stored]], Path]
) -> None:
    facts = loading(
        shared_agent, spoiled(lambda t: {k: v for k, v in t.items() if "visual.blocks.1." not in k})
    )
    assert facts.missing.count == facts.missing.vision == 12
    judgement = weights_not_loaded.judge(facts, MODEL)
    assert judgement.outcome is Outcome.FAIL
    assert "12 of them in the vision tower" in judgement.cause


def test_renamed_tensors_are_missing_and_unexpected(
    shared_agent: SharedAgent, spoiled: Callable[[Callable[[Stored], Stored]], Path]
) -> None:
    facts = loading(shared_agent, spoiled(lambda t: {f"wrapped.{k}": v for k, v in t.items()}))
    assert facts.missing.count > 50 and facts.unexpected.count == facts.stored
    judgement = weights_not_loaded.judge(facts, MODEL)
    assert judgement.outcome is Outcome.FAIL
    assert "other names" in judgement.fixes[0].summary


def test_a_tensor_of_another_shape_stays_random(
    shared_agent: SharedAgent, spoiled: Callable[[Callable[[Stored], Stored]], Path]
) -> None:
    def halve(tensors: Stored) -> Stored:
        name = next(name for name in tensors if name.endswith("blocks.0.attn.qkv.weight"))
        dtype, (rows, columns), data = tensors[name]
        return {**tensors, name: (dtype, [rows // 2, columns], data[: len(data) // 2])}

    facts = loading(shared_agent, spoiled(halve))
    assert facts.mismatched.count == 1
    assert weights_not_loaded.judge(facts, MODEL).outcome is Outcome.FAIL


def test_tensors_without_a_place_leave_the_model_whole(
    shared_agent: SharedAgent, spoiled: Callable[[Callable[[Stored], Stored]], Path]
) -> None:
    facts = loading(shared_agent, spoiled(lambda t: {**t, "extra.head": ("BF16", [2], b"\0" * 4)}))
    assert facts.unexpected.examples == ("extra.head",)
    judgement = weights_not_loaded.judge(facts, MODEL)
    assert judgement.outcome is Outcome.PASS
    assert "extra.head" in judgement.cause


def zeroed(tensors: Stored) -> Stored:
    return tensors | {
        name: (dtype, shape, b"\0" * len(data))
        for name, (dtype, shape, data) in block("visual.blocks.1", tensors).items()
    }


def copied(tensors: Stored) -> Stored:
    first = block("layers.0", tensors)
    return tensors | {
        name.replace("layers.0.", "layers.2."): value for name, value in first.items()
    }


def infinite(tensors: Stored) -> Stored:
    name = next(name for name in tensors if "layers.3." in name and name.endswith("k_proj.bias"))
    dtype, shape, data = tensors[name]
    return tensors | {name: (dtype, shape, b"\x80\x7f" + data[2:])}


@pytest.mark.parametrize(
    ("fault", "kind", "place"),
    [(zeroed, "zero", "visual.blocks.1"), (infinite, "not_finite", "layers.3")],
)
def test_blocks_that_no_training_leaves(
    shared_agent: SharedAgent,
    spoiled: Callable[[Callable[[Stored], Stored]], Path],
    fault: Callable[[Stored], Stored],
    kind: str,
    place: str,
) -> None:
    facts = loading(shared_agent, spoiled(lambda tensors: fault(trained(tensors))))
    (found,) = getattr(facts.untrained, kind)
    assert found.endswith(place)
    assert blocks_untrained.judge(facts, MODEL).outcome is Outcome.FAIL
    assert weights_not_loaded.judge(facts, MODEL).outcome is Outcome.PASS


def test_a_copied_layer_is_named_with_its_original(
    shared_agent: SharedAgent, spoiled: Callable[[Callable[[Stored], Stored]], Path]
) -> None:
    facts = loading(shared_agent, spoiled(lambda tensors: copied(trained(tensors))))
    (found,) = facts.untrained.twins
    copy, _, source = found.partition(" = ")
    assert {copy[-1], source[-1]} == {"0", "2"}
    assert blocks_untrained.judge(facts, MODEL).outcome is Outcome.FAIL


def test_quantised_damaged_and_absent_weights_are_not_compared(
    shared_agent: SharedAgent, original: Path, tmp_path: Path
) -> None:
    assert "quantised" in loading(shared_agent, original, quantization_config={"bits": 4}).reason
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(original / "config.json", bare)
    assert "no model weights" in loading(shared_agent, bare).reason
    (bare / "model.safetensors").write_bytes(b"\x10" + b"\0" * 40)
    facts = loading(shared_agent, bare)
    assert "damaged" in facts.reason
    assert weights_not_loaded.judge(facts, MODEL).outcome is Outcome.NOT_APPLICABLE
    assert blocks_untrained.judge(facts, MODEL).outcome is Outcome.NOT_APPLICABLE


def test_a_load_that_raises_and_weights_that_are_not_read() -> None:
    facts = LoadingFacts(
        loading_error="ImportError: accelerate", untrained=Untrained(blocks=4, unread="BF8")
    )
    assert weights_not_loaded.judge(facts, MODEL).outcome is Outcome.BLOCKED
    assert blocks_untrained.judge(facts, MODEL).outcome is Outcome.INCONCLUSIVE
    head = Names(count=1, examples=("lm_head.weight",), output_head=1)
    another_rules = weights_not_loaded.judge(LoadingFacts(missing=head), MODEL)
    assert another_rules.outcome is Outcome.NOT_APPLICABLE
    more = msgspec.structs.replace(head, count=2)
    assert weights_not_loaded.judge(LoadingFacts(missing=more), MODEL).outcome is Outcome.FAIL
