"""Models spread over GPUs, and what must be chosen before they are."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import torch
from tests.target import SharedAgent

from qvl_checks.devices.legacy_chat_multi_gpu import legacy_chat_multi_gpu
from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.devices.peer_copy_fixes import DETOUR
from qvl_checks.devices.split_model import compare, placed
from qvl_checks.devices.split_model_differs import split_model_differs
from qvl_checks.devices.split_model_facts import SplitModelFacts
from qvl_checks.devices.tensor_parallel_plan_missing import tensor_parallel_plan_missing
from qvl_checks.devices.tensor_plan_facts import TENSOR_PLAN, TensorPlanFacts
from qvl_checks.devices.tensors_on_different_devices import tensors_on_different_devices
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_checks.devices.visible_devices_set_late import visible_devices_set_late
from qvl_checks.host.system_facts import HostFacts
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import (
    ImportsFacts,
    ImportState,
    ModelFacts,
    ProbeStatus,
    TargetFacts,
    WorkloadFacts,
)
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

TARGET = TargetFacts(python="/venv/bin/python", chosen_because="test", has_pip=True)
NONE = TorchFacts(version="2.13.0+cpu", cuda_built=False, device_count=0)


def named(name: str) -> ModelFacts:
    found = resolve(name)
    assert found is not None
    return found


def gpus(count: int, **fields: Any) -> TorchFacts:
    devices = tuple(
        TorchDevice(index=index, name="A card", uuid=f"u{index}") for index in range(count)
    )
    return TorchFacts(cuda_built=True, device_count=count, devices=devices, **fields)


def spread(name: str = "Qwen2.5-VL-7B") -> SplitModelFacts:
    data = compare(torch, named(name).tiny_config, ["cpu", "cpu"], "float32")
    return msgspec.convert({"status": "ok", "dtype": "float32", **data}, SplitModelFacts)


@pytest.mark.parametrize("name", ["Qwen2-VL-2B", "Qwen2.5-VL-7B", "Qwen3-VL-8B"])
def test_a_model_spread_by_accelerate_answers_the_same(name: str) -> None:
    split = spread(name)
    assert (split.equal, split.difference, split.error) == (True, 0.0, "")
    assert any(".layers.3" in module for module in split.placement)


def test_layers_go_round_and_everything_has_a_place() -> None:
    from qvl_checks.models.build import make_config, make_model

    model = make_model(make_config(named("Qwen2.5-VL-7B").tiny_config), dtype="float32")
    placement = placed(model, ["a", "b", "c"])
    layers = [place for name, place in placement.items() if ".layers." in name]
    assert layers == ["b", "c", "a", "b"]
    assert placement["model.visual"] == placement["lm_head"] == "a"
    homeless = [
        name
        for name, _ in model.named_parameters()
        if not any(name.startswith(part + ".") for part in placement)
    ]
    assert homeless == []


@pytest.fixture
def damaging(monkeypatch: pytest.MonkeyPatch) -> None:
    """accelerate's transfers lose the data, unless they go to the host first."""
    import accelerate.hooks as hooks
    from accelerate.utils.operations import recursively_apply

    direct = hooks.send_to_device
    from_host: set[int] = set()

    def lossy(tensors: Any, device: Any, *args: Any, **kwargs: Any) -> Any:
        arrived = direct(tensors, device, *args, **kwargs)
        if device == "cpu":  # the detour's first half; devices come as torch.device else
            from_host.add(id(arrived))
            return arrived
        if id(tensors) in from_host:
            return arrived
        return recursively_apply(
            lambda tensor: tensor * 0 if tensor.is_floating_point() else tensor, arrived
        )

    monkeypatch.setattr(hooks, "send_to_device", lossy)


@pytest.mark.usefixtures("damaging")
def test_damaged_transfers_are_caught_and_the_detour_tells_them_apart() -> None:
    split = spread()
    assert split.equal is False
    assert split.difference is None or split.difference > 0.05
    assert split.difference_through_host == 0.0
    judgement = differs(split)
    assert judgement.outcome is Outcome.FAIL
    assert "arrives damaged" in judgement.cause
    [detour] = [fix for fix in judgement.fixes if fix.code == DETOUR]
    assert detour.verified


def test_the_detour_that_is_offered_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import accelerate.hooks as hooks

    moved: list[str] = []

    def direct(tensors: Any, device: Any, *args: Any, **kwargs: Any) -> Any:
        moved.append(str(device))
        return tensors

    monkeypatch.setattr(hooks, "send_to_device", direct)
    exec(DETOUR, {})
    hooks.send_to_device(torch.ones(1), "cuda:1", skip_keys=None)
    assert moved == ["cpu", "cuda:1"]


# Rules


def differs(split: SplitModelFacts | None, seen: TorchFacts | None = None) -> Judgement:
    return split_model_differs.judge(
        torch=seen or gpus(2), split=split, model=named("Qwen2.5-VL-7B"), nvml=None, host=None
    )


def ran(**fields: Any) -> SplitModelFacts:
    usual: dict[str, Any] = {"status": "ok", "finite": True, "equal": True, "difference": 0.0}
    return SplitModelFacts(**{**usual, **fields})


SAME_DEVICE = "RuntimeError: Expected all tensors to be on the same device, but found cuda:0 and 1"


@pytest.mark.parametrize(
    ("split", "outcome"),
    [
        (ran(), Outcome.PASS),
        (ran(equal=False, difference=1e-3), Outcome.PASS),
        (ran(equal=False, difference=0.4, difference_through_host=0.4), Outcome.FAIL),
        (ran(equal=False, difference=None), Outcome.FAIL),
        (ran(status="timed_out"), Outcome.FAIL),
        (ran(finite=False), Outcome.INCONCLUSIVE),
        (ran(error=SAME_DEVICE), Outcome.BLOCKED),
        (ran(status="raised", reason="no room"), Outcome.INCONCLUSIVE),
        (SplitModelFacts(reason="accelerate is needed"), Outcome.BLOCKED),
        (None, Outcome.BLOCKED),
    ],
)
def test_a_spread_model_against_the_whole(split: SplitModelFacts | None, outcome: Outcome) -> None:
    assert differs(split).outcome is outcome


def test_no_detour_is_verified_where_it_did_not_help() -> None:
    judgement = differs(ran(equal=False, difference=0.4, difference_through_host=0.4))
    assert not any(fix.verified for fix in judgement.fixes)
    assert "one of the GPUs computes differently" in judgement.cause


def test_one_gpu_spreads_nothing() -> None:
    assert differs(None, gpus(1)).outcome is Outcome.NOT_APPLICABLE
    assert differs(None, NONE).outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("split", "world", "device_map", "outcome"),
    [
        (ran(), "", "auto", Outcome.PASS),
        (ran(), "1", "auto", Outcome.PASS),
        (ran(), "4", "auto", Outcome.FAIL),
        (ran(), "4", "cuda:0", Outcome.PASS),
        (ran(error=SAME_DEVICE), "", None, Outcome.FAIL),
        (ran(error="RuntimeError: something else"), "", None, Outcome.INCONCLUSIVE),
        (ran(status="timed_out"), "", None, Outcome.INCONCLUSIVE),
        (None, "", None, Outcome.BLOCKED),
    ],
)
def test_tensors_that_do_not_meet(
    split: SplitModelFacts | None, world: str, device_map: str | None, outcome: Outcome
) -> None:
    judgement = tensors_on_different_devices.judge(
        torch=gpus(2),
        workload=WorkloadFacts(device_map=device_map),
        target=TARGET,
        split=split,
        nvml=None,
        host=HostFacts(environment={"WORLD_SIZE": world} if world else {}),
    )
    assert judgement.outcome is outcome


@pytest.mark.parametrize(
    ("model_type", "config", "device_map", "count", "outcome"),
    [
        ("qwen", {"visual": {}}, "auto", 4, Outcome.FAIL),
        ("qwen", {"visual": {}}, "cuda", 4, Outcome.PASS),
        ("qwen", {"visual": {}}, None, 4, Outcome.PASS),
        ("qwen", {"visual": {}}, "auto", 1, Outcome.NOT_APPLICABLE),
        ("qwen", {}, "auto", 4, Outcome.NOT_APPLICABLE),  # the language model without eyes
        ("qwen2_5_vl", {"visual": {}}, "auto", 4, Outcome.NOT_APPLICABLE),
    ],
)
def test_the_first_generation_stays_on_one_gpu(
    model_type: str, config: dict[str, Any], device_map: str | None, count: int, outcome: Outcome
) -> None:
    judgement = legacy_chat_multi_gpu.judge(
        model=ModelFacts(name="m", source="folder", model_type=model_type, config=config),
        workload=WorkloadFacts(device_map=device_map),
        torch=gpus(count),
        nvml=None,
        host=None,
    )
    assert judgement.outcome is outcome


IMPORTS = ImportsFacts(modules={"torch": ImportState(status=ProbeStatus.OK)})


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (gpus(2, cuda_started_by_imports=False), Outcome.PASS),
        (gpus(2), Outcome.INCONCLUSIVE),
        (
            TorchFacts(
                cuda_built=True, cuda_started_by_imports=True, cuda_error="Cannot re-initialize"
            ),
            Outcome.FAIL,
        ),
        (NONE, Outcome.NOT_APPLICABLE),
    ],
)
def test_imports_that_start_cuda(seen: TorchFacts, outcome: Outcome) -> None:
    nvml = NvmlFacts(available=True, devices=(Gpu(index=5, uuid="GPU-u0"),))
    judgement = visible_devices_set_late.judge(
        torch=seen,
        imports=IMPORTS,
        nvml=nvml if seen.devices else None,
        host=HostFacts(environment={"CUDA_VISIBLE_DEVICES": "5"}),
    )
    assert judgement.outcome is outcome
    if outcome is Outcome.PASS:
        assert judgement.evidence["GPUs"]["cuda:0"]["number in nvidia-smi"] == 5
        assert judgement.evidence["CUDA_VISIBLE_DEVICES"] == "5"


def plan_of(name: str, client: SharedAgent) -> TensorPlanFacts:
    model = named(name)
    request = {"model": msgspec.to_builtins(model)}
    record = client.run(TENSOR_PLAN.entry, request, TENSOR_PLAN.budget_s)
    assert record.status is ProbeStatus.OK, record.reason
    return msgspec.convert(record.data, TensorPlanFacts)


@pytest.mark.parametrize(("name", "has"), [("Qwen2.5-VL-7B", True), ("Qwen3-VL-8B", False)])
def test_the_plan_of_the_installed_classes(name: str, has: bool, shared_agent: SharedAgent) -> None:
    plan = plan_of(name, shared_agent)
    assert bool(plan.text_rules) is has, plan.reason
    judgement = wished(plan, "2", name)
    assert judgement.outcome is (Outcome.PASS if has else Outcome.FAIL)
    assert plan.transformers in judgement.title


def wished(plan: TensorPlanFacts | None, world: str, name: str = "Qwen3-VL-8B") -> Judgement:
    return tensor_parallel_plan_missing.judge(
        model=named(name),
        torch=gpus(2),
        plan=plan,
        host=HostFacts(environment={"WORLD_SIZE": world} if world else {}),
    )


def test_a_plan_that_the_release_cannot_run() -> None:
    plan = TensorPlanFacts(transformers="4.53.3", text_rules=7, obstacle="the parts do not meet")
    judgement = wished(plan, "2")
    assert judgement.outcome is Outcome.FAIL
    assert "The parts do not meet." in judgement.cause
    assert "does not work" in wished(plan, "").title


def test_without_the_wish_nothing_is_missing() -> None:
    plan = TensorPlanFacts(transformers="5.23.0", text_rules=0)
    judgement = wished(plan, "")
    assert judgement.outcome is Outcome.NOT_APPLICABLE
    assert "no plan for Qwen3-VL-8B" in judgement.title
    assert wished(None, "1").outcome is Outcome.NOT_APPLICABLE
    assert wished(None, "2").outcome is Outcome.BLOCKED
    assert wished(TensorPlanFacts(reason="KeyError: x"), "2").outcome is Outcome.BLOCKED
