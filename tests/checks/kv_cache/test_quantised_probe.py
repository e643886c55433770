"""Quantised caches, run for real and simulated, in the target of the tests."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.kv_cache.quantised_facts import QUANTISED, QuantisedFacts
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus, WorkloadFacts

PLANTED = """
import os, sys, types
from pathlib import Path

from qvl_checks.kv_cache import backends, fake_quantisation, quantised_probe


def rounding(request):
    \"\"\"The rounding alone, on given numbers.\"\"\"
    import torch

    tensor = torch.tensor(request["values"])[None, None]
    out = fake_quantisation.rounded(tensor, request["bits"], request["grouping"])
    return {"values": out[0, 0].tolist()}


def unpacking(request):
    import torch

    packed = torch.tensor(request["packed"], dtype=torch.uint8)
    return {"values": backends.unpacked(packed, request["bits"]).tolist()}


def restored(request):
    \"\"\"Whether a simulation leaves the class as it was.\"\"\"
    from transformers.cache_utils import DynamicCache

    before = DynamicCache.update
    with fake_quantisation.simulated(4, fake_quantisation.TOKEN):
        during = DynamicCache.update
    return {"changed": during is not before, "restored": DynamicCache.update is before}


def building(request):
    \"\"\"A backend that would compile something when it is imported.\"\"\"
    import torch
    import transformers.models.qwen2_5_vl.modeling_qwen2_5_vl  # asks for the package itself

    builder = types.ModuleType("torch.utils.cpp_extension")
    builder.load = builder.load_inline = lambda *arguments: None
    sys.modules[builder.__name__] = builder
    torch.utils.cpp_extension = builder
    folder = Path(__file__).parent / "quantising_packages"
    sys.path.insert(0, str(folder))
    return quantised_probe.run(request)
"""
HQQ = """
from torch.utils import cpp_extension

cpp_extension.load("x", [])
"""


@pytest.fixture(scope="module")
def client(shared_agent: SharedAgent) -> SharedAgent:
    """With faults of quantised caches."""
    hqq = shared_agent.plant("quantising", PLANTED) / "quantising_packages" / "hqq"
    hqq.mkdir(parents=True, exist_ok=True)
    (hqq / "__init__.py").write_text(HQQ)
    return shared_agent


def request(model: str) -> dict[str, Any]:
    return {
        "level": "standard",
        "model": msgspec.to_builtins(resolve(model)),
        "workload": msgspec.to_builtins(WorkloadFacts()),
    }


def measured(client: SharedAgent, model: str, entry: str = QUANTISED.entry) -> QuantisedFacts:
    record = client.run(entry, request(model), QUANTISED.budget_s)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    return msgspec.convert(record.data, QuantisedFacts)


def call(client: SharedAgent, name: str, **asked: Any) -> dict[str, Any]:
    record = client.run(f"planted.quantising:{name}", asked, 60.0)
    assert record.status is ProbeStatus.OK, record.reason
    data: dict[str, Any] = record.data
    return data


def test_outliers_in_the_keys_are_what_destroys_it(client: SharedAgent) -> None:
    facts = measured(client, "Qwen2.5-VL-7B", "planted.quantising:building")
    assert facts.has_key_bias and facts.exact_bytes_per_token == 8192
    four = facts.of(4)
    assert four is not None and 605 < four.key_bias_norm < 921
    plain = facts.without_bias(four)
    assert plain is not None
    assert (four.error or 0) > 3 * (plain.error or 9)
    apart = {row.key_bias_norm: row.error for row in facts.rows if row.grouping == "per channel"}
    assert apart[four.key_bias_norm] == pytest.approx(apart[0.0], rel=0.2)
    eight = facts.of(8)
    assert eight is not None
    eight_plain = facts.without_bias(eight)
    assert eight_plain is not None and (eight_plain.error or 9) < 0.02
    # The planted package would have compiled something on import.
    assert "compile" in facts.not_checked["hqq"]


def test_families_with_normalised_keys_have_nothing_to_plant(client: SharedAgent) -> None:
    facts = measured(client, "Qwen3-VL-8B")
    assert not facts.has_key_bias
    assert {row.key_bias_norm for row in facts.rows} == {0.0}
    assert facts.rows


def test_a_giant_takes_the_scale_of_its_group(client: SharedAgent) -> None:
    values = [[400.0] + [0.5] * 63 + [1.0] * 32 + [-1.0] * 32]
    by_token = call(client, "rounding", values=values, bits=4, grouping="per token")["values"]
    assert by_token[0][:2] == pytest.approx([400.0, 0.5], abs=1e-4)
    spoilt = [[400.0, *(0.25 * number for number in range(-32, 31))]]
    rounded = call(client, "rounding", values=spoilt, bits=4, grouping="per token")["values"][0]
    assert rounded[0] == pytest.approx(400.0)
    assert len({round(number, 3) for number in rounded[1:]}) == 2  # of 63 different ones
    kept = call(client, "rounding", values=spoilt * 2, bits=4, grouping="per channel")["values"]
    assert kept == [pytest.approx(spoilt[0])] * 2


def test_groups_that_are_not_full_are_rounded_too(client: SharedAgent) -> None:
    values = [[float(number) for number in range(70)]]
    rounded = call(client, "rounding", values=values, bits=2, grouping="per token")["values"][0]
    assert len(rounded) == 70
    assert sorted(set(rounded[:64])) == [0.0, 21.0, 42.0, 63.0]
    assert rounded[64] == 64.0 and rounded[69] == 69.0


def test_the_small_integers_of_a_byte_come_lowest_first(client: SharedAgent) -> None:
    assert call(client, "unpacking", packed=[0xE4, 0x21], bits=4)["values"] == [4, 1, 14, 2]
    two = call(client, "unpacking", packed=[0b11100100], bits=2)["values"]
    assert two == [0, 1, 2, 3]


def test_a_simulation_leaves_the_class_as_it_was(client: SharedAgent) -> None:
    assert call(client, "restored") == {"changed": True, "restored": True}


def test_an_unknown_family_is_said_to_be_unknown(client: SharedAgent) -> None:
    record = client.run(QUANTISED.entry, {"model": {"model_type": "other"}}, 30.0)
    assert "not of a family" in record.data["reason"]
