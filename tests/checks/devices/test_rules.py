"""Device rules: when they fire, when they do not, and when the question stays open."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.devices.architectures import serves
from qvl_checks.devices.bf16_unsupported import bf16_unsupported
from qvl_checks.devices.cpu_only_torch import cpu_only_torch
from qvl_checks.devices.cuda_drivers import index_for, minimum_for
from qvl_checks.devices.driver_too_old import driver_too_old
from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.kernel_speed_facts import KernelRatio, KernelSpeedFacts
from qvl_checks.devices.no_kernel_for_gpu import no_kernel_for_gpu
from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.facts import TargetFacts, WorkloadFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

TARGET = TargetFacts(python="/venv/bin/python", chosen_because="test", has_pip=True)
NO_DRIVER = NvmlFacts(available=False, reason="NVML Shared Library Not Found")
EMPTY_DRIVER = NvmlFacts(available=True, driver_version="570.10", device_count=0)
CPU = TorchFacts(version="2.13.0+cpu", cuda_built=False, device_count=0)
CARD_ON_BUS = HostFacts(nvidia_devices_on_bus=1)


def driver(version: str = "580.65.06") -> NvmlFacts:
    return NvmlFacts(
        available=True,
        driver_version=version,
        device_count=1,
        devices=(Gpu(index=0, name="A card", capability=(8, 0)),),
    )


def cuda(
    device: TorchDevice | None = None, *, error: str | None = None, built_for: str = "12.8"
) -> TorchFacts:
    return TorchFacts(
        version="2.8.0+cu128",
        cuda=built_for,
        cuda_built=True,
        arch_list=("sm_80", "sm_90", "compute_90"),
        device_count=1,
        devices=(device,) if device else (),
        cuda_error=error,
    )


def card(**fields: Any) -> TorchDevice:
    known: dict[str, Any] = {
        "index": 0,
        "name": "A card",
        "capability": (8, 0),
        "kernel_works": True,
        "bf16_native": True,
    }
    return TorchDevice(**{**known, **fields})


NO_IMAGE = {"kernel_works": "RuntimeError: CUDA error: no kernel image is available"}


@pytest.mark.parametrize(
    ("torch", "nvml", "workload", "host", "outcome"),
    [
        (CPU, NO_DRIVER, WorkloadFacts(), None, Outcome.NOT_APPLICABLE),
        (CPU, EMPTY_DRIVER, WorkloadFacts(), HostFacts(), Outcome.NOT_APPLICABLE),
        (CPU, NO_DRIVER, WorkloadFacts(), CARD_ON_BUS, Outcome.BLOCKED),
        (CPU, driver(), WorkloadFacts(), None, Outcome.FAIL),
        (CPU, NO_DRIVER, WorkloadFacts(attention="flash_attention_2"), None, Outcome.FAIL),
        (CPU, NO_DRIVER, WorkloadFacts(device_map="cuda"), None, Outcome.FAIL),
        (CPU, NO_DRIVER, WorkloadFacts(cap_bytes=1 << 30), None, Outcome.FAIL),
        (CPU, NO_DRIVER, WorkloadFacts(device_map="auto"), None, Outcome.NOT_APPLICABLE),
        (cuda(), NO_DRIVER, WorkloadFacts(), None, Outcome.PASS),
    ],
)
def test_cpu_only_torch(
    torch: TorchFacts,
    nvml: NvmlFacts,
    workload: WorkloadFacts,
    host: HostFacts | None,
    outcome: Outcome,
) -> None:
    judgement = cpu_only_torch.judge(
        torch=torch, nvml=nvml, workload=workload, target=TARGET, host=host
    )
    assert judgement.outcome is outcome
    if nvml.devices:
        assert judgement.fixes[0].command[-1].endswith("/whl/cu130")


@pytest.mark.parametrize(
    ("torch", "nvml", "outcome"),
    [
        (CPU, driver(), Outcome.NOT_APPLICABLE),
        (cuda(card()), driver("470.57"), Outcome.PASS),  # a compatibility package helps
        (cuda(), driver("535.104.05"), Outcome.PASS),
        (cuda(), driver("470.57.02"), Outcome.FAIL),
        (cuda(built_for="13.0"), driver("570.133.20"), Outcome.FAIL),
        (cuda(built_for="13.0"), driver("580.65.06"), Outcome.PASS),
        (cuda(built_for="14.1"), driver("580.65.06"), Outcome.INCONCLUSIVE),
        (cuda(), NO_DRIVER, Outcome.NOT_APPLICABLE),
        (
            cuda(error="RuntimeError: The NVIDIA driver on your system is too old (found 11040)"),
            NO_DRIVER,
            Outcome.FAIL,
        ),
    ],
)
def test_driver_too_old(torch: TorchFacts, nvml: NvmlFacts, outcome: Outcome) -> None:
    judgement = driver_too_old.judge(torch=torch, nvml=nvml, target=TARGET, host=None)
    assert judgement.outcome is outcome
    if outcome is Outcome.FAIL:
        assert judgement.fixes[-1].kind == "advice"


def test_the_index_fits_the_driver() -> None:
    assert minimum_for("12.8") == (525, 60, 13)
    assert minimum_for("unknown") is None
    assert index_for("570.133.20") == "https://download.pytorch.org/whl/cu126"
    assert index_for("390.1") is None and index_for(None) is None


@pytest.mark.parametrize(
    ("device", "outcome"),
    [
        (card(), Outcome.PASS),
        (card(kernel_works=None, unread=NO_IMAGE), Outcome.FAIL),
        (card(kernel_works=None, capability=(7, 0), unread={"kernel_works": "x"}), Outcome.FAIL),
        (card(kernel_works=True, capability=(12, 0)), Outcome.PASS),  # through PTX
        (card(kernel_works=None, unread={"kernel_works": "out of memory"}), Outcome.INCONCLUSIVE),
        (card(kernel_works=False), Outcome.INCONCLUSIVE),
    ],
)
def test_no_kernel_for_gpu(device: TorchDevice, outcome: Outcome) -> None:
    judgement = no_kernel_for_gpu.judge(torch=cuda(device), target=TARGET, nvml=driver(), host=None)
    assert judgement.outcome is outcome


@pytest.mark.parametrize(
    ("native", "dtype", "outcome"),
    [
        (True, "bfloat16", Outcome.PASS),
        (False, "bfloat16", Outcome.FAIL),
        (False, "float16", Outcome.NOT_APPLICABLE),
    ],
)
def test_bf16_unsupported(native: bool, dtype: str, outcome: Outcome) -> None:
    judgement = bf16_unsupported.judge(
        torch=cuda(card(bf16_native=native)),
        workload=WorkloadFacts(dtype=dtype),
        nvml=driver(),
        host=None,
        speed=None,
    )
    assert judgement.outcome is outcome


@pytest.mark.parametrize(
    ("native", "slower", "outcome"),
    [
        (True, 1.0, Outcome.PASS),
        (True, 8.0, Outcome.FAIL),  # emulated, whatever the capability says
        (False, 9.0, Outcome.FAIL),
    ],
)
def test_bf16_as_it_was_timed(native: bool, slower: float, outcome: Outcome) -> None:
    row = KernelRatio(
        name="bfloat16", gpu=0, seconds=slower * 1e-3, alternative_seconds=1e-3, shape="64x64"
    )
    judgement = bf16_unsupported.judge(
        torch=cuda(card(bf16_native=native)),
        workload=WorkloadFacts(),
        nvml=driver(),
        host=None,
        speed=KernelSpeedFacts(ratios=(row,)),
    )
    assert judgement.outcome is outcome
    assert judgement.evidence["cuda:0"]["times as long as float16"] == slower
    if outcome is Outcome.FAIL:
        assert f"{slower:.1f} times as long" in judgement.cause


@pytest.mark.parametrize(
    ("torch", "nvml", "host", "outcome"),
    [
        (CPU, NO_DRIVER, None, Outcome.NOT_APPLICABLE),
        (CPU, NO_DRIVER, CARD_ON_BUS, Outcome.BLOCKED),
        (CPU, driver(), None, Outcome.BLOCKED),
        (cuda(), driver(), None, Outcome.BLOCKED),
        (cuda(error="CUDA unknown error"), driver(), None, Outcome.BLOCKED),
        (cuda(), NO_DRIVER, None, Outcome.NOT_APPLICABLE),
    ],
)
def test_a_card_that_cannot_be_used_is_never_an_absent_one(
    torch: TorchFacts, nvml: NvmlFacts, host: HostFacts | None, outcome: Outcome
) -> None:
    judgements: list[Judgement] = [
        no_kernel_for_gpu.judge(torch=torch, target=TARGET, nvml=nvml, host=host),
        bf16_unsupported.judge(
            torch=torch, workload=WorkloadFacts(), nvml=nvml, host=host, speed=None
        ),
    ]
    assert [judgement.outcome for judgement in judgements] == [outcome, outcome]


@pytest.mark.parametrize(
    ("names", "capability", "expected"),
    [
        (["sm_80"], (8, 6), True),
        (["sm_86"], (8, 0), False),
        (["sm_80"], (9, 0), False),
        (["compute_80"], (12, 0), True),
        (["compute_90"], (8, 6), False),
        (["sm_90a"], (9, 0), True),
        (["sm_90a", "compute_90a"], (10, 0), False),
        (["sm_100"], (10, 3), True),
        (["sm_120"], (12, 1), True),
        (["sm_100f"], (10, 3), True),
        (["gfx942"], (9, 0), False),
        ([], (8, 0), False),
    ],
)
def test_which_architectures_serve_a_card(
    names: list[str], capability: tuple[int, int], expected: bool
) -> None:
    assert serves(names, capability) is expected


@pytest.mark.parametrize(
    ("host", "outcome"),
    [
        (HostFacts(nvidia_devices_on_bus=0), Outcome.NOT_APPLICABLE),
        (CARD_ON_BUS, Outcome.BLOCKED),
        (HostFacts(), Outcome.BLOCKED),
        (None, Outcome.BLOCKED),
    ],
)
def test_a_build_for_cuda_on_a_machine_without_a_card(
    host: HostFacts | None, outcome: Outcome
) -> None:
    """Only a bus that was read and holds no card tells an absent card from a broken driver."""
    torch = cuda(error="RuntimeError: Found no NVIDIA driver on your system.")
    judgement = without_torch_device(torch, NO_DRIVER, host)
    assert judgement is not None and judgement.outcome is outcome
