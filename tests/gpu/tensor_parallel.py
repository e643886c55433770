"""Measures tensor parallelism: one process per device, weights split by the model's own plan.

    PYTHONPATH=doctor:checks python3 tests/gpu/tensor_parallel.py OUTPUT.json [SET ...]

Runs on two GPUs (NCCL), without them on the CPU (gloo), where only shapes are recorded; ``--tiny``
takes a small model of the same architecture and small images. Checkpoints have random weights and
stand in a temporary folder, since only ``from_pretrained`` splits weights. Every configuration
runs in processes of its own, as under torchrun; rows go to the output after each of them, in the
format of measure_peaks.py, where a list has one value per rank. See tensor_parallel.toml.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import tomllib
from measure_peaks import DEFAULTS
from on_card import ranks

from qvl_checks.models.catalogue import resolve

HERE = Path(__file__).parent
GIB = 2**30
BUDGET_S = 90


def configurations(names: list[str]) -> list[dict[str, Any]]:
    """The rows of these sets (all, where none is named), with every default spelled out."""
    sets = tomllib.loads((HERE / "tensor_parallel.toml").read_text())
    return [
        {"set": name, "model": row.pop("model"), "workload": {**DEFAULTS, "layers": None, **row}}
        for name in names or sets
        for row in sets[name]
    ]


def small(workload: dict[str, Any]) -> dict[str, Any]:
    """The same kind of workload, for a CPU."""
    images = [[224, 168] for _ in workload["images"]]
    tokens = min(workload["text_tokens"], 60)
    return {**workload, "images": images, "text_tokens": tokens, "dtype": "float32"}


def in_processes(works: list[Callable[[], dict[str, Any]]], budget: float) -> list[dict[str, Any]]:
    """What each of them returns, run at the same time in forks that are killed after ``budget``
    seconds; one that ends without a result says so."""
    with tempfile.TemporaryDirectory() as folder:
        answers = [Path(folder, str(number)) for number in range(len(works))]
        children = [_forked(*pair) for pair in zip(works, answers, strict=True)]
        deadline = time.monotonic() + budget
        waiting = set(children)
        while waiting and time.monotonic() < deadline:
            for child in list(waiting):
                if os.waitpid(child, os.WNOHANG)[0]:
                    waiting.remove(child)
            time.sleep(0.05)
        for child in waiting:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        lost = {"status": "failed", "reason": f"no answer within {budget:.0f} s"}
        return [json.loads(one.read_text()) if one.exists() else dict(lost) for one in answers]


def _forked(work: Callable[[], dict[str, Any]], answer: Path) -> int:
    child = os.fork()
    if child:
        return child
    try:
        facts = work()
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        facts = {"status": "failed", "reason": reason, "output": traceback.format_exc()[-3000:]}
    draft = answer.with_suffix(".draft")
    draft.write_text(json.dumps(facts))
    draft.rename(answer)
    # A process group that has lost a member would wait at its ordinary end.
    os._exit(0)


class Runs:
    """Measures configurations; checkpoints are made once and removed with it."""

    def __init__(self, count: int, tiny: bool, folder: Path) -> None:
        self._count = count
        self._tiny = tiny
        self._folder = folder
        self._made: dict[str, dict[str, Any]] = {}

    def measure(self, model: str, workload: dict[str, Any]) -> dict[str, Any]:
        """The facts of one row; ``status`` says whether it ran."""
        name = f"{model}-{workload['layers']}-{workload['dtype']}"
        path = self._folder / name
        if name not in self._made:
            facts = msgspec.to_builtins(resolve(model))
            config = facts["tiny_config"] if self._tiny else facts["config"]
            # One at a time: the next one may need the room.
            for other in self._folder.iterdir():
                shutil.rmtree(other)
            request = {"config": config, "workload": workload, "path": str(path)}
            [self._made[name]] = in_processes([lambda: ranks.save(request)], BUDGET_S)
        if self._made[name]["status"] != "saved":
            return self._made[name]
        address = {
            "WORLD_SIZE": str(self._count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(_free_port()),
        }

        def of_rank(rank: int) -> Callable[[], dict[str, Any]]:
            request = {"workload": workload, "path": str(path)}
            environment = {**address, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            return lambda: ranks.run(request, environment)

        return _side_by_side(in_processes([of_rank(n) for n in range(self._count)], BUDGET_S))


def _side_by_side(facts: list[dict[str, Any]]) -> dict[str, Any]:
    """One row of facts: what differs by device becomes a list with one value per rank."""
    failed = [one for one in facts if one["status"] != "ran"]
    row: dict[str, Any] = {"tensor_parallel": len(facts)}
    if failed:
        return {**row, **failed[0], "ranks": facts}
    for key in facts[0]:
        values = [one[key] for one in facts]
        row[key] = values if key in ranks.PER_RANK else values[0]
    return row


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main() -> None:
    """Measure the named sets and write all rows, after each one, to the output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("sets", nargs="*", metavar="SET")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--most", type=int, help="Only so many rows.", metavar="ROWS")
    parser.add_argument("--stop-after", type=float, default=170, metavar="SECONDS")
    wishes = parser.parse_args()
    for module in ("torch", "transformers", "torch.distributed.tensor"):
        importlib.import_module(module)
    began = time.monotonic()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(wishes.processes, wishes.tiny, Path(folder))
        for row in configurations(wishes.sets)[: wishes.most]:
            started = time.monotonic()
            if started - began > wishes.stop_after:
                print(f"stopped after {started - began:.0f} s", flush=True)
                break
            if wishes.tiny:
                row["workload"] = small(row["workload"])
            try:
                facts = runs.measure(row["model"], row["workload"])
            except Exception as error:
                facts = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
            rows.append({**row, "measured": facts})
            wishes.output.write_text(json.dumps(rows, indent=1) + "\n")
            peaks = [f"{peak / GIB:.3f}" for peak in facts.get("peak_allocated_bytes", [])]
            print(
                f"{row['set']} {row['model']} {row['workload']['attention']} {facts['status']} "
                f"{' '.join(peaks)} GiB {facts.get('reason', '')} "
                f"{time.monotonic() - started:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
