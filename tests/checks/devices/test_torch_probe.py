"""What the installed torch says about itself."""

from __future__ import annotations

import msgspec
from tests.target import SharedAgent

from qvl_checks.devices.torch_facts import DEVICES_TORCH, TorchFacts
from qvl_doctor.facts import ProbeStatus


def test_build_and_devices_of_the_reference_torch(shared_agent: SharedAgent) -> None:
    imported = shared_agent.import_module("torch")
    record = shared_agent.run(DEVICES_TORCH.entry, {}, DEVICES_TORCH.budget_s)
    assert imported.status is ProbeStatus.OK, imported.reason
    assert record.status is ProbeStatus.OK, record.reason
    torch = msgspec.convert(record.data, TorchFacts)
    assert torch.version == imported.version
    assert torch.release is not None and torch.release >= (2, 0)
    assert torch.cxx11_abi is not None
    assert torch.numpy_bridge is True, torch.unread
    assert torch.device_count == len(torch.devices) or torch.cuda_error
    if not torch.cuda_built:
        assert torch.cuda is None and torch.devices == ()


def test_the_release_of_odd_versions() -> None:
    assert TorchFacts(version="2.13.0+cpu").release == (2, 13)
    assert TorchFacts(version="2.6.0a0+ecf3bae40a.nv25.1").release == (2, 6)
    assert TorchFacts(version="unknown").release is None
    assert TorchFacts().release is None
