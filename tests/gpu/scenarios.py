"""Full-size runs on real GPUs, for the tests beside this file and as a script of its own.

    PYTHONPATH=doctor:checks python3 tests/gpu/scenarios.py [--facts FOLDER] [NAME ...]

runs the named scenarios (all that this machine has GPUs for), prints each finding as JSON and
keeps the facts as NAME.json. It needs torch and transformers with a CUDA device, msgspec and
packaging; no weights are downloaded.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

import qvl_checks
from qvl_checks.devices.torch_facts import DEVICES_TORCH
from qvl_checks.memory.change_facts import CANDIDATES, FIXES, LARGEST_IMAGE
from qvl_checks.memory.device_0_out_of_memory import device_0_out_of_memory
from qvl_checks.memory.predicted_facts import PREDICTED
from qvl_checks.memory.prediction_off import prediction_off
from qvl_checks.memory.run_facts import AS_STATED
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import Record, WorkloadFacts, encode_record
from qvl_doctor.findings import Finding
from qvl_doctor.judge import find
from qvl_doctor.probe import Level
from qvl_doctor.registry import Registry
from qvl_doctor.running.examine import Examination
from qvl_doctor.selection import probes_for
from qvl_doctor.target import Choice

GIB = 2**30
PROBES = {
    probe.id: probe
    for probe in (DEVICES_TORCH, PREDICTED, AS_STATED, CANDIDATES, FIXES, LARGEST_IMAGE)
}
CHECKS = (device_0_out_of_memory, prediction_off)


class Scenario(NamedTuple):
    """A workload on a published size."""

    workload: WorkloadFacts
    gpus: int = 1
    model: str = "Qwen2.5-VL-7B"


PHOTO = ((2048, 1365),)
SCENARIOS = {
    "eager": Scenario(WorkloadFacts(images=PHOTO, attention="eager", cap_bytes=24 * GIB)),
    "default": Scenario(WorkloadFacts(images=PHOTO, cap_bytes=24 * GIB)),
    "prompt-eager": Scenario(
        WorkloadFacts(images=(), text_tokens=12000, attention="eager", cap_bytes=24 * GIB)
    ),
    "forward-logits": Scenario(
        WorkloadFacts(images=(), text_tokens=40000, mode="forward", cap_bytes=28 * GIB)
    ),
    "by-part": Scenario(
        WorkloadFacts(images=PHOTO, attention="vision=sdpa,text=eager", cap_bytes=24 * GIB)
    ),
    "too-small": Scenario(WorkloadFacts(images=PHOTO, cap_bytes=12 * GIB)),
    "two-gpus-eager": Scenario(
        WorkloadFacts(
            images=((1680, 1680),), attention="eager", device_map="auto", cap_bytes=24 * GIB
        ),
        gpus=2,
    ),
    "two-gpus-default": Scenario(
        WorkloadFacts(images=((1680, 1680),), device_map="auto", cap_bytes=24 * GIB), gpus=2
    ),
}


def examine(scenario: Scenario) -> tuple[Record, Finding, Finding]:
    """Run the memory probes on this machine and judge them: does it fit, was it foreseen?"""
    examination = Examination(
        choice=Choice(sys.executable, "it runs the scenario"),
        probes=PROBES,
        wanted=probes_for(CHECKS),
        roots={"qvl_checks": str(Path(next(iter(qvl_checks.__path__))))},
        model=resolve(scenario.model),
        workload=scenario.workload,
        level=Level.DEEP,
    )
    record = examination.run()
    fits, foreseen = (find(check, record, Registry()) for check in CHECKS)
    return record, fits, foreseen


def main() -> None:
    """Run scenarios from the command line."""
    import torch

    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--facts", type=Path, help="folder that keeps the facts")
    wishes = parser.parse_args()
    for name in wishes.names or SCENARIOS:
        scenario = SCENARIOS[name]
        if torch.cuda.device_count() < scenario.gpus:
            print(f"== {name}: needs {scenario.gpus} GPUs")
            continue
        started = time.monotonic()
        record, *findings = examine(scenario)
        print(f"== {name}: {time.monotonic() - started:.1f} s")
        for finding in findings:
            without_points = msgspec.structs.replace(finding, charts=())
            print(f"{finding.outcome.value}: {finding.title}")
            print(msgspec.json.format(msgspec.json.encode(without_points), indent=1).decode())
        for probe_id, probe in record.probes.items():
            if probe.reason:
                print(f"-- {probe_id}: {probe.status.value}: {probe.reason}\n{probe.output}")
        if wishes.facts:
            wishes.facts.mkdir(parents=True, exist_ok=True)
            (wishes.facts / f"{name}.json").write_bytes(encode_record(record))


if __name__ == "__main__":
    main()
