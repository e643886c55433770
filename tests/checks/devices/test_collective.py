"""A sum over several processes: right, wrong, or never."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from qvl_checks.devices.collective_facts import CollectiveFacts, CollectiveRun
from qvl_checks.devices.nccl_peer_hang import SETTING, nccl_peer_hang
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

REQUEST = {"backend": "gloo", "sizes": [1, 1000], "within_s": 60}


def run_of(data: Any) -> CollectiveRun:
    return msgspec.convert(data, CollectiveRun)


def test_two_processes_add_up(on_cpu: Any) -> None:
    run = run_of(on_cpu("collective", **REQUEST))
    assert run.right, run.reason
    assert [size.bytes for size in run.sizes] == [4, 4000]
    assert all(size.seconds for size in run.sizes)


def test_a_wrong_sum_is_seen(on_cpu: Any) -> None:
    run = run_of(on_cpu("wrong_collective", **REQUEST))
    assert run.status == "ok" and not run.right
    assert run.sizes[1].wrong_elements > 1000


def test_one_that_never_ends_is_ended(on_cpu: Any) -> None:
    started = time.monotonic()
    run = run_of(on_cpu("stuck_collective", **{**REQUEST, "within_s": 5}))
    assert run.status == "timed_out"
    assert time.monotonic() - started < 30


def test_a_backend_that_does_not_start_says_why(on_cpu: Any) -> None:
    run = run_of(on_cpu("collective", **{**REQUEST, "backend": "nonsense"}))
    assert run.status == "raised" and "nonsense" in run.reason


# The rule

GOOD = CollectiveRun(status="ok", seconds=5.0)
HUNG = CollectiveRun(status="timed_out", reason="it did not end within the time")
REFUSED = CollectiveRun(status="raised", reason="DistBackendError: no device")
WRONG = run_of({"status": "ok", "sizes": [{"bytes": 4, "wrong_elements": 2}]})


def judged(
    as_is: CollectiveRun | None, without: CollectiveRun | None = None, gpus: int = 2
) -> Judgement:
    devices = tuple(TorchDevice(index=index) for index in range(gpus))
    return nccl_peer_hang.judge(
        collective=CollectiveFacts(
            reason="" if as_is else "too little memory",
            gpus=gpus,
            nccl="2.27.3",
            as_is=as_is,
            without_peer_transfers=without,
        ),
        torch=TorchFacts(cuda_built=True, device_count=gpus, devices=devices),
        nvml=None,
        host=HostFacts(environment={"NCCL_DEBUG": "INFO", "CUDA_HOME": "/usr"}),
    )


@pytest.mark.parametrize(
    ("as_is", "without", "outcome", "words"),
    [
        (GOOD, None, Outcome.PASS, "in time and exactly"),
        (HUNG, GOOD, Outcome.FAIL, "hangs"),
        (HUNG, HUNG, Outcome.FAIL, "hangs"),
        (WRONG, GOOD, Outcome.FAIL, "wrong sums"),
        (REFUSED, GOOD, Outcome.FAIL, "fails"),
        (REFUSED, REFUSED, Outcome.INCONCLUSIVE, "no device"),
        (None, None, Outcome.BLOCKED, "too little memory"),
    ],
)
def test_how_it_ended(
    as_is: CollectiveRun | None, without: CollectiveRun | None, outcome: Outcome, words: str
) -> None:
    judgement = judged(as_is, without)
    assert judgement.outcome is outcome
    assert words in judgement.title


def test_the_setting_is_a_cure_only_where_it_cured() -> None:
    [setting, _] = judged(HUNG, GOOD).fixes
    assert (setting.setting, setting.verified) == (SETTING, True)
    assert all(fix.setting is None for fix in judged(HUNG, HUNG).fixes)


def test_only_its_own_settings_are_shown() -> None:
    assert judged(GOOD).evidence["environment"] == {"NCCL_DEBUG": "INFO"}


def test_one_gpu_has_nobody_to_talk_to() -> None:
    assert judged(None, gpus=1).outcome is Outcome.NOT_APPLICABLE
