"""What the trace takes for one rank, against two real ones on the CPU (gloo)."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import TARGET, SharedAgent

from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[4]
FLOAT = 4
"""Bytes of an element; the real ranks run in float32."""
SPLIT = """
    def run(request):
        import torch

        from qvl_checks.memory.trace import hollow, tensor_parallel
        from qvl_checks.memory.trace.replacements import Replacements
        from qvl_checks.models.build import make_config

        with Replacements() as replaced:
            model = hollow.build(torch, make_config(request), "float32", None, replaced)
        tensor_parallel.split(torch, model, 2)
        return {name: list(one.shape) for name, one in model.named_parameters()}
"""


@pytest.fixture(scope="module", params=["dense", "hybrid"])
def row(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One row of the measuring script, run with a small model."""
    if sys.executable != TARGET:
        pytest.skip("the measuring script needs the doctor's packages beside torch")
    output = tmp_path_factory.mktemp("ranks") / "rows.json"
    script = str(ROOT / "tests/gpu/tensor_parallel.py")
    done = subprocess.run(
        [TARGET, script, str(output), request.param, "--tiny", "--most", "1"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}/doctor:{ROOT}/checks"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    [found] = json.loads(output.read_text())
    assert found["measured"]["status"] == "ran", found["measured"]
    return found


def test_every_part_has_the_shape_that_a_real_rank_holds(
    row: dict[str, Any], shared_agent: SharedAgent
) -> None:
    shared_agent.plant("split", SPLIT)
    model = resolve(row["model"])
    assert model is not None
    record = shared_agent.run("planted.split:run", dict(model.tiny_config), 120)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    assert record.data == row["measured"]["local_shapes"]


def test_the_cache_of_a_rank(row: dict[str, Any], shared_agent: SharedAgent) -> None:
    workload = {
        **row["workload"],
        "new_tokens": 1,
        "device_map": "tensor-parallel",
        "resize": False,
        "gpus": [{"capacity_bytes": 2**35}] * 2,
    }
    model = msgspec.to_builtins(resolve(row["model"]))
    request = {"model": {**model, "config": model["tiny_config"]}, "workload": workload}
    record = shared_agent.run("qvl_checks.memory.trace.predict_probe:run", request, 120)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    kept = sum(FLOAT * math.prod(shape) for shape in row["measured"]["cache_shapes"])
    assert record.data["devices"][0]["terms"]["kv_cache_bytes"] == kept


def test_the_answer_is_that_of_the_whole_model(row: dict[str, Any]) -> None:
    assert row["measured"]["logits_error"] < 1e-5
