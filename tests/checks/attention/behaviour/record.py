"""Record what a release of transformers does: ``python record.py PYTHON`` writes VERSION.json here.

PYTHON is an interpreter with torch and that transformers; it needs nothing of the doctor's.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import msgspec

import qvl_checks
from qvl_checks.attention.behaviour_facts import BEHAVIOUR
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus
from qvl_doctor.running.client import AgentClient

MODELS = ("Qwen2-VL-7B", "Qwen2.5-VL-7B", "Qwen3-VL-8B", "Qwen3.5-9B")
HERE = Path(__file__).parent


def record(python: str) -> Path:
    """Facts per model, without the time that they took; families that it lacks are left out."""
    roots = {"qvl_checks": str(Path(qvl_checks.__file__).parent)}
    client = AgentClient(python, roots, dict(os.environ))
    found = {}
    try:
        for module in ("torch", "transformers"):
            client.import_module(module, 120)
        for name in MODELS:
            request = {"model": msgspec.to_builtins(resolve(name)), "workload": {}}
            answer = client.run(BEHAVIOUR.entry, request, 300)
            if answer.status is ProbeStatus.OK:
                found[name] = {**answer.data, "seconds": 0.0}
    finally:
        client.close()
    release = next(iter(found.values()))["transformers"]
    path = HERE / f"{release}.json"
    lines = [f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in found.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    for interpreter in sys.argv[1:]:
        sys.stdout.write(f"{record(interpreter)}\n")
