"""The table of implementations, measured for real, also with kernels that are wrong on purpose."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.inaccurate_implementation import inaccurate_implementation
from qvl_checks.attention.numerics_facts import NUMERICS, NumericsFacts
from qvl_checks.attention.numerics_verdict import as_good, summaries
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus, WorkloadFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

FLASH = '''
import os, signal, time
import torch
from torch.nn.functional import scaled_dot_product_attention as attention

__version__ = "2.8.3"
KIND = os.environ["KIND"]
if KIND == "does not import":
    raise ImportError("undefined symbol: _ZN3c104cuda")


def spoil(output):
    """output: (..., tokens, heads, width)"""
    if KIND == "wrong":
        return output * 1.05
    if KIND == "one tile":
        output = output.clone()
        output[..., -3:, 0, :] *= 0.5
        return output
    if KIND == "nan":
        output = output.clone()
        output[..., 0, 0, 0] = float("nan")
        return output
    if KIND == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if KIND == "hang":
        time.sleep(600)
    return output


def flash_attn_func(q, k, v, softmax_scale=None, causal=False):
    rows = (tensor.transpose(1, 2) for tensor in (q, k, v))
    return spoil(
        attention(*rows, scale=softmax_scale, is_causal=causal, enable_gqa=True).transpose(1, 2)
    )


def flash_attn_varlen_func(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, softmax_scale=None, **others
):
    bounds = [0, q.shape[0]] if KIND == "blind to windows" else cu_seqlens_q.tolist()
    parts = [
        flash_attn_func(*(t[None, a:b] for t in (q, k, v)), softmax_scale=softmax_scale)[0]
        for a, b in zip(bounds, bounds[1:])
    ]
    return torch.cat(parts)
'''
FAULTS = """
import os, signal, sys
from pathlib import Path

from qvl_checks.attention import attention_functions, numerics_probe

SMALL = {"FEW_OFFSETS": (0.0, 64.0), "FEW_LENGTH": {"cpu": 128, "cuda:0": 128}}


def small(request):
    for name, value in SMALL.items():
        setattr(numerics_probe, name, value)
    return numerics_probe.run(request)


def planted(request):
    '''With a flash-attn of the kind that the request names.'''
    os.environ["KIND"] = request["kind"]
    sys.path.insert(0, str(Path(__file__).parent / "kernels_packages"))
    if request["kind"] == "hang":
        numerics_probe.SECONDS = {"standard": (20.0, 20.0)}
    return small(request)


def killed(request):
    '''With one backend of torch that ends the process.'''
    original = attention_functions._sdpa_with

    def deadly(backend):
        call = original(backend)
        if backend != "MATH":
            return call
        return lambda *tensors, **keywords: os.kill(os.getpid(), signal.SIGABRT)

    attention_functions._sdpa_with = deadly
    return small(request)
"""


def request(model: str = "Qwen2.5-VL-7B", level: str = "standard") -> dict[str, Any]:
    return {
        "level": level,
        "model": msgspec.to_builtins(resolve(model)),
        "workload": msgspec.to_builtins(WorkloadFacts()),
        "inputs": {},
    }


def measured(
    client: SharedAgent, model: str = "Qwen2.5-VL-7B", entry: str = "", **more: Any
) -> NumericsFacts:
    asked = {**request(model), **more}
    record = client.run(entry or NUMERICS.entry, asked, NUMERICS.budget_s)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    return msgspec.convert(record.data, NumericsFacts)


def judged(facts: NumericsFacts) -> Judgement:
    return inaccurate_implementation.judge(numerics=facts, workload=WorkloadFacts())


@pytest.fixture(scope="module")
def client(shared_agent: SharedAgent) -> SharedAgent:
    """With kernels of all kinds."""
    flash = shared_agent.plant("kernels", FAULTS) / "kernels_packages" / "flash_attn"
    flash.mkdir(parents=True, exist_ok=True)
    (flash / "__init__.py").write_text(FLASH)
    return shared_agent


@pytest.fixture(scope="module")
def table(client: SharedAgent) -> NumericsFacts:
    """The table of Qwen2.5-VL."""
    return measured(client)


def with_kernel(client: SharedAgent, kind: str) -> NumericsFacts:
    """A small table in an environment with a flash-attn of that kind."""
    return measured(client, entry="planted.kernels:planted", kind=kind)


def test_what_each_implementation_is_known_for(table: NumericsFacts) -> None:
    facts = table
    assert judged(facts).outcome is Outcome.PASS
    for line in summaries(facts):
        assert line.as_good is (line.implementation != "eager"), line
    eager = {
        given.offset: row.error
        for given, row in facts.of("eager")
        if (given.tower, given.dtype, given.content) == ("text", "bfloat16", False)
    }
    # 0.29 units in the last place, softened where a token sees few keys.
    assert eager[64.0] == pytest.approx(0.29 * 0.5, rel=0.4)
    assert (eager[1024.0] or 0) > 0.7
    # It is the reference's own arithmetic, done by other code.
    assert all((row.from_float32_logits or 0) < 1e-3 for _, row in facts.of(CURE))
    assert set(facts.not_checked) >= {"flash_attention_3", "flash_attention_4"}


def test_rounding_of_the_logits_and_of_the_keys_are_told_apart(table: NumericsFacts) -> None:
    facts = table
    [content] = [
        (index, given)
        for index, given in enumerate(facts.inputs)
        if given.content and given.dtype == "bfloat16"
    ]
    index, given = content
    assert (given.storing_error or 0) > 0.2
    rows = {row.implementation: row for row in facts.rows if row.input == index}
    # Storing the keys costs everybody the same; only eager adds to it.
    assert rows["sdpa"].from_unrounded == pytest.approx(given.storing_error, rel=0.05)
    assert (rows["sdpa"].error or 9) < 0.003 and as_good(given, rows["sdpa"])
    assert (rows["eager"].error or 0) > 0.7 and not as_good(given, rows["eager"])


def test_the_towers_have_the_shapes_of_the_model(client: SharedAgent, table: NumericsFacts) -> None:
    def shapes(facts: NumericsFacts) -> set[tuple[str, int, str]]:
        return {(given.tower, given.width, given.layout) for given in facts.inputs}

    text = ("text", 128, "full")
    assert shapes(table) == {text, ("vision", 80, "full"), ("vision", 80, "windowed")}
    other = measured(client, "Qwen3-VL-8B", "planted.kernels:small")
    assert shapes(other) == {text, ("vision", 72, "full"), ("vision", 72, "windowed")}


@pytest.mark.slow
def test_the_same_machine_gives_the_same_table(client: SharedAgent) -> None:
    entry = "planted.kernels:small"
    assert measured(client, entry=entry) == measured(client, entry=entry)


@pytest.mark.slow
def test_a_member_of_torch_that_dies_is_found_by_name(client: SharedAgent) -> None:
    facts = measured(client, entry="planted.kernels:killed")
    assert set(facts.ended) == {"sdpa:math"}
    assert "SIGABRT" in facts.ended["sdpa:math"].reason
    assert facts.of("sdpa") and facts.of("eager")
    assert judged(facts).outcome is Outcome.FAIL


def test_a_sound_kernel_passes(client: SharedAgent) -> None:
    facts = with_kernel(client, "sound")
    assert facts.origins["flash_attention_2"] == "flash_attn 2.8.3"
    judgement = judged(facts)
    assert judgement.outcome is Outcome.PASS
    assert "flash_attention_2" in judgement.title


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrong", "flash_attention_2 has an error of 0.05"),
        ("one tile", "flash_attention_2"),
        ("nan", "not finite"),
        ("blind to windows", "windowed"),
        ("crash", "flash_attention_2 ends its process"),
        ("hang", "flash_attention_2 does not come back"),
    ],
)
def test_a_wrong_kernel_is_caught_and_named(client: SharedAgent, kind: str, words: str) -> None:
    facts = with_kernel(client, kind)
    judgement = judged(facts)
    assert judgement.outcome is Outcome.FAIL
    assert words in judgement.title
    assert facts.of("sdpa"), "one that dies does not cost the others"
    assert any('"sdpa"' in (fix.code or "") for fix in judgement.fixes)


def test_a_kernel_that_does_not_import_is_named(client: SharedAgent) -> None:
    facts = with_kernel(client, "does not import")
    assert "undefined symbol" in facts.unusable["flash_attention_2"]
    judgement = judged(facts)
    assert judgement.outcome is Outcome.PASS
    assert "Installed, but not measured: flash_attention_2 (" in judgement.cause
