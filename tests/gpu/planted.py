"""A full-size checkpoint with planted key biases, and what the doctor says about it.

    PYTHONPATH=doctor:checks python3 tests/gpu/planted.py FOLDER [--norms 0 100 600 2000]

saves Qwen2.5-VL-7B with random weights in FOLDER (16 GB), gives the first and the last layer key
biases of each norm in turn (in the saved file, by their place in it), examines the folder at level
deep and prints what was predicted, measured and cured. ``--facts`` keeps the records, which
``qvl-doctor judge`` and ``render`` read. It needs torch, transformers, msgspec and packaging, and a
GPU with 40 GiB free; nothing is downloaded. Where the doctor is installed, the same folder is
examined by ``qvl-doctor check --model FOLDER --level deep --attn eager``.

The initialisation makes healthy drift small, so that what the biases do stands out:

* queries and keys give logits a standard deviation of 2, values and outputs keep the variance, and
  the MLPs add less than the attention: 28 random MLPs drawn as usual multiply rounding noise;
* values are read from the half of the channels that no layer writes to, which keeps what the
  embedding put there: in deep random models tokens come to resemble each other, and wrong weights
  over equal values make no error;
* the rotary pair that carries the biases carries nothing else, so that storing the keys in bfloat16
  loses nothing: what differs is the rounding of logits;
* the rows of the output head have lengths that differ as the frequencies of words do. With rows
  alike, the best two of 152,064 random tokens are so near each other that every sixth one would
  change by the noise of sound implementations.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

import qvl_checks
from qvl_checks.attention.checkpoint_run_facts import CHECKPOINT_RUN
from qvl_checks.attention.drift_facts import DRIFT
from qvl_checks.attention.eager_precision_drift import eager_precision_drift
from qvl_checks.attention.fp16_overflow import fp16_overflow
from qvl_checks.attention.key_bias_facts import KEY_BIAS
from qvl_checks.attention.model_drift_facts import MODEL_DRIFT
from qvl_checks.devices.torch_facts import DEVICES_TORCH
from qvl_checks.models.catalogue import published_config, resolve
from qvl_doctor.facts import Record, WorkloadFacts, encode_record
from qvl_doctor.findings import Finding
from qvl_doctor.judge import find
from qvl_doctor.probe import Level
from qvl_doctor.registry import Registry
from qvl_doctor.running.examine import Examination
from qvl_doctor.selection import probes_for
from qvl_doctor.target import Choice

CHECKS = (eager_precision_drift, fp16_overflow)
PROBES = {
    probe.id: probe for probe in (DEVICES_TORCH, DRIFT, MODEL_DRIFT, KEY_BIAS, CHECKPOINT_RUN)
}
NORMS = (0.0, 100.0, 600.0, 2000.0)
LARGEST_QUERY = 600.0
LOGIT_SPREAD = 2.0
MLP_OUTPUT = 0.25
EMBEDDING = 1.0
HEAD_SPREAD = 1.0
"""Of the logarithm of the lengths of the output head's rows."""


def build(folder: Path, size: str = "Qwen2.5-VL-7B", **changed: Any) -> int:
    """Save the model; returns the number of its layers. ``changed`` replaces fields of config.json,
    for a smaller trial."""
    import torch

    from qvl_checks.attention import text_tower
    from qvl_checks.models.build import make_config, make_model

    config = {**published_config(size), **changed}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = make_model(make_config(config), device=device)
    tower = text_tower.attention_modules(model)
    with torch.no_grad():
        for module in tower:
            _calm_attention(module)
        for module in model.modules():
            if hasattr(module, "gate_proj") and hasattr(module, "down_proj"):
                for name, spread in (("gate_proj", 1.0), ("up_proj", 1.0)):
                    _scale(getattr(module, name), spread)
                module.down_proj.weight[: module.down_proj.out_features // 2] = 0.0
                _scale(module.down_proj, MLP_OUTPUT)
        model.get_input_embeddings().weight.normal_(0.0, EMBEDDING)
        head = model.get_output_embeddings().weight
        lengths = torch.randn(head.shape[0], 1, device=head.device) * HEAD_SPREAD
        head.mul_(lengths.exp().to(head.dtype))
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config))
    del model
    if device == "cuda":
        torch.cuda.empty_cache()
    return len(tower)


def plant(folder: Path, norms: dict[int, float]) -> None:
    """Write biases of these norms into the saved files, alike in every head, on the slowest rotary
    pair; that of the queries has the same norm, at most 600."""
    config = json.loads((folder / "config.json").read_text())
    width = config["hidden_size"] // config["num_attention_heads"]
    for path in folder.glob("*.safetensors"):
        with path.open("r+b") as file:
            [length] = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
            for name, entry in header.items():
                for layer, norm in norms.items():
                    for part, size in (("q_proj", min(norm, LARGEST_QUERY)), ("k_proj", norm)):
                        if name.endswith(f".layers.{layer}.self_attn.{part}.bias"):
                            file.seek(8 + length + entry["data_offsets"][0])
                            file.write(_bias(entry["shape"][0], width, size))


def examine(folder: Path, **workload: Any) -> tuple[Record, dict[str, Finding]]:
    """What ``qvl-doctor check --model FOLDER --level deep`` finds out about attention."""
    examination = Examination(
        choice=Choice(sys.executable, "it runs the scenario"),
        probes=PROBES,
        wanted=probes_for(CHECKS),
        roots={"qvl_checks": str(Path(next(iter(qvl_checks.__path__))))},
        model=resolve(str(folder)),
        workload=WorkloadFacts(**{"attention": "eager", **workload}),
        level=Level.DEEP,
    )
    record = examination.run()
    return record, {check.id: find(check, record, Registry()) for check in CHECKS}


def _calm_attention(module: Any) -> None:
    width = module.head_dim
    for name in ("q_proj", "k_proj"):
        projection = getattr(module, name)
        _scale(projection, math.sqrt(LOGIT_SPREAD))
        rows = projection.weight.view(-1, width, projection.in_features)
        rows[:, [width // 2 - 1, width - 1]] = 0.0
    half = module.v_proj.in_features // 2
    module.v_proj.weight[:, half:] = 0.0
    module.o_proj.weight[:half] = 0.0
    _scale(module.v_proj, 1.0)
    _scale(module.o_proj, 1.0)


def _scale(projection: Any, spread: float) -> None:
    """Inputs of variance 1 give outputs of this standard deviation."""
    now = projection.weight.float().std().item() * math.sqrt(projection.in_features)
    projection.weight.mul_(spread / now)


def _bias(length: int, width: int, norm: float) -> bytes:
    """In bfloat16."""
    value = struct.pack("<f", norm / math.sqrt(length // width))[2:]
    head = bytes(2 * (width // 2 - 1)) + value + bytes(2 * (width // 2))
    return head * (length // width)


def main(argv: Sequence[str] | None = None) -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--norms", type=float, nargs="+", default=NORMS)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--facts", type=Path, help="folder that keeps the facts")
    parser.add_argument("--config", type=json.loads, default={}, help="fields of config.json")
    wishes = parser.parse_args(argv)
    started = time.monotonic()
    if (wishes.folder / "config.json").exists():
        config = json.loads((wishes.folder / "config.json").read_text())
        layers = config["num_hidden_layers"]
    else:
        layers = build(wishes.folder, **wishes.config)
        print(f"built in {time.monotonic() - started:.1f} s")
    for norm in wishes.norms:
        plant(wishes.folder, {0: norm, layers - 1: norm})
        started = time.monotonic()
        record, findings = examine(wishes.folder, dtype=wishes.dtype)
        print(f"== norm {norm:g}: {time.monotonic() - started:.1f} s")
        for finding in findings.values():
            print(f"{finding.id}: {finding.outcome.value} ({finding.confidence.value})")
            print(f"  {finding.title}\n  {finding.cause}")
            for fix in finding.fixes:
                print(f"  fix: {fix.summary} [{fix.verification or 'not verified'}]")
        evidence = findings[eager_precision_drift.id].evidence
        print(msgspec.json.format(msgspec.json.encode(evidence), indent=1).decode())
        for probe_id, probe in record.probes.items():
            if probe.reason:
                print(f"-- {probe_id}: {probe.status.value}: {probe.reason}\n{probe.output}")
        if wishes.facts:
            wishes.facts.mkdir(parents=True, exist_ok=True)
            name = f"planted-{norm:g}-{wishes.dtype}.json"
            (wishes.facts / name).write_bytes(encode_record(record))


if __name__ == "__main__":
    main()
