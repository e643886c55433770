"""Predicted against measured peaks, beside the two estimates that people use.

    python tests/benchmarks/memory_prediction.py [--python PATH] [--cards N] [--rows OUTPUT.json]

Rows of measured_h200.json whose transformers is the interpreter's are predicted by tracing there.
``estimate-memory`` is accelerate's number for inference (the weights alone); ``x 1.2`` the rule of
thumb that adds a fifth to them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

import qvl_checks
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus
from qvl_doctor.running.client import AgentClient

MEASURED = json.loads(Path(__file__).with_name("measured_h200.json").read_text())
ENTRY = "qvl_checks.memory.trace.predict_probe:run"
GIB = 2**30
H200_BYTES = 150_754_820_096
"""What torch reports as total; cards of the measurements."""


def predict(agent: AgentClient, row: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """The prediction for a row, and the seconds that it took."""
    names = ("images", "text_tokens", "new_tokens", "batch", "dtype", "attention", "mode")
    workload: dict[str, Any] = {name: row[name] for name in (*names, "device_map")}
    workload["videos"] = row.get("videos", [])
    context = row["context_bytes"]
    workload["gpus"] = [
        {"capacity_bytes": H200_BYTES, "context_bytes": one, "others_bytes": 0} for one in context
    ]
    workload |= {"capability": [9, 0], "loading": "one_by_one", "resize": False}
    request = {"model": msgspec.to_builtins(resolve(row["model"])), "workload": workload}
    began = time.monotonic()
    record = agent.run(ENTRY, request, 300)
    if record.status is not ProbeStatus.OK:
        return {"devices": [], "reason": f"{record.reason} {record.output[-1500:]}"}, 0.0
    return dict(record.data), time.monotonic() - began


def errors(row: dict[str, Any], devices: list[dict[str, Any]]) -> dict[str, float]:
    """Relative errors of the worst card: allocated, reserved, and of the two estimates."""
    measured, reserved = row["peak_allocated_bytes"], row["peak_reserved_bytes"]
    weights = sum(row["weights_bytes"])
    by_name = {one["device"]: one for one in devices}
    pairs = [
        (by_name[f"cuda:{index}"], index)
        for index in range(len(measured))
        if f"cuda:{index}" in by_name and measured[index] > 2**20
    ]
    return {
        "allocated": max(
            (one["peak_allocated_bytes"] / measured[i] - 1 for one, i in pairs), key=abs
        ),
        "reserved": max(
            (one["peak_reserved_bytes"] / reserved[i] - 1 for one, i in pairs), key=abs
        ),
        "estimate-memory": weights / sum(measured) - 1,
        "x 1.2": 1.2 * weights / sum(measured) - 1,
    }


def main() -> None:
    """Print a line per row and the worst and the median of each column."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--cards", type=int, help="only rows measured on so many cards")
    wishes = parser.parse_args()
    agent = AgentClient(wishes.python, {"qvl_checks": str(Path(qvl_checks.__file__ or "").parent)})
    for module in ("torch", "transformers", "torch._dynamo"):
        state = agent.import_module(module, 300)
        if state.status is not ProbeStatus.OK:
            sys.exit(f"{module}: {state.reason}")
        if module == "transformers":
            release = state.version
    table, found = [], []
    for row in MEASURED["rows"]:
        cards = len(row["peak_allocated_bytes"])
        if row["transformers"] != release or wishes.cards not in (None, cards):
            continue
        answer, seconds = predict(agent, row)
        seen = [*row["images"][:2], *row.get("videos", [])]
        what = f"{row['model']} {row['attention']} {row['dtype']} {seen}"
        if not answer["devices"]:
            print(f"{what}: not predicted: {answer['reason']}", flush=True)
            continue
        one = errors(row, answer["devices"])
        table.append(one)
        found.append({"row": row, "devices": answer["devices"], "errors": one})
        numbers = "  ".join(f"{name} {100 * error:+.3f} %" for name, error in one.items())
        print(f"{numbers}  {seconds:.1f} s  {what} {row['device_map'] or ''}", flush=True)
    for name in table[0] if table else ():
        column = [abs(one[name]) for one in table]
        print(
            f"{name}: worst {100 * max(column):.2f} %, median {100 * statistics.median(column):.3f}"
            f" %, {len(column)} rows, transformers {release}"
        )
    if wishes.rows:
        for one in found:
            for device in one["devices"]:
                device.pop("history", None)
        wishes.rows.write_text(json.dumps(found, indent=1))
    agent.close()


if __name__ == "__main__":
    main()
