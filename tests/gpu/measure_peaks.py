"""Measures peaks of full-size models on this machine's GPUs, for predictions to be held against.

    PYTHONPATH=doctor:checks python3 tests/gpu/measure_peaks.py OUTPUT.json [SET ...]

Random weights, nothing is downloaded; every configuration runs in a process of its own, so each
allocator begins empty. Configurations stand in peaks.toml beside this file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import tomllib

import qvl_checks
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus
from qvl_doctor.running.client import AgentClient

HERE = Path(__file__).parent
GIB = 2**30
BUDGET_S = 120
DEFAULTS: dict[str, Any] = {
    "images": [],
    "videos": [],
    "text_tokens": 50,
    "new_tokens": 2,
    "batch": 1,
    "dtype": "bfloat16",
    "attention": "sdpa",
    "mode": "generate",
    "device_map": None,
    "limit_bytes": None,
}


def configurations(names: list[str]) -> list[dict[str, Any]]:
    """The rows of these sets (all, where none is named), with every default spelled out."""
    sets = tomllib.loads((HERE / "peaks.toml").read_text())
    return [
        {"set": name, "model": row.pop("model"), "workload": {**DEFAULTS, **row}}
        for name in names or sets
        for row in sets[name]
    ]


class Cards:
    """Runs workloads in forks of an interpreter that has imported torch and transformers."""

    def __init__(self) -> None:
        roots = {
            "qvl_checks": str(Path(qvl_checks.__file__ or "").parent),
            "on_card": str(HERE / "on_card"),
        }
        self._agent = AgentClient(sys.executable, roots)
        for module in ("torch", "transformers"):
            state = self._agent.import_module(module, 300)
            if state.status is not ProbeStatus.OK:
                sys.exit(f"{module} cannot be imported: {state.reason}")

    def measure(self, model: str, workload: dict[str, Any]) -> dict[str, Any]:
        """One row of facts; ``status`` says whether it ran."""
        request = {"model": msgspec.to_builtins(resolve(model)), "workload": workload}
        record = self._agent.run("on_card.peak:run", request, BUDGET_S)
        if record.status is not ProbeStatus.OK:
            return {"status": "failed", "reason": record.reason, "output": record.output[-2000:]}
        return dict(record.data)

    def largest_square(self, row: dict[str, Any]) -> dict[str, Any]:
        """Bisect the side of a square image, in steps of one visual token, under a cap."""
        workload = dict(row["workload"])
        low, high = workload.pop("between")
        step = workload.pop("step")
        cap, count = workload.pop("cap_gib"), 0
        probe = self.measure(row["model"], {**workload, "images": [[step * 4, step * 4]]})
        limit = int(cap * GIB) - probe["context_bytes"][0]
        workload["limit_bytes"] = limit
        fits, fails = low // step, high // step
        while fails - fits > 1:
            side = (fits + fails) // 2
            facts = self.measure(row["model"], {**workload, "images": [[side * step] * 2]})
            count += 1
            if facts["status"] == "ran":
                fits = side
            elif facts["status"] == "out_of_memory":
                fails = side
            else:
                return facts
        found = {"largest_side_px": fits * step, "first_failing_px": fails * step, "runs": count}
        return {**probe, **found, "status": "boundary", "limit_bytes": limit, "cap_gib": cap}


def main() -> None:
    """Measure the named sets and write all rows, after each one, to the output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("sets", nargs="*", metavar="SET")
    wishes = parser.parse_args()
    cards = Cards()
    rows: list[dict[str, Any]] = []
    for row in configurations(wishes.sets):
        began = time.monotonic()
        boundary = "cap_gib" in row["workload"]
        facts = (
            cards.largest_square(row) if boundary else cards.measure(row["model"], row["workload"])
        )
        rows.append({**row, "measured": facts})
        peak = facts.get("peak_allocated_bytes") or [0]
        print(
            f"{row['set']} {row['model']} {row['workload']['attention']} {facts['status']} "
            f"{max(peak) / GIB:.3f} GiB {facts.get('largest_side_px', '')} "
            f"{facts.get('reason', '')} {time.monotonic() - began:.1f} s",
            flush=True,
        )
        wishes.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
