"""The deep table of attention implementations on this machine's first GPU, as JSON.

    PYTHONPATH=doctor:checks python3 tests/gpu/attention_table.py FILE

writes the facts and the judgement to FILE and prints one line per implementation, tower and dtype.
It needs torch and transformers with a CUDA device, msgspec and packaging; flash-attn is measured
where it is installed. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

import qvl_checks
from qvl_checks.attention.inaccurate_implementation import inaccurate_implementation
from qvl_checks.attention.numerics_facts import NumericsFacts
from qvl_checks.attention.numerics_verdict import summaries
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus, WorkloadFacts
from qvl_doctor.judgement import Judgement
from qvl_doctor.running.client import AgentClient

ENTRY = "qvl_checks.attention.numerics_probe:run"
BUDGET_S = 300


def table(model_name: str, level: str) -> NumericsFacts:
    """The probe, run as a check runs it: where flash-attn is installed, transformers asks for CUDA
    while it is imported, and without an agent's environment no child could open it any more."""
    model = resolve(model_name)
    assert model is not None, model_name
    roots = {"qvl_checks": str(Path(qvl_checks.__file__ or "").parent)}
    request = {"level": level, "model": msgspec.to_builtins(model), "workload": {}}
    agent = AgentClient(sys.executable, roots)
    try:
        for name in model.heavy_imports:
            agent.import_module(name.partition(":")[0], 300)
        record = agent.run(ENTRY, request, BUDGET_S)
    finally:
        agent.close()
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    return msgspec.convert(record.data, NumericsFacts)


def judged(facts: NumericsFacts) -> Judgement:
    """The rule on these facts."""
    return inaccurate_implementation.judge(numerics=facts, workload=WorkloadFacts())


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", default="Qwen2.5-VL-7B")
    parser.add_argument("--level", default="deep", choices=["standard", "deep"])
    options = parser.parse_args()
    began = time.monotonic()
    facts = table(options.model, options.level)
    seconds = time.monotonic() - began
    judgement = judged(facts)
    saved: dict[str, Any] = {"seconds": seconds, "facts": facts, "judgement": judgement}
    options.file.write_bytes(msgspec.json.encode(saved, enc_hook=str))
    print(f"{facts.device_name or facts.device}, torch {facts.torch}: {seconds:.1f} s")
    for line in summaries(facts):
        error = "not finite" if line.largest_error is None else f"{line.largest_error:.4f}"
        worse = "" if line.as_good else f"  worse from offset {line.first_offset:g}"
        print(
            f"{line.implementation:20} {line.tower:7} {line.dtype:9} {line.inputs:3} inputs  "
            f"largest error {error}  {line.times} x float32 logits{worse}"
        )
    for title, rows in (
        ("does not run", {**facts.missing, **facts.unusable}),
        ("ended", facts.ended),
        ("cut short", facts.cut_short),
        ("not checked", facts.not_checked),
    ):
        for name, why in rows.items():
            print(f"{title}: {name}: {why}")
    print(judgement.outcome.value, judgement.title, judgement.cause, sep="\n")


if __name__ == "__main__":
    main()
