"""Real checkpoints with planted key biases: predicted, run and cured, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

import qvl_checks
from qvl_checks.attention.checkpoint_run_facts import CHECKPOINT_RUN, CheckpointRunFacts, PromptRun
from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.key_bias_facts import KEY_BIAS, KeyBiasFacts, LayerPrediction
from qvl_checks.checkpoint.loading_facts import LoadingFacts
from qvl_checks.checkpoint.weights_not_loaded import weights_not_loaded
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus, WorkloadFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.running.client import AgentClient

pytestmark = pytest.mark.slow

TARGET = os.environ.get("QVL_TEST_TARGET", sys.executable)
QVL_CHECKS = Path(qvl_checks.__file__).parent
SCRIPT = Path(__file__).with_name("planted_checkpoint.py")
LAYERS = 4
LAST = LAYERS - 1
BUDGET_S = 280.0


def plant(folder: Path, norms: dict[int, float], model: str = "Qwen2.5-VL-7B", **more: Any) -> Path:
    """Save a checkpoint whose layers have key biases of these norms."""
    named = resolve(model)
    assert named is not None
    spec = {
        "checks": str(QVL_CHECKS.parent),
        "config": named.tiny_config,
        "folder": str(folder),
        "layers": LAYERS,
        "norms": norms,
        **more,
    }
    subprocess.run([TARGET, str(SCRIPT)], input=json.dumps(spec), text=True, check=True)
    return folder


@pytest.fixture(scope="module")
def client() -> Iterator[AgentClient]:
    agent = AgentClient(TARGET, {"qvl_checks": str(QVL_CHECKS)})
    for name in ("torch", "transformers"):
        state = agent.import_module(name, 120.0)
        assert state.status is ProbeStatus.OK, state.reason
    yield agent
    agent.close()


def facts_of(
    client: AgentClient, folder: Path, **workload: Any
) -> tuple[KeyBiasFacts, CheckpointRunFacts]:
    request = {
        "level": "deep",
        "model": msgspec.to_builtins(resolve(str(folder))),
        "workload": msgspec.to_builtins(WorkloadFacts(**workload)),
        "inputs": {},
    }
    found = []
    for probe in (KEY_BIAS, CHECKPOINT_RUN):
        record = client.run(probe.entry, request, BUDGET_S)
        assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
        found.append(msgspec.convert(record.data, probe.facts))
    return found[0], found[1]  # type: ignore[return-value]


def only_prompt(run: CheckpointRunFacts) -> PromptRun:
    assert run.status == "ran", run.reason
    assert run.weights == "checkpoint"
    [prompt] = run.prompts
    assert prompt.name == "built-in"
    assert prompt.missing == {}
    return prompt


def top1(prompt: PromptRun, name: str) -> float:
    near = prompt.implementations[name].from_float32
    assert near is not None and near.top1 is not None
    return near.top1


def predicted(biases: KeyBiasFacts) -> dict[int, LayerPrediction]:
    return {layer.layer: layer for layer in biases.of("text")}


@pytest.mark.parametrize("norm", [0.0, 100.0, 600.0, 2000.0])
def test_what_is_predicted_is_measured_and_cured(
    client: AgentClient, tmp_path: Path, norm: float
) -> None:
    folder = plant(tmp_path / "model", {0: norm, LAST: norm})
    biases, run = facts_of(client, folder, attention="eager")
    prompt = only_prompt(run)
    foreseen = predicted(biases)
    planted = [0, LAST] if norm else []
    for layer in prompt.layers:
        expected = foreseen[layer.layer]
        assert layer.offset is not None and expected.offset is not None
        error = layer.local["eager"]
        assert error is not None and expected.error_bfloat16 is not None
        if layer.layer in planted:
            assert layer.offset == pytest.approx(expected.offset, rel=0.05)
            assert expected.error_bfloat16 > 0.05 and error > 0.05
            # Values that resemble each other hide a part of the error from the output.
            assert expected.error_bfloat16 / 8 < error < expected.error_bfloat16 * 2
        else:
            assert expected.error_bfloat16 < 0.05 and error < 0.03
        assert (layer.local["sdpa"] or 1) < 0.02
    floor = top1(prompt, "sdpa")
    assert floor > 0.9
    assert top1(prompt, CURE) == pytest.approx(floor, abs=0.03)
    if norm >= 600:
        assert top1(prompt, "eager") < 0.7
        assert (prompt.layers[0].overflowing or 0) > 0.5
    elif norm == 0:
        assert top1(prompt, "eager") == pytest.approx(floor, abs=0.04)
    else:
        assert top1(prompt, "eager") < floor - 0.02


def test_offsets_that_turn_with_the_distance_are_predicted(
    client: AgentClient, tmp_path: Path
) -> None:
    norms = {0: 100.0, 1: 22.0, LAST: 300.0}
    for direction in ("fast", "all"):
        folder = plant(tmp_path / direction, norms, direction=direction)
        biases, run = facts_of(client, folder, attention="eager")
        foreseen = predicted(biases)
        for layer in only_prompt(run).layers:
            if layer.layer not in norms:
                continue
            expected = foreseen[layer.layer]
            # Chance decides which of several similar peaks a head's rows lie at.
            assert layer.offset == pytest.approx(expected.offset, rel=0.25), direction
            broken = (expected.error_bfloat16 or 0) >= 0.05
            assert broken == ((layer.local["eager"] or 0) >= 0.05), (direction, layer)


def test_the_first_layer_with_a_value_that_is_not_finite_is_named(
    client: AgentClient, tmp_path: Path
) -> None:
    folder = plant(tmp_path / "model", {1: 2000.0})
    biases, run = facts_of(client, folder, attention="eager", dtype="float16")
    assert predicted(biases)[1].error_float16 is None
    assert all(predicted(biases)[layer].error_float16 is not None for layer in (0, 2, 3))
    prompt = only_prompt(run)
    eager = prompt.implementations["eager"]
    assert eager.first_nonfinite is not None
    assert (eager.first_nonfinite.layer, eager.first_nonfinite.place) == (1, "attention")
    assert eager.next_token == 0
    assert prompt.implementations[CURE].first_nonfinite is None
    assert prompt.implementations[CURE].nonfinite_logits == 0
    assert top1(prompt, CURE) > 0.9


def test_normalised_keys_are_immune(client: AgentClient, tmp_path: Path) -> None:
    folder = plant(tmp_path / "model", {}, model="Qwen3-VL-8B")
    biases, run = facts_of(client, folder, attention="eager")
    for layer in biases.of("text"):
        assert layer.bound == pytest.approx(128**0.5, rel=0.01)
        assert not layer.has_key_bias
    for measured in only_prompt(run).layers:
        assert abs(measured.high or 99) < 128**0.5
        assert (measured.local["eager"] or 1) < 0.03


def test_a_workload_of_one_s_own_is_run_as_well(client: AgentClient, tmp_path: Path) -> None:
    folder = plant(tmp_path / "model", {0: 600.0})
    _, run = facts_of(client, folder, images=((280, 140),), text_tokens=40)
    assert run.selected == "sdpa"
    assert [prompt.name for prompt in run.prompts] == ["built-in", "workload"]
    assert run.prompts[1].tokens == 40 + 2 + 10 * 5
    assert (run.prompts[1].layers[0].local["eager"] or 0) > 0.1
    _, long = facts_of(client, folder, text_tokens=3000)
    assert "too long on a processor" in long.prompts[1].reason


def test_the_prompt_goes_through_the_checkpoint_s_own_tokenizer(
    client: AgentClient, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    script = Path(__file__).parents[2] / "zoo" / "tiny_checkpoint.py"
    subprocess.run([TARGET, str(script), "qwen2_5_vl", str(folder)], check=True)
    _, run = facts_of(client, folder)
    [prompt] = run.prompts
    # A processor needs torchvision in some releases; without it there is still the tokenizer.
    assert prompt.source in ("processor", "tokenizer")
    assert bool(prompt.source_reason) == (prompt.source != "processor")
    assert prompt.tokens > 500
    assert prompt.missing == {}


def test_a_prompt_of_one_s_own_is_run_as_well(client: AgentClient, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    script = Path(__file__).parents[2] / "zoo" / "tiny_checkpoint.py"
    subprocess.run([TARGET, str(script), "qwen2_5_vl", str(folder)], check=True)
    text = tmp_path / "question.txt"
    text.write_text("Which towns does the table name? " * 4, encoding="utf-8")
    _, run = facts_of(client, folder, prompt_file=str(text), attention="eager")
    own = run.prompts[-1]
    assert (own.name, own.reason, own.missing) == ("own", "", {})
    assert 20 < own.tokens < run.prompts[0].tokens
    near = own.implementations["eager"].from_fp32_logits
    assert near is not None and near.top1 is not None and near.kl is not None
    text.write_text("<|im_start|>user\nHello<|im_end|>\n", encoding="utf-8")
    _, run = facts_of(client, folder, prompt_file=str(text))
    assert run.prompts[-1].tokens < own.tokens, "a whole conversation is taken as it stands"


def test_a_prompt_that_cannot_be_made_says_why(client: AgentClient, tmp_path: Path) -> None:
    folder = plant(tmp_path / "model", {})
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    _, run = facts_of(client, folder, picture_files=(str(broken),))
    assert "a picture cannot be read" in run.prompts[-1].reason
    missing = str(tmp_path / "gone.txt")
    _, run = facts_of(client, folder, prompt_file=missing)
    assert run.prompts[-1].reason == "the prompt cannot be read: FileNotFoundError"
    (tmp_path / "text.txt").write_text("Hello", encoding="utf-8")
    _, run = facts_of(client, folder, prompt_file=str(tmp_path / "text.txt"))
    assert "tokenizer" in run.prompts[-1].reason
    assert run.prompts[0].source == "noise"


EXCHANGE = '''
from qvl_checks.attention import checkpoint_run_probe, named_model

def run(request):
    """The probe, with a loader that exchanges two blocks of the vision tower."""
    original = named_model.place.load

    def load(*arguments):
        model = original(*arguments)
        tower = next(module for module in model.modules() if hasattr(module, "patch_embed"))
        tower.blocks[0], tower.blocks[1] = tower.blocks[1], tower.blocks[0]
        return model

    named_model.place.load = load
    try:
        return checkpoint_run_probe.run(request)
    finally:
        named_model.place.load = original
'''


def test_tensors_that_a_loader_puts_elsewhere_are_noticed(
    shared_agent: SharedAgent, client: AgentClient, tmp_path: Path
) -> None:
    folder = plant(tmp_path / "model", {})
    _, sound = facts_of(client, folder)
    assert sound.loaded.compared > 60 and sound.loaded.differing == 0
    shared_agent.plant("exchange", EXCHANGE)
    request = {
        "level": "deep",
        "model": msgspec.to_builtins(resolve(str(folder))),
        "workload": msgspec.to_builtins(WorkloadFacts()),
        "inputs": {},
    }
    record = shared_agent.run("planted.exchange:run", request, BUDGET_S)
    assert record.status is ProbeStatus.OK, record.output
    run = msgspec.convert(record.data, CheckpointRunFacts)
    assert run.loaded.differing > 4
    assert all("visual.blocks" in name for name in run.loaded.examples)
    named = resolve(str(folder))
    assert named is not None
    found = weights_not_loaded.judge(LoadingFacts(), named, run)
    assert found.outcome is Outcome.FAIL and "other values than the files" in found.title
    assert weights_not_loaded.judge(LoadingFacts(), named, sound).outcome is Outcome.PASS


def test_without_a_folder_random_weights_are_run(client: AgentClient) -> None:
    named = resolve("Qwen2.5-VL-7B")
    assert named is not None
    small = msgspec.structs.replace(named, config=named.tiny_config)
    request = {
        "level": "deep",
        "model": msgspec.to_builtins(small),
        "workload": msgspec.to_builtins(WorkloadFacts(attention="vision=eager,text=sdpa")),
        "inputs": {},
    }
    record = client.run(CHECKPOINT_RUN.entry, request, BUDGET_S)
    run = msgspec.convert(record.data, CheckpointRunFacts)
    assert (run.status, run.weights, run.selected) == ("ran", "random", "sdpa"), run.reason
    [prompt] = run.prompts
    assert prompt.source == "noise"
    assert all((layer.local["eager"] or 1) < 0.03 for layer in prompt.layers)


def test_what_cannot_be_run_says_why(client: AgentClient, tmp_path: Path) -> None:
    request = {
        "level": "deep",
        "model": msgspec.to_builtins(resolve("Qwen2.5-VL-7B")),
        "workload": msgspec.to_builtins(WorkloadFacts()),
        "inputs": {},
    }
    record = client.run(CHECKPOINT_RUN.entry, request, BUDGET_S)
    facts = msgspec.convert(record.data, CheckpointRunFacts)
    if facts.device.startswith("cuda"):
        pytest.skip("a GPU can run it")
    assert facts.status == "not_run"
    assert "8.3 billion weights are too many" in facts.reason
    folder = plant(tmp_path / "model", {})
    request["model"] = msgspec.to_builtins(resolve(str(folder)))
    request["workload"] = msgspec.to_builtins(WorkloadFacts(attention="no_such_attention"))
    facts = msgspec.convert(
        client.run(CHECKPOINT_RUN.entry, request, BUDGET_S).data, CheckpointRunFacts
    )
    assert facts.status == "not_run"
    assert "no_such_attention" in facts.reason


def test_all_in_one_report(tmp_path: Path) -> None:
    folder = plant(tmp_path / "model", {0: 600.0, LAST: 2000.0}, shard="20MB")
    output = tmp_path / "report"
    argv = [sys.executable, "-m", "qvl_doctor", "check", "--python", TARGET, "--model", str(folder)]
    argv += ["--attn", "eager", "--level", "deep", "--only", "attention.eager-precision-drift"]
    argv += ["--only", "attention.fp16-overflow", "--output", str(output)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    [path] = output.rglob("report.json")
    report = json.loads(path.read_text())
    [finding] = [f for f in report["findings"] if f["id"] == "attention.eager-precision-drift"]
    assert (finding["outcome"], finding["confidence"]) == ("fail", "measured")
    assert "it starts in layer 0" in finding["title"]
    evidence = finding["evidence"]
    assert evidence["prediction"]["breaks_in_bfloat16"] == [0, LAST]
    assert evidence["prediction"]["overflows_in_float16"] == [0, LAST]
    prompt = evidence["built-in prompt"]
    assert prompt["layers_that_drift"]["eager"] == [0, LAST]
    assert prompt["layers_that_drift"]["sdpa"] == []
    assert all(fix["verified"] for fix in finding["fixes"])
    assert any(CURE in (fix.get("code") or "") for fix in finding["fixes"])
    titles = [chart["title"] for chart in finding["charts"]]
    assert any("each layer's attention" in title for title in titles)
    [overflow] = [f for f in report["findings"] if f["id"] == "attention.fp16-overflow"]
    assert overflow["outcome"] == "not_applicable"
    assert f"layers 0 and {LAST}" in overflow["title"]
